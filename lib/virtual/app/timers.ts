import type { Clock } from '../clock.ts';

/** Longest wait that a timer of the machine takes, in ms. */
const LONGEST_MS = 86_400_000;

/** The waits of a program: all of them end when the chip loses its power. */
export class Timers {
  readonly #clock: Clock;
  readonly #waits = new Set<() => void>();
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns what calls it off */
  in(ms: number, run: () => void): () => void {
    if (this.#stopped) return () => undefined;
    const due = this.#clock.now() + ms;
    const cancel = (): void => {
      this.#waits.delete(cancel);
      stop();
    };
    const next = (): (() => void) =>
      this.#clock.at(
        Math.min(due, this.#clock.now() + LONGEST_MS),
        () => {
          if (this.#clock.now() < due) stop = next();
          else {
            this.#waits.delete(cancel);
            run();
          }
        },
        true,
      );
    let stop = next();
    this.#waits.add(cancel);
    return cancel;
  }

  /** Does steps that take time each, as long as there is power. @throws what a step throws */
  work(steps: Iterator<number, void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          const { done, value } = steps.next();
          if (done === true) resolve();
          else this.in(value, step);
        } catch (error) {
          reject(error as Error);
        }
      };
      step();
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of [...this.#waits]) cancel();
  }
}
