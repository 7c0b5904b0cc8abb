import type { EventEmitter } from 'node:events';
import { sameBytes } from '../bytes.ts';
import type { Clock } from '../clock.ts';
import { COMMANDS, decodeReply, REPLIES, type Reply } from '../codec/index.ts';
import type { Mutex } from './mutex.ts';
import type { PanelReader } from './reader.ts';
import type { Received } from './sending.ts';
import type { PanelEvents } from './types.ts';

/** How long a reader that does not answer is left alone, in ms, by how often it was silent in a row. */
const BACK_OFF = [0, 250, 500, 1000, 2000, 4000, 8000];
/** The share of the time to offline after which a reader is polled before others are brought up. */
const URGENT = 0.7;
const EMPTY = new Uint8Array();

/** Whose readers are polled. */
interface PollHost extends EventEmitter<PanelEvents> {
  readonly clock: Clock;
  readonly isClosed: boolean;
}

interface Polled {
  readonly reader: PanelReader;
  /** Not before this. */
  nextAt: number;
  silent: number;
  online: boolean;
  /** It was told that it is offline, since it was last online or since it was taken on. */
  missed: boolean;
  /** Since when it is looked after: what it is silent from, before it ever answered. */
  readonly since: number;
  /** The code of the last trouble with its session, so that each is told once. */
  trouble: string | undefined;
}

/** Polls readers in turn. Who does not answer is asked again later and later and so slows nobody. */
export class Poller {
  readonly #panel: PollHost;
  readonly #turn: Mutex;
  readonly #pollMs: number;
  readonly #offlineMs: number;
  readonly #polled = new Map<number, Polled>();
  #abort: AbortController | undefined;
  #loop: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  polls = 0;

  constructor(panel: PollHost, turn: Mutex, options: { pollMs: number; offlineMs: number }) {
    this.#panel = panel;
    this.#turn = turn;
    this.#pollMs = options.pollMs;
    this.#offlineMs = options.offlineMs;
  }

  get readers(): readonly PanelReader[] {
    return [...this.#polled.values()].map(({ reader }) => reader);
  }

  has(address: number): boolean {
    return this.#polled.has(address);
  }

  isOnline(address: number): boolean {
    return this.#polled.get(address)?.online === true;
  }

  add(reader: PanelReader): void {
    const now = this.#panel.clock.now();
    const one: Polled = {
      reader,
      nextAt: now,
      silent: 0,
      online: false,
      missed: false,
      since: now,
      trouble: undefined,
    };
    this.#polled.set(reader.address, one);
    reader.peer.onLate = (received) => this.#answered(one, received);
    this.#wake?.();
  }

  remove(address: number): void {
    const one = this.#polled.get(address);
    if (one === undefined) return;
    one.reader.peer.onLate = undefined;
    this.#polled.delete(address);
  }

  start(): void {
    if (this.#abort !== undefined) return;
    const abort = new AbortController();
    this.#abort = abort;
    this.#loop = this.#run(abort.signal);
  }

  /** Ends at once, without waiting. */
  abort(): void {
    this.#abort?.abort();
    this.#abort = undefined;
    this.#wake?.();
  }

  async stop(): Promise<void> {
    this.abort();
    await this.#loop;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const next = this.#next();
      const now = this.#panel.clock.now();
      if (next === undefined || next.nextAt > now) await this.#pause(next?.nextAt);
      else await this.#turn.run(() => (signal.aborted ? Promise.resolve() : this.#poll(next, now, signal)));
    }
  }

  /**
   * Who has waited longest. But readers that are online come before those that are to be brought up, once they have
   * waited so long that they would soon think us gone.
   */
  #next(): Polled | undefined {
    const urgent = this.#panel.clock.now() - URGENT * this.#offlineMs;
    let best: Polled | undefined;
    let bestHeard = Number.POSITIVE_INFINITY;
    for (const one of this.#polled.values()) {
      const heard = one.online && one.silent === 0 ? (one.reader.peer.lastValidAt ?? bestHeard) : bestHeard;
      if (heard < urgent && heard < bestHeard) {
        best = one;
        bestHeard = heard;
      } else if (bestHeard === Number.POSITIVE_INFINITY && (best === undefined || one.nextAt < best.nextAt)) best = one;
    }
    return best;
  }

  /** Until the time, or until somebody comes along. */
  #pause(until: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      let stop: (() => void) | undefined;
      const done = (): void => {
        stop?.();
        this.#wake = undefined;
        resolve();
      };
      this.#wake = done;
      if (until !== undefined) stop = this.#panel.clock.at(until, done, true);
    });
  }

  async #poll(one: Polled, now: number, signal: AbortSignal): Promise<void> {
    const { reader } = one;
    one.nextAt = now + this.#pollMs;
    const options = { signal, ...patience(one) };
    const heardAt = reader.peer.lastValidAt;
    try {
      const received = await reader.peer.turn.run(async () => {
        if (!reader.mayTalkClear && !reader.hasSession) {
          await reader.reopenOnce(options);
          one.trouble = undefined;
        }
        return await reader.peer.sendOnce(COMMANDS.POLL, EMPTY, options);
      });
      // A busy reader is there: it is asked again at its next turn, not later and later.
      if (received === undefined && reader.peer.lastValidAt !== heardAt) one.silent = 0;
      else if (received === undefined) this.#silent(one);
      else {
        this.polls++;
        await this.#alive(one);
        this.#answered(one, received);
      }
    } catch (error) {
      if (signal.aborted || this.#panel.isClosed) return;
      this.#failed(one, error);
    }
  }

  #failed(one: Polled, error: unknown): void {
    const { code = 'INTERNAL', message } = error as { code?: string; message: string };
    if (code !== 'NO_REPLY' && code !== 'GARBAGE_ONLY' && one.trouble !== code) {
      one.trouble = code;
      this.#panel.emit('insecure', { address: one.reader.address, code, message });
    }
    // A session that broke is opened again at once; one that is refused again and again is not.
    if (code === 'SC_LOST') one.nextAt = this.#panel.clock.now();
    else this.#silent(one);
  }

  #silent(one: Polled): void {
    const now = this.#panel.clock.now();
    one.silent++;
    one.nextAt = now + (BACK_OFF[Math.min(one.silent - 1, BACK_OFF.length - 1)] as number);
    const silentMs = now - (one.reader.peer.lastValidAt ?? one.since);
    if (one.online && silentMs >= this.#offlineMs) {
      one.online = false;
      one.missed = true;
      one.reader.peer.restart();
      this.#panel.emit('offline', { address: one.reader.address, silentMs });
    } else if (!one.online && !one.missed && silentMs >= this.#offlineMs) {
      // One that never was there is told of too.
      one.missed = true;
      this.#panel.emit('offline', { address: one.reader.address, silentMs });
    } else if (one.online) {
      // Not to tell later than the norm has it.
      one.nextAt = Math.min(one.nextAt, (one.reader.peer.lastValidAt ?? one.since) + this.#offlineMs);
    }
  }

  async #alive(one: Polled): Promise<void> {
    one.silent = 0;
    if (one.online) return;
    const { reader } = one;
    const before = reader.identity;
    await reader.identify({ retries: 0 }).catch(() => undefined);
    const { identity } = reader;
    const changed =
      before !== undefined &&
      identity !== undefined &&
      (before.serial !== identity.serial || !sameBytes(before.vendor, identity.vendor));
    one.online = true;
    one.missed = false;
    this.#panel.emit('online', { address: reader.address, secure: reader.hasSession, identity, changed });
  }

  #answered(one: Polled, received: Received): void {
    if (received.code === REPLIES.ACK) return;
    let reply: Reply;
    try {
      reply = decodeReply(received.code, received.data);
    } catch {
      reply = { name: 'OPAQUE', code: received.code, data: received.data };
    }
    const { address } = one.reader;
    const panel = this.#panel;
    if (reply.name === 'RAW') {
      const { reader, format, bits, data } = reply;
      panel.emit('card', { address, reader, format, bits, data });
    } else if (reply.name === 'KEYPAD') {
      panel.emit('keypad', { address, reader: reply.reader, keys: keysOf(reply.digits) });
    } else if (reply.name === 'LSTATR') {
      panel.emit('tamper', { address, tamper: reply.tamper, powerFailure: reply.powerFailure });
    } else if (reply.name === 'NAK') this.#refused(one, reply.reason);
    else panel.emit('reply', { address, reply });
  }

  /** A reader that wants a secure channel is there, and is of no use without its key. */
  #refused(one: Polled, nak: number): void {
    const code = nak === 6 ? 'SC_REQUIRED' : 'READER_NAK';
    if (one.trouble !== code) {
      one.trouble = code;
      const message = `The reader at address ${one.reader.address} refuses to be polled (NAK ${nak}).`;
      this.#panel.emit('insecure', { address: one.reader.address, code, message });
    }
    one.nextAt = this.#panel.clock.now() + 1000;
  }
}

/** Who has been silent for long is waited for as long as it used to take, and every fourth time as the norm has it. */
function patience({ silent, reader }: Polled): { timeoutMs?: number } {
  if (silent < 4 || silent % 4 === 0) return {};
  return { timeoutMs: Math.min(reader.peer.line.replyTimeoutMs, Math.max(40, 2 * reader.peer.slowestMs + 20)) };
}

function keysOf(digits: Uint8Array): string {
  return Array.from(digits, (digit) => (digit === 0x7f ? '*' : digit === 0x0d ? '#' : String.fromCharCode(digit))).join(
    '',
  );
}
