/** Time for waits. Tests give one that stands still until it is told to move. */
export interface Clock {
  /** Milliseconds since some fixed moment. Never goes back. */
  now(): number;
  /** Calls back at `time` (of `now()`), never from within this call. Returns the way to call it off. */
  at(time: number, callback: () => void): () => void;
}

/** The computer's own time. */
export const realClock: Clock = {
  now: () => performance.now(),
  at(time, callback) {
    const timer = setTimeout(callback, Math.max(0, Math.ceil(time - performance.now())));
    return () => clearTimeout(timer);
  },
};
