import type { Clock } from '../../clock.ts';

/**
 * The time of day, as far as a device without a battery knows it: it never goes back behind what was seen before, be
 * it in this run or, by the journals, in an earlier one, and it never stands still.
 */
export class DeviceTime {
  readonly #clock: Clock;
  readonly #wall: () => number;
  #latest: number;
  #at: number;

  /** @param wall milliseconds since 1970; @param latest the largest that was seen in earlier runs */
  constructor(clock: Clock, wall: () => number, latest: number) {
    this.#clock = clock;
    this.#wall = wall;
    this.#latest = latest;
    this.#at = clock.now();
  }

  /** Milliseconds since 1970, whole. */
  now(): number {
    const at = this.#clock.now();
    this.#latest = Math.max(this.#wall(), this.#latest + (at - this.#at));
    this.#at = at;
    return Math.round(this.#latest);
  }
}
