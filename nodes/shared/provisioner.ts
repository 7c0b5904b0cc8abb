import { isKeywayError } from '../../lib/errors/index.ts';
import type { Edge, SlotId, StepStatus } from '../../lib/osdp/index.ts';
import type { DeviceStatus, HostNews, ProvisionerHost, SharedHost } from '../../lib/osdp/node.ts';
import { fail as failNode } from './errors.ts';
import { fail } from './provisioner-errors.ts';
import { Turns } from './turns.ts';

/** Somebody who wants to know how steps come along. */
export interface ProvisionerListener {
  onEdge?(edge: Edge, backfill: boolean): void;
  /** attached, lost, connecting; with what is wrong. */
  onNews?(news: HostNews): void;
  /** A slot was created, deleted or exported through one of our nodes. */
  onChange?(): void;
}

/** Begins to be the host of a provisioner, and goes on until it is released. */
export type StartHost = () => Promise<SharedHost>;

/** Before what failed is tried again by itself, in ms. */
const AGAIN_MS = 2000;

interface Waiting {
  readonly slot: SlotId;
  take(edge: Edge): void;
  fail(error: Error): void;
}

/** The provisioner of a keyway-provisioner node: one host, which all nodes share. */
export class Provisioner {
  readonly id: string;
  readonly name: string;
  /** Where it is reached, as its node says; blank when it is part of this Node-RED. */
  readonly address: string;
  /** One attempt at a time, for nodes that refuse rather than wait. */
  readonly turns: Turns;
  readonly #start: StartHost;
  readonly #listeners = new Set<ProvisionerListener>();
  readonly #waiting = new Set<Waiting>();
  readonly #ends = new AbortController();
  #starting: Promise<SharedHost> | undefined;
  #again: NodeJS.Timeout | undefined;
  #news: HostNews = { state: 'connecting', problem: null };

  constructor(id: string, name: string, address: string, start: StartHost) {
    this.id = id;
    this.name = name;
    this.address = address;
    this.turns = new Turns(`The provisioner ${name}`);
    this.#start = start;
  }

  /** Where the connection stands. */
  get news(): HostNews {
    return this.#news;
  }

  /** What the provisioner said of itself last. */
  async status(): Promise<DeviceStatus | null> {
    return (await this.host()).status;
  }

  /**
   * The host, once it is attached. What failed is tried again with the next call.
   * @throws PROVISIONER_NOT_SET, why it cannot be attached, the reason of `signal`
   */
  async host(signal?: AbortSignal): Promise<ProvisionerHost> {
    const host = await this.#begin();
    await this.#attached(host, signal);
    return host;
  }

  /** Connects without waiting, and goes on trying: for what comes without being asked. */
  connect(): void {
    clearTimeout(this.#again);
    this.#begin().catch((error: unknown) => {
      if (this.#ends.signal.aborted) return;
      const problem = isKeywayError(error) ? error : fail('PROVISIONER_NOT_SET', String(error));
      this.#tell({ state: 'connecting', problem });
      this.#again = setTimeout(() => this.connect(), AGAIN_MS);
      this.#again.unref();
    });
  }

  listen(listener: ProvisionerListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A slot holds something else now. */
  changed(slot: SlotId, removed = false): void {
    if (removed) {
      for (const one of [...this.#waiting]) {
        if (one.slot === slot) one.fail(fail('SLOT_DELETED', `The slot ${slot} was deleted while its step ran.`));
      }
    }
    for (const { onChange } of [...this.#listeners]) onChange?.();
  }

  /**
   * Says a verb by `act` and waits until the step is where the verb leads.
   * @param after the newest edge of the slot before the verb
   * @param act gives the step's index
   * @param onEdge every change on the way
   * @throws what `act` throws; LINK_LOST, SLOT_DELETED; the reason of `signal`, after `onAbort` has been waited for
   */
  async outcome(options: {
    readonly slot: SlotId;
    readonly after: number;
    readonly signal: AbortSignal;
    act(): Promise<number>;
    onEdge?(edge: Edge): void;
    onAbort?(): Promise<void>;
  }): Promise<Edge> {
    const { slot, after, signal, act, onEdge, onAbort } = options;
    signal.throwIfAborted();
    /** Edges may be here before the answer that says which step it is. */
    const early: Edge[] = [];
    let index: number | undefined;
    let settle: { resolve(edge: Edge): void; reject(error: Error): void };
    const ended = new Promise<Edge>((resolve, reject) => {
      settle = { resolve, reject };
    });
    // Where the verb itself is refused nobody waits for this one.
    ended.catch(() => undefined);
    const take = (edge: Edge): void => {
      if (edge.seq <= after) return;
      if (index === undefined) {
        early.push(edge);
        return;
      }
      if (edge.step.index !== index) return;
      onEdge?.(edge);
      if (isSettled(edge.step)) settle.resolve(edge);
    };
    const waiting: Waiting = { slot, take, fail: (error) => settle.reject(error) };
    this.#waiting.add(waiting);
    let aborting: Promise<void> | undefined;
    const abort = (): void => {
      aborting = (onAbort?.() ?? Promise.resolve()).catch(() => undefined);
      const reason = signal.reason as Error;
      // A step that is ended cleanly says so itself; whoever waits is told why it was ended.
      void aborting.then(() => settle.reject(reason));
    };
    try {
      index = await act();
      for (const edge of early.splice(0)) take(edge);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
      const edge = await ended;
      // Whoever ended it is told so, and not how the step says it.
      if (signal.aborted && edge.step.outcome === 'cancelled') throw signal.reason as Error;
      return edge;
    } finally {
      signal.removeEventListener('abort', abort);
      this.#waiting.delete(waiting);
      await aborting;
    }
  }

  /**
   * Lets go of the provisioner, which goes on by itself where it was told to. Whoever asks for the host next attaches
   * again, and hears what happened meanwhile. @throws BUSY while one of our nodes waits for a step
   */
  async leave(): Promise<void> {
    if (this.#waiting.size > 0) {
      throw failNode('BUSY', `A step that runs on "${this.name}" is waited for.`, {
        hint: 'Wait until it has ended, or cancel it.',
      });
    }
    clearTimeout(this.#again);
    const starting = this.#starting;
    this.#starting = undefined;
    await (await starting?.catch(() => undefined))?.release();
    this.#tell({ state: 'closed', problem: null });
  }

  /** Leaves the provisioner, which goes on by itself where it was told to. */
  async close(): Promise<void> {
    clearTimeout(this.#again);
    this.#ends.abort(this.#gone());
    this.#listeners.clear();
    for (const one of [...this.#waiting]) one.fail(this.#gone());
    const shared = await this.#starting?.catch(() => undefined);
    await shared?.release();
  }

  async #begin(): Promise<ProvisionerHost> {
    if (this.#ends.signal.aborted) throw this.#gone();
    this.#starting ??= this.#open();
    return (await this.#starting).host;
  }

  async #open(): Promise<SharedHost> {
    try {
      const shared = await this.#start();
      const { host } = shared;
      const stops = [
        host.onState((news) => this.#tell(news)),
        host.onEdge((edge, { backfill }) => this.#edge(edge, backfill)),
      ];
      this.#news = { state: host.state, problem: host.problem };
      const release = async (): Promise<void> => {
        for (const stop of stops) stop();
        await shared.release();
      };
      return { host, release };
    } catch (error) {
      this.#starting = undefined;
      throw error;
    }
  }

  #edge(edge: Edge, backfill: boolean): void {
    for (const one of [...this.#waiting]) if (one.slot === edge.slot) one.take(edge);
    for (const { onEdge } of [...this.#listeners]) onEdge?.(edge, backfill);
  }

  #tell(news: HostNews): void {
    this.#news = news;
    if (news.state === 'lost') {
      const lost = news.problem ?? fail('PROVISIONER_NOT_SET', `The provisioner "${this.name}" is gone.`);
      for (const one of [...this.#waiting]) one.fail(lost);
    }
    for (const { onNews } of [...this.#listeners]) onNews?.(news);
  }

  #attached(host: ProvisionerHost, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): boolean => {
        if (host.state === 'attached') resolve();
        else if (this.#ends.signal.aborted || host.state === 'closed') reject(this.#gone());
        else if (signal?.aborted === true) reject(signal.reason as Error);
        else if (host.problem !== null) reject(host.problem);
        else return false;
        return true;
      };
      if (look()) return;
      const again = (): void => {
        if (!look()) return;
        stop();
        signal?.removeEventListener('abort', again);
        this.#ends.signal.removeEventListener('abort', again);
      };
      const stop = host.onState(again);
      signal?.addEventListener('abort', again);
      this.#ends.signal.addEventListener('abort', again);
    });
  }

  #gone(): Error {
    return fail('PROVISIONER_NOT_SET', `The provisioner "${this.name}" is not deployed any more.`, {
      hint: 'Send the message once more.',
      detail: { field: 'provisioner' },
    });
  }
}

/** Whether nothing goes on at a step, and nothing waits. */
function isSettled({ state, queued }: StepStatus): boolean {
  return queued !== true && state !== 'attempting';
}

const provisioners = new Map<string, Provisioner>();

export function deployProvisioner(provisioner: Provisioner): () => void {
  provisioners.set(provisioner.id, provisioner);
  return () => {
    if (provisioners.get(provisioner.id) === provisioner) provisioners.delete(provisioner.id);
  };
}

/** The deployed provisioner that a node names. @throws PROVISIONER_NOT_SET */
export function provisionerById(id: string): Provisioner {
  const found = provisioners.get(id);
  if (found !== undefined) return found;
  throw fail('PROVISIONER_NOT_SET', 'The node names no provisioner, or one that is not deployed.', {
    hint: 'Open the node, choose its provisioner and deploy.',
    detail: { field: 'provisioner' },
  });
}
