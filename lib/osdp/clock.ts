/**
 * Time as a panel sees it. Tests give one that stands still until it is told to move; its shape is that of the
 * virtual bench's clock.
 */
export interface Clock {
  /** Milliseconds since some fixed moment, with fractions. Never goes back. */
  now(): number;
  /**
   * Calls back at `time` (of `now()`), never from within this call. `coarse` callbacks may be some milliseconds late
   * and cost no processor time to wait for. Returns the way to call it off.
   */
  at(time: number, callback: () => void, coarse?: boolean): () => void;
}

/** Node's timers are late by up to about this much (ms): the rest of a precise wait is spun through setImmediate. */
const TIMER_SLACK_MS = 1.5;

/** The computer's own time. A precise wait is late by microseconds. */
export const realClock: Clock = {
  now: () => performance.now(),
  at(time, callback, coarse = false) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let cancelled = false;
    const wait = (): void => {
      if (cancelled) return;
      const left = time - performance.now();
      if (left <= 0) callback();
      else if (coarse) timer = setTimeout(wait, Math.ceil(left));
      else if (left >= TIMER_SLACK_MS + 1) timer = setTimeout(wait, Math.floor(left - TIMER_SLACK_MS));
      else setImmediate(wait);
    };
    const left = time - performance.now();
    if (coarse || left >= TIMER_SLACK_MS + 1) {
      timer = setTimeout(wait, Math.max(0, coarse ? Math.ceil(left) : Math.floor(left - TIMER_SLACK_MS)));
    } else setImmediate(wait);
    return () => {
      cancelled = true;
      if (timer !== undefined) clearTimeout(timer);
    };
  },
};

/** Resolves at `time`; rejects with the signal's reason when it is aborted first. */
export function waitUntil(clock: Clock, time: number, options: { coarse?: boolean; signal?: AbortSignal } = {}) {
  return new Promise<void>((resolve, reject) => {
    const { signal } = options;
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const abort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.at(
      time,
      () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      },
      options.coarse,
    );
    signal?.addEventListener('abort', abort, { once: true });
  });
}
