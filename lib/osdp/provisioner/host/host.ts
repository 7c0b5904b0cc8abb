import { randomBytes } from 'node:crypto';
import { isKeywayError, type KeywayError } from '../../../errors/index.ts';
import { wipe } from '../../../vault/index.ts';
import { KDF } from '../../secure/index.ts';
import type { DeviceStatus } from '../device.ts';
import { CHANNEL_TIMES } from '../link/channel.ts';
import { fromWire } from '../link/envelope.ts';
import type { Cursor, ParamsOf, RequestType, ResultOf } from '../link/messages.ts';
import type { PlanTerms, SlotId, SlotPicture, SlotSeed, SlotSummary, StepPlan, StepVerb } from '../types.ts';
import type { Where } from './dial.ts';
import { checkPin, type GreetOptions, greet, type Pins } from './greet.ts';
import { type EdgeListener, Inbox } from './inbox.ts';
import { lost, type Notice, type Part, type Session } from './session.ts';

/**
 * connecting: not attached yet. attached: requests go through. lost: it was attached, and is being looked for.
 * closed: by `close`.
 */
export type HostState = 'connecting' | 'attached' | 'lost' | 'closed';

/** What a host tells of itself. */
export interface HostNews {
  readonly state: HostState;
  /** Why it is not attached: HOST_BUSY, LINK_WRONG_CERTIFICATE, NOT_PAIRED, LINK_UNREACHABLE … */
  readonly problem: KeywayError | null;
}

export interface HostOptions extends GreetOptions {
  /** Which provisioners may answer; not for a unix socket. */
  readonly pins?: Pins;
  /** Take the place of another host at the first attaching. Default false. */
  readonly takeover?: boolean;
  /** Up to where the caller has the edges of earlier runs: what came later is delivered. */
  readonly after?: readonly Cursor[];
  /** What went wrong besides: a listener's rejection, an edge that could not be acknowledged. */
  readonly onProblem?: (error: unknown) => void;
  /** Between tries to connect, ms: the first, and the longest. Default 100 and 5000. */
  readonly retryMs?: readonly [number, number];
}

const RETRY_MS = [100, 5000] as const;
const SEED_BYTES = 16;
/** Steps of one request. */
const CHUNK = 32;

/**
 * A host of one provisioner, for all of a process that works with it: however many use it, it is one host. It attaches,
 * and attaches again whenever the link was lost; requests meanwhile are refused with LINK_LOST. Edges come to its
 * listeners each once and in order, those from the time between with `backfill`; a listener's promise is waited for
 * before the device is told that the edge arrived.
 */
export class ProvisionerHost {
  readonly #where: Where;
  readonly #options: HostOptions;
  readonly #instance = randomBytes(16).toString('hex');
  readonly #inbox: Inbox;
  readonly #news = new Set<(news: HostNews) => void>();
  readonly #statusListeners = new Set<(status: DeviceStatus) => void>();
  readonly #over = new AbortController();
  readonly #running: Promise<void>;
  #takeover: boolean;
  #session: Session | undefined;
  #state: HostState = 'connecting';
  #problem: KeywayError | null = null;
  #status: DeviceStatus | null = null;
  #fingerprint: string | null = null;
  /** Per slot, what is to be acknowledged; one request a slot is under way. */
  readonly #acks = new Map<SlotId, { next: Cursor | null; busy: boolean }>();

  private constructor(where: Where, options: HostOptions) {
    this.#where = where;
    this.#options = options;
    this.#takeover = options.takeover === true;
    const problem = options.onProblem ?? (() => undefined);
    this.#inbox = new Inbox(options.after ?? [], (cursor) => this.#acknowledge(cursor), problem);
    this.#running = this.#run();
  }

  /** Begins to connect and goes on until `close`. See `onState`. */
  static start(where: Where, options: HostOptions): ProvisionerHost {
    return new ProvisionerHost(where, options);
  }

  /** As `start`; resolves when it is attached. @throws why the first try failed: see `HostNews` */
  static async connect(where: Where, options: HostOptions): Promise<ProvisionerHost> {
    const host = new ProvisionerHost(where, options);
    const problem = await new Promise<KeywayError | null>((resolve) => {
      const stop = host.onState((news) => {
        if (news.state !== 'attached' && news.problem === null) return;
        stop();
        resolve(news.problem);
      });
    });
    if (problem === null) return host;
    await host.close();
    throw problem;
  }

  get state(): HostState {
    return this.#state;
  }

  get problem(): KeywayError | null {
    return this.#problem;
  }

  /** What the provisioner said of itself last; null before the first attaching. */
  get status(): DeviceStatus | null {
    return this.#status;
  }

  /** Which certificate it showed; null on a unix socket. */
  get fingerprint(): string | null {
    return this.#fingerprint;
  }

  onState(listener: (news: HostNews) => void): () => void {
    this.#news.add(listener);
    return () => this.#news.delete(listener);
  }

  onStatus(listener: (status: DeviceStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  /** Edges wait, here and in the device, until there is a listener. One that comes later gets those from then on. */
  onEdge(listener: EdgeListener): () => void {
    return this.#inbox.add(listener);
  }

  /** Up to where all listeners have the edges: to be given as `after` when the process starts again. */
  cursors(): Cursor[] {
    return this.#inbox.taken();
  }

  /** Tries at once, and takes the place of another host. */
  takeOver(): void {
    if (this.#state === 'attached') return;
    this.#takeover = true;
    this.#wake();
  }

  async slots(): Promise<readonly SlotSummary[]> {
    return (await this.#ask('slots', {})).slots;
  }

  /**
   * Writes a plan into an empty slot and seals it. The seed is made here, sent once, and overwritten.
   * @throws what `ProvisionerDevice` throws; LINK_LOST: then the slot is empty, or sealed when `detail` says so
   */
  async create(slot: number, terms: PlanTerms, steps: readonly StepPlan[]): Promise<SlotSummary> {
    await this.#withNewSeed((seed, session) => this.#ask('begin', { slot, terms, session, kdf: KDF }, seed));
    try {
      for (let at = 0; at < steps.length; at += CHUNK) {
        await this.#ask('steps', { slot, steps: steps.slice(at, at + CHUNK) });
      }
      return (await this.#ask('seal', { slot })).summary;
    } catch (error) {
      // Without a link, the device does so by itself.
      if (!isKeywayError(error, 'LINK_LOST')) await this.#ask('abandon', { slot }).catch(() => undefined);
      throw error;
    }
  }

  async open(slot: SlotId): Promise<SlotPicture> {
    const parts = await this.#attached('open').requestParts('open', { slot });
    const { summary, terms } = (parts[0] as (typeof parts)[number]).result;
    return { summary, terms, steps: parts.flatMap((part) => part.result.steps) };
  }

  async remove(slot: SlotId, session: string | null = null): Promise<void> {
    await this.#ask('remove', { slot, session });
  }

  async verb(slot: SlotId, step: number, verb: StepVerb): Promise<void> {
    await this.#ask('verb', { slot, step, verb });
  }

  async cancel(slot: SlotId): Promise<void> {
    await this.#ask('cancel', { slot });
  }

  async beginLive(terms: PlanTerms): Promise<SlotSummary> {
    const { summary } = await this.#withNewSeed((seed, session) =>
      this.#ask('beginLive', { terms, session, kdf: KDF }, seed),
    );
    return summary;
  }

  async quick(step: StepPlan): Promise<number> {
    return (await this.#ask('quick', { step })).index;
  }

  async closeLive(): Promise<SlotSummary> {
    return (await this.#ask('closeLive', {})).summary;
  }

  /** Reads the seed back for as long as `use` takes; it is overwritten after. The device logs it. */
  async withSeed<T>(slot: SlotId, use: (seed: SlotSeed) => T | Promise<T>): Promise<T> {
    const { result, secret } = await this.#attached('seed').request('seed', { slot });
    const seed = secret ?? Buffer.alloc(0);
    try {
      return await use({ ...result, seed });
    } finally {
      wipe(seed);
    }
  }

  async exported(slot: SlotId, session: string): Promise<void> {
    await this.#ask('exported', { slot, session });
  }

  /** Leaves the provisioner, which goes on by itself where it was told to. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return this.#running;
    this.#over.abort();
    this.#inbox.close();
    this.#session?.close();
    this.#wake();
    await this.#running;
  }

  #wake: () => void = () => undefined;

  async #run(): Promise<void> {
    const [first, longest] = this.#options.retryMs ?? RETRY_MS;
    for (let pause = first; !this.#over.signal.aborted; ) {
      let problem: KeywayError | null;
      try {
        const { session, released } = await this.#attach();
        const since = performance.now();
        problem = asProblem(await session.ended);
        // One that ends at once, again and again, is not asked all the time.
        if (performance.now() - since > longest) pause = first;
        await released;
      } catch (error) {
        problem = asProblem(error);
      }
      this.#session = undefined;
      if (this.#over.signal.aborted) break;
      this.#tell(this.#state === 'attached' || this.#state === 'lost' ? 'lost' : 'connecting', this.#bye ?? problem);
      this.#bye = undefined;
      await this.#pause(pause);
      pause = Math.min(pause * 2, longest);
    }
    this.#tell('closed', null);
  }

  /** Why the device ended the connection. */
  #bye: KeywayError | undefined;

  async #attach(): Promise<{ session: Session; released: Promise<void> }> {
    const { pins = [], times } = this.#options;
    const dialling = { ...this.#options, signal: this.#over.signal };
    const { session, hello, binding, released } = await greet(
      this.#where,
      dialling,
      (shown) => checkPin(this.#where, shown, pins),
      (notice) => this.#notice(notice),
    );
    const pingMs = Math.max(10, Math.min(hello.keepaliveMs, (times?.idleMs ?? CHANNEL_TIMES.idleMs) / 3));
    const timer = setInterval(() => void session.request('ping', {}).catch(() => undefined), pingMs);
    void session.ended.then(() => clearInterval(timer));
    if (this.#over.signal.aborted) session.destroy();
    try {
      const { result } = await this.#claim(session);
      this.#takeover = false;
      this.#fingerprint = binding?.provisioner ?? null;
      this.#session = session;
      this.#inbox.keep(new Map(result.slots.map((slot) => [slot.slot, slot.session])));
      this.#setStatus(result.status);
      this.#acks.clear();
      for (const cursor of this.#inbox.taken()) this.#acknowledge(cursor);
      this.#tell('attached', null);
      return { session, released };
    } catch (error) {
      session.destroy();
      await released;
      throw error;
    }
  }

  async #claim(session: Session): Promise<Part<'attach'>> {
    const asked = { instance: this.#instance, takeover: this.#takeover, after: this.#inbox.came() };
    try {
      return await session.request('attach', asked);
    } catch (error) {
      // It was asked once, and answered.
      if (!isKeywayError(error, 'LINK_LOST')) this.#takeover = false;
      throw error;
    }
  }

  #notice(notice: Notice): void {
    if (notice.type === 'edge') this.#inbox.put(notice.edge, notice.backfill);
    else if (notice.type === 'status') this.#setStatus(notice.status);
    else this.#bye = fromWire(notice.error);
  }

  #setStatus(status: DeviceStatus): void {
    this.#status = status;
    for (const listener of [...this.#statusListeners]) listener(status);
  }

  #tell(state: HostState, problem: KeywayError | null): void {
    this.#state = state;
    this.#problem = problem;
    for (const listener of [...this.#news]) listener({ state, problem });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #attached(type: RequestType): Session {
    if (this.#session !== undefined) return this.#session;
    throw this.#problem ?? lost(type, false);
  }

  async #ask<T extends RequestType>(type: T, params: ParamsOf<T>, secret?: Uint8Array): Promise<ResultOf<T>> {
    return (await this.#attached(type).request(type, params, secret)).result;
  }

  async #withNewSeed<T>(send: (seed: Buffer, session: string) => Promise<T>): Promise<T> {
    const seed = randomBytes(SEED_BYTES);
    try {
      return await send(seed, randomBytes(16).toString('hex'));
    } finally {
      wipe(seed);
    }
  }

  /** The newest of a slot, one request at a time: each is as good as all before it. */
  #acknowledge(cursor: Cursor): void {
    const known = this.#acks.get(cursor.slot) ?? { next: null, busy: false };
    this.#acks.set(cursor.slot, known);
    known.next = cursor;
    if (known.busy || this.#session === undefined) return;
    known.busy = true;
    void this.#sendAcks(known, this.#session);
  }

  async #sendAcks(known: { next: Cursor | null; busy: boolean }, session: Session): Promise<void> {
    try {
      for (let cursor = known.next; cursor !== null; cursor = known.next) {
        known.next = null;
        await session.request('ack', cursor);
      }
    } catch (error) {
      // When the link is back, they are said again.
      if (!isKeywayError(error, 'LINK_LOST')) this.#options.onProblem?.(error);
    } finally {
      known.busy = false;
    }
  }
}

function asProblem(error: unknown): KeywayError {
  return isKeywayError(error) ? error : (lost(null, false, error) as KeywayError);
}
