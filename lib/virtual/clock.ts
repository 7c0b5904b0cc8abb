/**
 * Time as the bench sees it. Everything that takes time on a virtual chip asks one of these, so that tests can run a
 * chip through seconds of line time in a moment, and so that a real run is late by microseconds, not by timer ticks.
 */
export interface Clock {
  /** Milliseconds since some fixed moment, with fractions. Never goes back. */
  now(): number;
  /**
   * Calls back at `time` (of `now()`), never before and never from within this call. `coarse` callbacks may be some
   * milliseconds late and cost no processor time to wait for. Returns the way to call it off.
   */
  at(time: number, callback: () => void, coarse?: boolean): () => void;
}

/** Node's timers are late by up to about this much (ms): the rest of a precise wait is spun through setImmediate. */
const TIMER_SLACK_MS = 1.5;

class RealClock implements Clock {
  now(): number {
    return performance.now();
  }

  at(time: number, callback: () => void, coarse = false): () => void {
    let timer: NodeJS.Timeout | undefined;
    let immediate: NodeJS.Immediate | undefined;
    let cancelled = false;
    const wait = (): void => {
      if (cancelled) return;
      const left = time - performance.now();
      if (coarse && left > 0) {
        timer = setTimeout(wait, Math.ceil(left));
      } else if (left > TIMER_SLACK_MS + 1) {
        timer = setTimeout(wait, Math.floor(left - TIMER_SLACK_MS));
      } else if (left > 0) {
        immediate = setImmediate(wait);
      } else callback();
    };
    const left = time - performance.now();
    if (coarse) timer = setTimeout(wait, Math.max(0, Math.ceil(left)));
    else if (left > TIMER_SLACK_MS + 1) wait();
    else immediate = setImmediate(wait);
    return () => {
      cancelled = true;
      if (timer !== undefined) clearTimeout(timer);
      if (immediate !== undefined) clearImmediate(immediate);
    };
  }
}

/** The computer's own time. */
export const realClock: Clock = new RealClock();

interface Due {
  readonly time: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is told to move: what tests give a chip. */
export class ManualClock implements Clock {
  #now = 0;
  #order = 0;
  #due: Due[] = [];

  now(): number {
    return this.#now;
  }

  at(time: number, callback: () => void): () => void {
    const due: Due = { time: Math.max(time, this.#now), order: this.#order++, callback };
    this.#due.push(due);
    return () => {
      this.#due = this.#due.filter((other) => other !== due);
    };
  }

  /** When the next callback is due; undefined when none is. */
  get next(): number | undefined {
    return this.#due.reduce<number | undefined>(
      (best, { time }) => (best === undefined || time < best ? time : best),
      undefined,
    );
  }

  /** Moves on by `ms`, carrying out what falls due, in order, letting promises run between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let due = this.#take(end); due !== undefined; due = this.#take(end)) {
      due.callback();
      await settle();
    }
    this.#now = end;
  }

  /**
   * Moves on from callback to callback until `promise` settles.
   * @throws what the promise rejects with, or an Error when nothing is due and it still has not settled.
   */
  async run<T>(promise: Promise<T>, limitMs = 600_000): Promise<T> {
    let done = false;
    const watched = promise.finally(() => {
      done = true;
    });
    watched.catch(() => undefined);
    const end = this.#now + limitMs;
    let idle = 0;
    for (await settle(); !done; await settle()) {
      const due = this.#take(end);
      if (due !== undefined) {
        idle = 0;
        due.callback();
      } else if (++idle > 2000)
        throw new Error(`The clock has nothing to do at ${this.#now} ms, and the promise still waits.`);
    }
    return watched;
  }

  #take(end: number): Due | undefined {
    let best: Due | undefined;
    for (const due of this.#due) {
      if (due.time > end) continue;
      if (best === undefined || due.time < best.time || (due.time === best.time && due.order < best.order)) best = due;
    }
    if (best === undefined) return undefined;
    const taken = best;
    this.#due = this.#due.filter((due) => due !== taken);
    this.#now = Math.max(this.#now, taken.time);
    return taken;
  }
}

/** Lets microtasks and what they set off run. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
