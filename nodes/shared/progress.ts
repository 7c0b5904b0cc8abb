import type { Progress } from '../../lib/esp/index.ts';

/** How far a job has come: in bytes or steps of a plan, in places that were looked at, in stages or readers. */
export interface JobProgress extends Omit<Progress, 'phase' | 'unit'> {
  readonly phase: string;
  readonly unit: Progress['unit'] | 'places' | 'stages' | 'readers';
  /** Of a search on a bus: where it looks, and how many have answered so far. */
  readonly baudRate?: number;
  readonly address?: number;
  readonly found?: number;
  /** Of a provisioner: which step, from 0. */
  readonly step?: number;
}

/** Timers and time, so that tests need not wait. */
export interface Timing {
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
}

export const realTiming: Timing = {
  now: () => performance.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms).unref(),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

/**
 * Lets at most one value through in `intervalMs`, the newest; the first at once. After `stop()` nothing comes.
 */
export class Throttle<T> {
  readonly #emit: (value: T) => void;
  readonly #intervalMs: number;
  readonly #timing: Timing;
  #last = Number.NEGATIVE_INFINITY;
  #held: { value: T } | undefined;
  #timer: unknown;

  constructor(emit: (value: T) => void, intervalMs = 250, timing: Timing = realTiming) {
    this.#emit = emit;
    this.#intervalMs = intervalMs;
    this.#timing = timing;
  }

  push(value: T): void {
    const wait = this.#last + this.#intervalMs - this.#timing.now();
    if (wait <= 0 && this.#timer === undefined) {
      this.#last = this.#timing.now();
      this.#emit(value);
      return;
    }
    this.#held = { value };
    this.#timer ??= this.#timing.setTimeout(() => {
      this.#timer = undefined;
      const held = this.#held;
      this.#held = undefined;
      this.#last = this.#timing.now();
      if (held !== undefined) this.#emit(held.value);
    }, wait);
  }

  stop(): void {
    if (this.#timer !== undefined) this.#timing.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#held = undefined;
  }
}

/** Progress as a status text: `43 % · 92 kB/s`, or the phase's word while there is nothing to count. */
export function progressText(progress: JobProgress, phaseWord: (phase: string) => string): string {
  if (progress.unit === 'places' && progress.total > 0) {
    return `${phaseWord(progress.phase)} ${Math.floor((100 * progress.done) / progress.total)} %`;
  }
  if (progress.unit === 'readers') return `${progress.done}/${progress.total} ${phaseWord(progress.phase)}`;
  if (progress.unit !== 'B' || progress.total <= 0) return phaseWord(progress.phase);
  const percent = `${Math.floor((100 * progress.done) / progress.total)} %`;
  return progress.rate === null ? percent : `${percent} · ${Math.round(progress.rate / 1000)} kB/s`;
}
