import { codeOf } from '../../errors/index.ts';
import type { DemoIdentity, PartitionTable } from '../../esp/index.ts';
import { spreadRenewalTime } from '../../pki/index.ts';
import { type OpenedNvs, openNvs, wipe } from '../boot/nvs.ts';
import { type BootLine, BootScript } from '../boot/script.ts';
import type { ChipContext, Program } from '../chip/context.ts';
import { type OwnIdentity, ownIdentity } from './identity.ts';
import { settledEntries, settleIdentity, storeIdentity } from './nvs-identity.ts';
import { NvsFull, NvsStore } from './nvs-store.ts';
import type { Application as Options } from './options.ts';
import { type RenewalRequest, renew, renewalRequest } from './renewal.ts';
import { Session, type SessionEnd } from './session.ts';
import { Timers } from './timers.ts';

const TAG = 'scadable';
/** From an error to the state in which it tries again, in ms. */
const SETTLE_MS = 101;
/** From one try to connect to the next, in ms: doubled until `most`. */
const RETRY = { first: 1_000, most: 60_000 } as const;
/** The same for a renewal that was refused. */
const RENEW_AGAIN = { first: 5_000, most: 3_600_000 } as const;
const LONGEST_LINE = 200;
/** Certificates begin this long before they are issued, for devices whose clock is behind, in ms. */
const BACKDATED_MS = 300_000;

export interface ApplicationPlace {
  readonly context: ChipContext;
  readonly options: Options;
  readonly table: PartitionTable;
  readonly declared: DemoIdentity;
  /** When the boot began, of the bench's clock. */
  readonly startedAt: number;
  print(lines: readonly BootLine[]): void;
}

/**
 * The test application of a virtual chip: it connects with what is in NVS, renews by EST and keeps what it gets, and
 * tries for ever. It says what SCADABLE's guide says that a device says.
 */
export class Application implements Program {
  readonly #place: ApplicationPlace;
  readonly #options: Options;
  readonly #timers: Timers;
  readonly #abort = new AbortController();
  #identity: OwnIdentity | undefined;
  #session: Session | undefined;
  #retryMs: number = RETRY.first;
  #renewMs: number = RENEW_AGAIN.first;
  /** Asked for, and not in NVS yet. */
  #request: RenewalRequest | undefined;
  /** A new certificate is there: the session ends to begin with it. */
  #isFresh = false;
  #knowsTime = false;

  constructor(place: ApplicationPlace) {
    this.#place = place;
    this.#options = place.options;
    this.#timers = new Timers(place.context.clock);
    this.#run().catch((error: unknown) => this.#say('E', `stopped: ${codeOf(error)}`));
  }

  received(): void {
    // Nobody types at it.
  }

  stop(): void {
    this.#abort.abort();
    this.#timers.stop();
    this.#session?.drop();
    this.#identity?.key.fill(0);
  }

  get #stopped(): boolean {
    return this.#abort.signal.aborted;
  }

  async #run(): Promise<void> {
    const { declared } = this.#place;
    await this.#write((store) => settleIdentity(store, declared.layout));
    if (!this.#load()) return;
    if (this.#options.timeAfterMs !== null) this.#timers.in(this.#options.timeAfterMs, () => this.#timeComes());
    this.#say('I', 'state: INIT -> CONNECTING');
    this.#connect();
  }

  /** Reads what NVS holds now. */
  #load(): boolean {
    const opened = this.#open();
    const own = ownIdentity(opened ?? { entries: [] }, this.#place.declared.layout);
    wipe(opened?.place.keys ?? null);
    this.#identity?.key.fill(0);
    this.#identity = own;
    if (own === undefined) this.#say('E', 'no identity that the application can use');
    return own !== undefined;
  }

  #open(): OpenedNvs | null {
    const { context, table, declared } = this.#place;
    const opened = openNvs(context, table, declared.nvs, new BootScript(0, false));
    return opened === null ? null : { ...opened, entries: settledEntries(opened.entries, declared.layout) };
  }

  /** Works on the chip's own NVS, step by step. @throws NvsFull */
  async #write(work: (store: NvsStore) => Generator<number, void, void>): Promise<void> {
    const opened = this.#open();
    if (opened === null) return;
    const store = new NvsStore(this.#place.context.flash, opened.place);
    wipe(opened.place.keys);
    const steps = function* (): Generator<number, void, void> {
      yield* store.mount();
      yield* work(store);
    };
    try {
      await this.#timers.work(steps());
    } finally {
      store.wipe();
    }
  }

  #connect(): void {
    const identity = this.#identity;
    if (this.#stopped || identity === undefined) return;
    const broker = this.#options.broker ?? identity.broker;
    if (broker === null) {
      this.#say('E', 'no broker is known: it stands neither in NVS nor in the firmware');
      return;
    }
    this.#isFresh = false;
    const { serverName, topicPrefix } = this.#options;
    const prefix = topicPrefix.replaceAll('{namespace}', identity.namespace).replaceAll('{mac}', identity.mac);
    const events = {
      connected: () => this.#connected(),
      message: (topic: string, payload: Uint8Array) => this.#say('I', `received ${topic}: ${payload.length} bytes`),
      ended: (end: SessionEnd) => this.#ended(end),
    };
    Session.open({ broker, serverName, identity, prefix }, events, () => !this.#stopped).then(
      (session) => {
        this.#session = session ?? undefined;
      },
      // A key that TLS does not take.
      (error: unknown) => this.#ended({ wasConnected: false, why: 'refused', code: codeOf(error) }),
    );
  }

  #connected(): void {
    this.#retryMs = RETRY.first;
    this.#say('I', 'state: CONNECTING -> CONNECTED');
    this.#session?.publish('presence', 'online', 1);
    this.#telemetry(this.#session);
  }

  #telemetry(session: Session | undefined): void {
    if (session === undefined || session !== this.#session) return;
    session.publish('telemetry', JSON.stringify({ uptime: Math.round(this.#uptime / 1000) }), 0);
    this.#timers.in(this.#options.telemetryMs, () => this.#telemetry(session));
  }

  #ended(end: SessionEnd): void {
    if (this.#stopped) return;
    this.#session = undefined;
    if (this.#isFresh) {
      this.#say('I', 'state: CONNECTED -> CONNECTING (new certificate)');
      this.#connect();
      return;
    }
    this.#say('E', this.#problem(end));
    this.#timers.in(SETTLE_MS, () => {
      this.#say('I', 'state: ERROR -> CONNECTING (retriable)');
      const wait = this.#retryMs * (0.8 + 0.4 * this.#options.random());
      this.#retryMs = Math.min(RETRY.most, 2 * this.#retryMs);
      this.#timers.in(wait, () => this.#connect());
    });
  }

  /** A device learns nothing of why it is refused; that its certificate is over it can tell by itself. */
  #problem({ wasConnected, why, code }: SessionEnd): string {
    const notAfter = this.#identity?.notAfter ?? 0;
    if (why === 'network') return `connect failed: ${code}`;
    if (why === 'server') return `TLS handshake failed: the certificate of the broker is not accepted (${code})`;
    if (this.#now !== null && this.#now >= notAfter) {
      return `TLS handshake failed: cert expired (notAfter ${new Date(notAfter).toISOString().slice(0, 10)})`;
    }
    return wasConnected ? `connection lost: ${code}` : `TLS handshake failed: ${code}`;
  }

  #timeComes(): void {
    this.#knowsTime = true;
    const now = this.#options.time();
    this.#say('I', `time is set: ${new Date(now).toISOString().replace('T', ' ').slice(0, 19)} UTC`);
    this.#planRenewal();
  }

  #planRenewal(): void {
    const [now, identity] = [this.#now, this.#identity];
    if (this.#options.est === null || now === null || identity === undefined) return;
    const { notBefore, notAfter } = identity;
    const issuedAt = Math.min(notBefore + BACKDATED_MS, notAfter);
    const { rotation, random } = this.#options;
    const due = now >= notAfter ? now : spreadRenewalTime(rotation, issuedAt, notAfter, now, random());
    this.#timers.in(Math.max(0, due - now), () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { est, serverName, time } = this.#options;
    const identity = this.#identity;
    if (est === null || identity === undefined || this.#stopped) return;
    this.#say('I', `renewing: CN=${identity.commonName}`);
    try {
      const clock = this.#now === null ? null : time;
      // With a new key at every try the service would have to refuse it in the end.
      this.#request ??= await renewalRequest(identity.commonName);
      const request = this.#request;
      const next = await renew({ url: est, serverName, identity, request, time: clock, signal: this.#abort.signal });
      try {
        if (this.#stopped) return;
        await this.#write((store) => storeIdentity(store, this.#place.declared.layout, next));
      } finally {
        next.key.fill(0);
      }
    } catch (error) {
      if (this.#stopped) return;
      const what = error instanceof NvsFull ? `NVS: ${error.message}` : codeOf(error);
      this.#say('W', `renewal failed: ${what}, again in ${Math.round(this.#renewMs / 1000)} s`);
      this.#timers.in(this.#renewMs, () => void this.#renew());
      this.#renewMs = Math.min(RENEW_AGAIN.most, 2 * this.#renewMs);
      return;
    }
    this.#request = undefined;
    if (this.#stopped || !this.#load()) return;
    this.#renewMs = RENEW_AGAIN.first;
    const until = new Date(this.#identity?.notAfter ?? 0).toISOString().replace('T', ' ').slice(0, 19);
    this.#say('I', `renewed: valid until ${until} UTC`);
    this.#planRenewal();
    // One that is not connected comes with it at its next try.
    this.#isFresh = this.#session !== undefined;
    this.#session?.leave();
  }

  /** What time it is; null while the chip does not know. */
  get #now(): number | null {
    return this.#knowsTime ? this.#options.time() : null;
  }

  get #uptime(): number {
    return this.#place.context.clock.now() - this.#place.startedAt;
  }

  #say(level: 'E' | 'W' | 'I', message: string): void {
    if (this.#stopped) return;
    const script = new BootScript(this.#uptime, false);
    // What others have named must not write lines of its own.
    script.log(level, TAG, message.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?').slice(0, LONGEST_LINE));
    this.#place.print(script.lines);
  }
}
