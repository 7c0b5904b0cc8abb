import type { Clock } from '../clock.ts';
import { decodeFrame, type Frame, type FrameFault, headerFits, MARK, MAX_FRAME, SOM } from './frame.ts';

/** What a parser has seen since it was made. */
export interface ParserCounts {
  /** Bytes received. */
  bytes: number;
  /** Bytes that belonged to no frame: noise, another rate, collisions. Marks are not among them. */
  garbage: number;
  /** Valid frames handed on. */
  frames: number;
  /** Valid frames of the direction that is not listened to: our own echo, or another panel. */
  filtered: number;
  /** Frames that were whole but whose check or inner lengths were wrong. */
  damaged: number;
  /** Frames that broke off. */
  stalled: number;
  /** Times the parser had to look for a new start. */
  resyncs: number;
}

export interface ParserOptions {
  /** Takes each frame; it may keep it. */
  onFrame: (frame: Frame) => void;
  /** Takes valid frames of the other direction. */
  onFiltered?: (frame: Frame) => void;
  /** Told of whole frames that are damaged, at the time their last byte came. */
  onDamaged?: (fault: FrameFault) => void;
  /** Which direction to hand on. Default both. */
  only?: 'commands' | 'replies';
  /** Longest frame to take, in bytes; a longer one is garbage. Default 1440. */
  maxLength?: number;
  /** Bytes of one frame may lie this far apart, in ms. Default 150: USB adapters hold bytes back; a bare UART wants 20. */
  stallMs?: number;
  clock: Clock;
}

/**
 * Finds frames in bytes that arrive in chunks of any size. Frames are put together by their length, not by gaps.
 * After garbage it looks for the next start inside of what it holds, so that a frame behind a false start is found.
 */
export class FrameParser {
  readonly counts: ParserCounts = {
    bytes: 0,
    garbage: 0,
    frames: 0,
    filtered: 0,
    damaged: 0,
    stalled: 0,
    resyncs: 0,
  };
  readonly #options: ParserOptions;
  readonly #maxLength: number;
  readonly #stallMs: number;
  #held = new Uint8Array(2 * MAX_FRAME);
  #from = 0;
  #to = 0;
  /** The byte before what is held was a mark: garbage unless a frame follows. */
  #mark = false;
  /** The last byte taken was in step: what comes next out of step is a new loss of it. */
  #inStep = true;
  #lastByteAt = 0;
  #stopTimer: (() => void) | undefined;

  constructor(options: ParserOptions) {
    this.#options = options;
    this.#maxLength = Math.min(options.maxLength ?? MAX_FRAME, MAX_FRAME);
    this.#stallMs = options.stallMs ?? 150;
  }

  /** Whether a frame has begun and is not whole yet. */
  get isPartial(): boolean {
    return this.#to > this.#from;
  }

  /** When the last byte came, by the clock; 0 before any. */
  get lastByteAt(): number {
    return this.#lastByteAt;
  }

  /** Takes bytes as they arrive. Frames are handed on before it returns. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const now = this.#options.clock.now();
    if (this.isPartial && now - this.#lastByteAt > this.#stallMs) this.flush();
    this.#lastByteAt = now;
    this.counts.bytes += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      const room = this.#room();
      const piece = chunk.subarray(at, at + room);
      this.#held.set(piece, this.#to);
      this.#to += piece.length;
      at += piece.length;
      this.#scan();
    }
    this.#watch();
  }

  /** Gives up on a frame that is not whole: whole frames behind its start are still found, the rest is garbage. */
  flush(): void {
    if (this.isPartial) this.counts.stalled++;
    while (this.isPartial) {
      this.#drop();
      this.#scan();
    }
    this.#settleMark();
    this.#inStep = true;
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }

  /** Forgets what is held, uncounted: after a change of rate it means nothing. */
  reset(): void {
    this.#from = 0;
    this.#to = 0;
    this.#mark = false;
    this.#inStep = true;
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }

  #room(): number {
    if (this.#to === this.#held.length) {
      this.#held.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    return this.#held.length - this.#to;
  }

  #scan(): void {
    const held = this.#held;
    while (this.#from < this.#to) {
      const first = held[this.#from] as number;
      if (first !== SOM) {
        this.#from++;
        this.#settleMark();
        if (first === MARK) this.#mark = true;
        else this.#outOfStep(1);
        continue;
      }
      const size = this.#to - this.#from;
      if (size < 5) return;
      if (!headerFits(held, this.#from, this.#maxLength)) {
        this.#drop();
        continue;
      }
      const length = (held[this.#from + 2] as number) | ((held[this.#from + 3] as number) << 8);
      if (size < length) return;
      const frame = decodeFrame(held.slice(this.#from, this.#from + length));
      if (typeof frame === 'string') {
        this.counts.damaged++;
        this.#options.onDamaged?.(frame);
        this.#drop();
        continue;
      }
      this.#from += length;
      this.#mark = false;
      this.#inStep = true;
      this.#hand(frame);
    }
    this.#from = 0;
    this.#to = 0;
  }

  #hand(frame: Frame): void {
    const { only } = this.#options;
    if (only === undefined || frame.reply === (only === 'replies')) {
      this.counts.frames++;
      this.#options.onFrame(frame);
    } else {
      this.counts.filtered++;
      this.#options.onFiltered?.(frame);
    }
  }

  /** The byte that looked like a start is none. */
  #drop(): void {
    this.#from++;
    this.#settleMark();
    this.#outOfStep(1);
  }

  #settleMark(): void {
    if (!this.#mark) return;
    this.#mark = false;
    this.#outOfStep(1);
  }

  #outOfStep(bytes: number): void {
    this.counts.garbage += bytes;
    if (this.#inStep) this.counts.resyncs++;
    this.#inStep = false;
  }

  #watch(): void {
    if (!this.isPartial) {
      this.#stopTimer?.();
      this.#stopTimer = undefined;
    } else if (this.#stopTimer === undefined) this.#arm();
  }

  #arm(): void {
    this.#stopTimer = this.#options.clock.at(
      this.#lastByteAt + this.#stallMs,
      () => {
        this.#stopTimer = undefined;
        if (!this.isPartial) return;
        // The very sum that the timer was set to: a difference may be rounded to less, and would never be due.
        if (this.#options.clock.now() >= this.#lastByteAt + this.#stallMs) this.flush();
        else this.#arm();
      },
      true,
    );
  }
}
