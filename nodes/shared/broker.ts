import { codeOf, isKeywayError } from '../../lib/errors/index.ts';
import {
  formatAddress,
  isSameDevice,
  type KnownDevice,
  type Link,
  type PortInfo,
  parseAddress,
  watchMemoryPorts,
} from '../../lib/link/index.ts';
import type { PortTarget } from './deployed.ts';
import { fail } from './errors.ts';
import { LeasedLink } from './leased-link.ts';
import { openAgain, type ReopenOptions } from './open-again.ts';
import { type OpenPort, openPort } from './open-port.ts';
import type { Device } from './types.ts';

/** How long a console waits before it tries a port again that is not there. */
const RETRY_MS = 1000;
/** How long a port stays open for a console that the job's own message is about to call. */
const LINGER_MS = 300;
/** Of what the chip says meanwhile; a boot log fits. */
const LINGER_BYTES = 64 * 1024;
/** Somebody who reads along whenever nobody works on the port. */
export interface PortListener {
  onData(chunk: Uint8Array, device: Device | undefined): void;
  /** open: bytes come in; paused: a job has the port; gone: it is not there, it is tried again. */
  onState(state: 'open' | 'paused' | 'gone', error?: Error): void;
}

export interface AcquireOptions {
  /** In words for another user: "flash bench-1". */
  owner: string;
  /** Whether to queue behind who has the port; else BUSY. */
  wait: boolean;
  signal: AbortSignal;
  onWaiting?(holder: string): void;
}

/** The port, for one job alone. */
export interface Lease {
  /** The port as it is open now. */
  readonly link: Link;
  /**
   * Waits until the device that was lost is there again, wherever it comes up, and opens its port. Nobody else gets
   * the port meanwhile. @throws DEVICE_NOT_BACK, CANCELLED, and what opening throws
   */
  reopen(lost: KnownDevice, options: ReopenOptions): Promise<Link>;
  /** From now on listeners read along: the chip is being reset and its first words count. */
  readAlong(): void;
  /** Says what unit hangs on the port, for whoever reads along. */
  setDevice(device: Device): void;
  /** `linger`: what the chip says now is kept for a moment, for a console that comes with the job's result. */
  release(options?: { linger?: boolean }): Promise<void>;
}

const desks = new Map<string, PortDesk>();

function deskFor(target: PortTarget): PortDesk {
  const key = formatAddress(parseAddress(target.address));
  let desk = desks.get(key);
  if (desk === undefined) {
    desk = new PortDesk(() => desks.delete(key));
    desks.set(key, desk);
  }
  return desk;
}

/** Takes a port for one job. Jobs of all our nodes queue in one line for each port. @throws BUSY, and what opening throws */
export function acquirePort(target: PortTarget, options: AcquireOptions): Promise<Lease> {
  return deskFor(target).acquire(target, options);
}

/** Reads along on a port whenever no job has it. Returns the way to stop, which resolves when the port is free. */
export function listenPort(target: PortTarget, owner: string, listener: PortListener): () => Promise<void> {
  return deskFor(target).listen(target, owner, listener);
}

/** Sends bytes on a port that is being listened to. @throws BUSY while a job has it, PORT_GONE while it is not there */
export function writePort(target: PortTarget, bytes: Uint8Array): Promise<void> {
  return deskFor(target).write(target, bytes);
}

/** Whether a port that came is that of a board which a job lost, and goes on with: it is no new one. */
export function isAwaited(port: PortInfo): boolean {
  return [...desks.values()].some((desk) => desk.lost !== undefined && isSameDevice(desk.lost, port));
}

/** Closes the ports that wait for a console: the flow ends. */
export async function closeLingering(): Promise<void> {
  await Promise.all([...desks.values()].map((desk) => desk.stopLingering()));
}

class PortDesk {
  readonly #forget: () => void;
  readonly #listeners = new Map<PortListener, { target: PortTarget; owner: string }>();
  readonly #queue: (() => void)[] = [];
  #holder: string | undefined;
  /** The device that the holder lost, and waits for or has again. */
  #lost: KnownDevice | undefined;
  #readAlong = false;
  #port: OpenPort | undefined;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** While it runs the port waits for a console. */
  #lingering: NodeJS.Timeout | undefined;
  /** What the chip said since its reset with nobody there to hear it. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  /** Ends the wait for the next try. */
  #retry: (() => void) | undefined;
  #device: Device | undefined;

  constructor(forget: () => void) {
    this.#forget = forget;
  }

  get lost(): KnownDevice | undefined {
    return this.#lost;
  }

  async acquire(target: PortTarget, options: AcquireOptions): Promise<Lease> {
    options.signal.throwIfAborted();
    if (this.#holder !== undefined) {
      if (!options.wait) {
        throw fail('BUSY', `The port ${target.name} is in use by ${this.#holder}.`, {
          hint: 'Wait until it is done, or let the node queue its messages.',
          detail: { port: target.name, heldBy: this.#holder },
        });
      }
      options.onWaiting?.(this.#holder);
      await this.#turn(options.signal);
    }
    this.#holder = options.owner;
    this.#readAlong = false;
    this.#endLinger();
    this.#stopRetry();
    try {
      for (const listener of this.#listeners.keys()) listener.onState('paused');
      await this.#opening;
      if (this.#port === undefined) await this.#open(target, options.owner, options.signal);
      if (this.#port === undefined) throw fail('BUSY', `The port ${target.name} closed while it was opened.`);
    } catch (error) {
      await this.#release();
      throw error;
    }
    return this.#lease(this.#port.link, target, options.owner);
  }

  listen(target: PortTarget, owner: string, listener: PortListener): () => Promise<void> {
    this.#listeners.set(listener, { target, owner });
    if (this.#holder !== undefined) listener.onState('paused');
    else if (this.#port !== undefined) this.#greet(listener, target);
    else this.#openForListeners();
    return async () => {
      if (!this.#listeners.delete(listener)) return;
      await this.#opening;
      if (this.#listeners.size === 0 && this.#holder === undefined) await this.#close();
      this.#forgetIfIdle();
    };
  }

  async write(target: PortTarget, bytes: Uint8Array): Promise<void> {
    if (this.#holder !== undefined) {
      throw fail('BUSY', `The port ${target.name} is in use by ${this.#holder}.`, { detail: { heldBy: this.#holder } });
    }
    const lease = await this.acquire(target, { owner: 'console', wait: true, signal: new AbortController().signal });
    try {
      lease.readAlong();
      await lease.link.write(bytes);
    } finally {
      await lease.release();
    }
  }

  #lease(link: Link, target: PortTarget, owner: string): Lease {
    let leased = new LeasedLink(link);
    let released = false;
    return {
      get link() {
        return leased;
      },
      reopen: async (lost, options) => {
        await leased.close();
        this.#readAlong = false;
        this.#lost = lost;
        await this.#close();
        await this.#closing;
        const port = await openAgain(lost, target, owner, options);
        if (released) {
          await port.close();
          throw fail('CANCELLED', `The loan of ${target.name} is over.`);
        }
        this.#adopt(port);
        leased = new LeasedLink(port.link);
        return leased;
      },
      readAlong: () => {
        this.#readAlong = true;
      },
      setDevice: (device) => {
        this.#device = device;
      },
      release: async ({ linger = false } = {}) => {
        if (released) return;
        released = true;
        this.#lost = undefined;
        await leased.close();
        // A port that was borrowed goes back at once.
        if (linger && this.#readAlong && target.lender === undefined) await this.#linger(target);
        await this.#release();
      },
    };
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abandon = (): void => {
        const at = this.#queue.indexOf(grant);
        if (at >= 0) this.#queue.splice(at, 1);
        reject(signal.reason);
      };
      const grant = (): void => {
        signal.removeEventListener('abort', abandon);
        resolve();
      };
      this.#queue.push(grant);
      signal.addEventListener('abort', abandon, { once: true });
    });
  }

  /** The first listener since the job ended gets what was said since. */
  #greet(listener: PortListener, target: PortTarget): void {
    const kept = this.#kept;
    this.#endLinger();
    if (this.#listeners.size === 1 && this.#port !== undefined) void this.#restore(this.#port.link, target.baudRate);
    listener.onState('open');
    for (const chunk of kept) listener.onData(chunk, this.#device);
  }

  /** Keeps the port open for a moment, unless somebody reads along anyway or the next job waits. */
  async #linger(target: PortTarget): Promise<void> {
    if (this.#listeners.size > 0 || this.#queue.length > 0 || this.#port === undefined) return;
    await this.#restore(this.#port.link, target.baudRate);
    this.#lingering = setTimeout(() => void this.stopLingering().catch(() => undefined), LINGER_MS);
  }

  #endLinger(): void {
    clearTimeout(this.#lingering);
    this.#lingering = undefined;
    this.#kept = [];
    this.#keptBytes = 0;
  }

  async stopLingering(): Promise<void> {
    if (this.#lingering === undefined) return;
    this.#endLinger();
    if (this.#holder === undefined && this.#listeners.size === 0) await this.#close();
    this.#forgetIfIdle();
  }

  async #release(): Promise<void> {
    const first = this.#listeners.values().next().value;
    if (first !== undefined && this.#port !== undefined) await this.#restore(this.#port.link, first.target.baudRate);
    else if (first === undefined && this.#lingering === undefined) await this.#close();
    this.#readAlong = false;
    const next = this.#queue.shift();
    if (next !== undefined) {
      // The holder's name stays until the next one writes its own, so that nobody slips in between.
      next();
      return;
    }
    this.#holder = undefined;
    if (this.#port === undefined) this.#openForListeners();
    else for (const listener of this.#listeners.keys()) listener.onState('open');
    this.#forgetIfIdle();
  }

  /** Back to what a console needs: its rate, and both lines at rest so that the chip runs. */
  async #restore(link: Link, baudRate: number): Promise<void> {
    try {
      if (link.baudRate !== baudRate) await link.setBaudRate(baudRate);
      if (link.lines.dtr || link.lines.rts) await link.setLines({ dtr: false, rts: false });
    } catch {
      // The link went meanwhile: its close event has said so already.
    }
  }

  async #open(target: PortTarget, owner: string, signal?: AbortSignal): Promise<void> {
    await this.#closing;
    this.#adopt(await openPort(target, owner, signal));
  }

  #adopt(port: OpenPort): void {
    this.#port = port;
    port.link.onData((chunk) => {
      if (this.#holder !== undefined && !this.#readAlong) return;
      if (this.#listeners.size === 0 && this.#keptBytes < LINGER_BYTES) {
        this.#kept.push(chunk);
        this.#keptBytes += chunk.length;
      }
      for (const listener of this.#listeners.keys()) listener.onData(chunk, this.#device);
    });
    port.link.onClose((error) => {
      if (this.#port === port && error !== undefined) this.#gone(port, error);
    });
  }

  /** The cable was pulled, or the far side went. */
  #gone(port: OpenPort, error: Error): void {
    this.#port = undefined;
    this.#device = undefined;
    // It ended by itself; closing hands a borrowed port back.
    this.#closing = port
      .close()
      .catch(() => undefined)
      .finally(() => {
        this.#closing = undefined;
      });
    if (this.#holder !== undefined) return;
    for (const listener of this.#listeners.keys()) listener.onState('gone', error);
    this.#scheduleRetry();
  }

  async #close(): Promise<void> {
    this.#stopRetry();
    const port = this.#port;
    this.#port = undefined;
    if (port === undefined) return;
    this.#closing = port.close().finally(() => {
      this.#closing = undefined;
    });
    await this.#closing;
  }

  #openForListeners(): void {
    const first = this.#listeners.values().next().value;
    if (first === undefined || this.#holder !== undefined || this.#port !== undefined || this.#opening !== undefined)
      return;
    this.#opening = this.#open(first.target, first.owner)
      .then(() => {
        if (this.#holder === undefined) for (const listener of this.#listeners.keys()) listener.onState('open');
      })
      .catch((error: unknown) => {
        const shown = isKeywayError(error) ? error : new Error(codeOf(error));
        if (this.#holder === undefined) {
          for (const listener of this.#listeners.keys()) listener.onState('gone', shown);
          this.#scheduleRetry();
        }
      })
      .finally(() => {
        this.#opening = undefined;
      });
  }

  /** Virtual ports tell when they come; others are tried again after a while. */
  #scheduleRetry(): void {
    if (this.#retry !== undefined || this.#listeners.size === 0) return;
    const again = (): void => {
      this.#stopRetry();
      this.#openForListeners();
    };
    const timer = setTimeout(again, RETRY_MS).unref();
    const stopWatching = watchMemoryPorts(again);
    this.#retry = () => {
      clearTimeout(timer);
      stopWatching();
    };
  }

  #stopRetry(): void {
    this.#retry?.();
    this.#retry = undefined;
  }

  #forgetIfIdle(): void {
    const used = this.#holder !== undefined || this.#lingering !== undefined;
    if (!used && this.#listeners.size === 0 && this.#queue.length === 0) {
      this.#stopRetry();
      this.#forget();
    }
  }
}
