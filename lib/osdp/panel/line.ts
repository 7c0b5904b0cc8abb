import type { Link } from '../../link/index.ts';
import { type Clock, waitUntil } from '../clock.ts';
import { COMMANDS } from '../codec/index.ts';
import { fail } from '../errors.ts';
import { CONFIGURATION_ADDRESS, type Frame, withMark } from '../frame/frame.ts';
import { FrameParser } from '../frame/parser.ts';
import type { TraceSink } from '../trace/recorder.ts';
import { Mutex } from './mutex.ts';

export interface LineOptions {
  readonly clock: Clock;
  /** How long a reader may take to begin its reply, in ms (5.5): 200. */
  readonly replyTimeoutMs: number;
  /** How far apart bytes of one frame may lie, in ms. */
  readonly stallMs: number;
  readonly trace?: TraceSink;
}

/** What came back to one frame. `undefined` = nothing that was taken. */
export interface Answer<T> {
  readonly taken: T | undefined;
  /** From the end of our frame to the first byte, in ms; only of what was taken. */
  readonly delayMs: number;
  /** Bytes that came, and valid frames among them that were not taken. */
  readonly bytes: number;
  readonly frames: number;
  /** Addresses of replies that came from somebody else. */
  readonly others: readonly number[];
}

/** What was heard while nobody was asked. */
export interface Heard {
  readonly bytes: number;
  /** Commands of another panel. */
  readonly commands: number;
  readonly replies: number;
}

/** After a damaged reply the bus is quiet for this long before it counts as over, in ms. */
const QUIET_MS = 20;
/** A timer that is late by more than this, in ms, tells that this program was held up, and not that nothing came. */
const HELD_UP_MS = 2;
/** Bytes that a UART collects before it hands them on. */
const PIECE = 16;

/** One bus at one end of a link: half duplex, one frame out, one reply back. */
export class BusLine {
  readonly link: Link;
  readonly clock: Clock;
  readonly replyTimeoutMs: number;
  /** Whoever talks on the bus for more than one exchange holds it. */
  readonly turn = new Mutex();
  readonly #trace: TraceSink | undefined;
  readonly #parser: FrameParser;
  readonly #stallMs: number;
  /** When the bus falls silent as far as we know. */
  #busyUntil = 0;
  /** When the first byte of an answer began, by its rate. */
  #firstByteAt: number | undefined;
  #onFrame: ((frame: Frame) => void) | undefined;
  #onDamaged: (() => void) | undefined;
  #onBytes: (() => void) | undefined;
  #onCommand: ((frame: Frame) => void) | undefined;
  #lastSent: Uint8Array | undefined;
  #unasked = 0;
  readonly #stopListening: () => void;

  constructor(link: Link, options: LineOptions) {
    this.link = link;
    this.clock = options.clock;
    this.replyTimeoutMs = options.replyTimeoutMs;
    this.#stallMs = options.stallMs;
    this.#trace = options.trace;
    this.#parser = new FrameParser({
      clock: this.clock,
      only: 'replies',
      stallMs: options.stallMs,
      onFrame: (frame) => {
        this.#trace?.('in', frame.raw);
        if (this.#onFrame === undefined) this.#unasked++;
        else this.#onFrame(frame);
      },
      onFiltered: (frame) => {
        if (this.#isEcho(frame)) return;
        this.#trace?.('trace', frame.raw);
        this.#onCommand?.(frame);
      },
      onDamaged: () => this.#onDamaged?.(),
    });
    this.#stopListening = link.onData((chunk) => {
      const now = this.clock.now();
      this.#firstByteAt ??= now - this.characters(chunk.length);
      this.#busyUntil = Math.max(this.#busyUntil, now);
      this.#parser.push(chunk);
      this.#onBytes?.();
    });
  }

  get baudRate(): number {
    return this.link.baudRate;
  }

  /** Counts of what was received, for messages. */
  get counts(): Readonly<FrameParser['counts']> {
    return this.#parser.counts;
  }

  /** Replies that came when nobody waited for one: late ones, or those of a second reader at one address. */
  get unasked(): number {
    return this.#unasked;
  }

  /** Told of every command of another panel. */
  set foreign(listener: ((frame: Frame) => void) | undefined) {
    this.#onCommand = listener;
  }

  /** The wire time of so many characters at the rate, in ms. */
  characters(count: number): number {
    return (count * 10_000) / this.link.baudRate;
  }

  close(): void {
    this.#stopListening();
    this.#parser.reset();
  }

  /** Changes the rate; what is under way is waited for, and what was half received is forgotten. */
  async setBaudRate(baudRate: number): Promise<void> {
    if (baudRate === this.link.baudRate) return;
    await this.#idle();
    await this.link.setBaudRate(baudRate);
    this.#parser.reset();
    this.#busyUntil = this.clock.now();
  }

  /**
   * Sends one frame and waits for what `take` takes. Frames of others, and such as `take` gives undefined for, are
   * passed over.
   *
   * @param options.timeoutMs for the begin of the reply, from the end of the frame; default the line's.
   * @throws KEYSET_IN_CLEAR; the link's error when it ends; the signal's reason.
   */
  async exchange<T>(
    raw: Uint8Array,
    address: number,
    take: (frame: Frame) => T | undefined,
    options: { timeoutMs?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<Answer<T>> {
    options.signal?.throwIfAborted();
    if (isBareKey(raw)) {
      throw fail('KEYSET_IN_CLEAR', `A key for address ${address} was to leave in clear; it did not.`, {
        hint: 'Open a secure channel first.',
        detail: { address },
      });
    }
    await this.#idle();
    options.signal?.throwIfAborted();
    if (this.#parser.isPartial) this.#parser.flush();
    const { bytes } = this.#parser.counts;
    this.#firstByteAt = undefined;
    this.#lastSent = raw;
    this.#trace?.('out', withMark(raw));
    const sentAt = this.clock.now();
    const sentUntil = sentAt + this.characters(raw.length + 1);
    this.#busyUntil = sentUntil;

    // Drivers hand bytes on in pieces: the first is seen when the piece is full.
    const deadline = sentUntil + (options.timeoutMs ?? this.replyTimeoutMs) + this.characters(PIECE);
    return await new Promise<Answer<T>>((resolve, reject) => {
      let frames = 0;
      const others: number[] = [];
      let stopTimer: (() => void) | undefined;
      let stopQuiet: (() => void) | undefined;
      let stopClose: (() => void) | undefined;
      const finish = (taken: T | undefined): void => {
        tidy();
        const delayMs = Math.max(0, (this.#firstByteAt ?? sentUntil) - sentUntil);
        resolve({ taken, delayMs, bytes: this.#parser.counts.bytes - bytes, frames, others });
      };
      const abort = (): void => {
        tidy();
        reject(options.signal?.reason as Error);
      };
      const tidy = (): void => {
        stopTimer?.();
        stopQuiet?.();
        stopClose?.();
        options.signal?.removeEventListener('abort', abort);
        this.#onFrame = undefined;
        this.#onDamaged = undefined;
        this.#onBytes = undefined;
      };
      let open = true;
      this.#onFrame = (frame) => {
        if (!open) return;
        if (frame.address !== address && !(address === CONFIGURATION_ADDRESS && frame.reply)) {
          others.push(frame.address);
          frames++;
          return;
        }
        const taken = take(frame);
        if (taken === undefined) frames++;
        else {
          open = false;
          finish(taken);
        }
      };
      let due = deadline;
      let heldUp = false;
      const giveUp = (): void => {
        if (!open) return;
        // What came meanwhile waits to be read still: as long again.
        const late = this.clock.now() - due;
        if (late > HELD_UP_MS && !heldUp) {
          heldUp = true;
          stopTimer = this.clock.at(this.clock.now() + Math.min(late, this.replyTimeoutMs), giveUp, true);
          return;
        }
        const wait = this.#stillComing(deadline);
        if (wait !== undefined) {
          due = wait;
          stopTimer = this.clock.at(wait, giveUp, true);
          return;
        }
        this.#parser.flush();
        if (!open) return;
        open = false;
        finish(undefined);
      };
      // A whole frame that is damaged, and then silence: nothing more will come.
      const quiet = (): void => {
        stopQuiet?.();
        stopQuiet = this.clock.at(this.clock.now() + QUIET_MS, giveUpEarly, true);
      };
      const giveUpEarly = (): void => {
        stopQuiet = undefined;
        if (!open || this.#parser.isPartial) return;
        open = false;
        finish(undefined);
      };
      this.#onDamaged = () => {
        this.#onBytes = quiet;
      };
      stopTimer = this.clock.at(deadline, giveUp, true);
      stopClose = this.link.onClose((error) => {
        open = false;
        tidy();
        reject(error ?? fail('PANEL_CLOSED', `The port ${this.link.info.name} was closed.`));
      });
      options.signal?.addEventListener('abort', abort, { once: true });
      this.link.write(withMark(raw)).catch((error: unknown) => {
        open = false;
        tidy();
        reject(error as Error);
      });
    });
  }

  /** Hears what is said for a time, without a word of ours. */
  async listen(ms: number, options: { signal?: AbortSignal | undefined } = {}): Promise<Heard> {
    const { bytes, filtered, frames } = this.#parser.counts;
    await waitUntil(this.clock, this.clock.now() + ms, {
      coarse: true,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    this.#parser.flush();
    const { counts } = this.#parser;
    return { bytes: counts.bytes - bytes, commands: counts.filtered - filtered, replies: counts.frames - frames };
  }

  /** Two characters of silence (5.7). */
  async #idle(): Promise<void> {
    const at = this.#busyUntil + this.characters(2);
    if (at > this.clock.now()) await waitUntil(this.clock, at);
  }

  /** Until when to wait for the rest of what has begun to arrive; undefined when nothing has. */
  #stillComing(deadline: number): number | undefined {
    const now = this.clock.now();
    const last = this.#parser.lastByteAt;
    if (this.#firstByteAt === undefined || last === 0) return undefined;
    const stall = Math.min(this.#stallMs, this.replyTimeoutMs);
    if (!this.#parser.isPartial || last + stall <= now) return undefined;
    // A frame of the greatest length, at the most.
    return now < deadline + this.characters(1440) + stall ? last + stall : undefined;
  }

  #isEcho(frame: Frame): boolean {
    const sent = this.#lastSent;
    return sent !== undefined && sent.length === frame.raw.length && Buffer.compare(sent, frame.raw) === 0;
  }
}

/** Whether a frame would show a key to all: only SCS_17 encrypts. The one door to the wire has the one lock. */
function isBareKey(raw: Uint8Array): boolean {
  const block = ((raw[4] ?? 0) & 8) === 0 ? 0 : (raw[5] ?? 0);
  const isEncrypted = block > 0 && raw[6] === 0x17;
  return raw[5 + block] === COMMANDS.KEYSET && !isEncrypted;
}
