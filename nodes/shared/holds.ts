/** Counts who still needs something that is about to be closed. */
export class Holds {
  #count = 0;
  readonly #waiting = new Set<() => void>();

  /** @returns what gives it back; a second call does nothing. */
  take(): () => void {
    this.#count++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#count--;
      if (this.#count === 0) for (const done of this.#waiting) done();
    };
  }

  /** Resolves when nobody holds it any more, or the time is over. */
  async ended(ms: number): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#waiting.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
