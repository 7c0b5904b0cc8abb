import type { FlashPhase, Progress } from '../types.ts';

/** Told how far an operation is. */
export type ProgressListener = (progress: Progress) => void;

const WINDOW_MS = 4000;

/** Turns "so much is done" into progress events with a rate over the last seconds. Every step is told; nothing is left out. */
export class ProgressMeter {
  readonly #listener: ProgressListener | undefined;
  readonly #now: () => number;
  #phase: FlashPhase = 'connect';
  #samples: { at: number; done: number }[] = [];

  constructor(listener: ProgressListener | undefined, now: () => number = () => performance.now()) {
    this.#listener = listener;
    this.#now = now;
  }

  report(phase: FlashPhase, done: number, total: number, unit: 'B' | 'steps', item?: string): void {
    if (this.#listener === undefined) return;
    if (phase !== this.#phase || done < (this.#samples.at(-1)?.done ?? 0)) {
      this.#phase = phase;
      this.#samples = [];
    }
    const at = this.#now();
    this.#samples.push({ at, done });
    while (this.#samples.length > 2 && at - (this.#samples[0]?.at ?? at) > WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0] ?? { at, done };
    const rate = at > first.at && done > first.done ? ((done - first.done) * 1000) / (at - first.at) : null;
    this.#listener({
      phase,
      done,
      total,
      unit,
      rate,
      secondsLeft: rate === null ? null : Math.max(0, total - done) / rate,
      ...(item === undefined ? {} : { item }),
    });
  }
}
