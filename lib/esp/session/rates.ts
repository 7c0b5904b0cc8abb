import { ROM_BAUD } from './protocol.ts';

/** The rates that are stepped down to, in baud: what every bridge carries. */
const STEPS = [921_600, 460_800, 230_400, ROM_BAUD];
/** So many faults at one rate, and the line is taken to be too fast. */
const FAULTS = 2;

/**
 * Which rate a job runs at: the one that was asked for, until the line shows that it does not carry it. Lives as long
 * as the job, over every port that is lost and found.
 */
export class RateLadder {
  #rate: number;
  #faults = 0;
  readonly #steps: boolean;

  /** @param steps false keeps the rate whatever happens. */
  constructor(rate: number, steps: boolean) {
    this.#rate = rate;
    this.#steps = steps;
  }

  /** In baud. */
  get rate(): number {
    return this.#rate;
  }

  /** A fault of the line while it ran at `rate`; faults at another rate say nothing of this one. */
  failed(rate: number, faults = 1): void {
    if (!this.#steps || rate !== this.#rate) return;
    this.#faults += faults;
    const lower = STEPS.find((step) => step < rate);
    if (this.#faults < FAULTS || lower === undefined) return;
    this.#rate = lower;
    this.#faults = 0;
  }

  /** The chip did not follow to the rate at all. */
  refused(rate: number): void {
    this.failed(rate, FAULTS);
  }
}
