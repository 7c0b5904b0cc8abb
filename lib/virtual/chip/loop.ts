import type { ChipContext, Work } from './context.ts';

export interface Receiver {
  push(bytes: Uint8Array): void;
  next(): Uint8Array | undefined;
  release(frame: Uint8Array): void;
}

/**
 * The main loop of a loader: takes frames from its receiver one after the other and carries each out to the end
 * before it looks at the next. Work is a generator that yields the ms it takes, or null to wait for the next frame.
 */
export class CommandLoop {
  readonly #context: ChipContext;
  readonly #receiver: Receiver;
  readonly #handle: (frame: Uint8Array) => Work;
  #work: Work | undefined;
  #frame: Uint8Array | undefined;
  #waitsForFrame = false;
  #scheduled = false;
  #stopped = false;
  #cancel: (() => void) | undefined;

  constructor(context: ChipContext, receiver: Receiver, handle: (frame: Uint8Array) => Work) {
    this.#context = context;
    this.#receiver = receiver;
    this.#handle = handle;
  }

  received(bytes: Uint8Array): void {
    this.#receiver.push(bytes);
    if (this.#stopped || this.#scheduled || (this.#work !== undefined && !this.#waitsForFrame)) return;
    // On a free line a frame takes no time to arrive. The loop still takes a turn to look at it, so that a host
    // which sends ahead overruns the buffers here as it does on a real line.
    if (this.#context.line.mode === 'free') this.#later(0);
    else this.#step();
  }

  /** Lets go of the frame that is worked on, before the work is done. */
  releaseEarly(): void {
    if (this.#frame !== undefined) this.#receiver.release(this.#frame);
    this.#frame = undefined;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #later(ms: number): void {
    if (ms === Number.POSITIVE_INFINITY) return;
    this.#scheduled = true;
    this.#cancel = this.#context.clock.at(this.#context.clock.now() + ms, () => {
      this.#scheduled = false;
      this.#step();
    });
  }

  #step(): void {
    while (!this.#stopped) {
      if (this.#work === undefined) {
        const frame = this.#receiver.next();
        if (frame === undefined) return;
        this.#frame = frame;
        this.#work = this.#handle(frame);
      }
      if (this.#waitsForFrame) {
        if (this.#receiver.next() === undefined) return;
        this.#waitsForFrame = false;
      }
      const { value, done } = this.#work.next();
      if (done === true) {
        this.releaseEarly();
        this.#work = undefined;
      } else if (value === null) this.#waitsForFrame = true;
      else if (value > 0) {
        this.#later(value);
        return;
      }
    }
  }
}
