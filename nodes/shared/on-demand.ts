/** Something that is opened when it is first asked for, kept, and closed once. What failed to open is tried again. */
export class OnDemand<T> {
  readonly #open: () => Promise<T>;
  readonly #close: (held: T) => Promise<void>;
  readonly #gone: () => Error;
  #held: Promise<T> | undefined;
  #closed = false;

  /** @param gone what is thrown when it is asked for after it was closed */
  constructor(open: () => Promise<T>, close: (held: T) => Promise<void>, gone: () => Error) {
    this.#open = open;
    this.#close = close;
    this.#gone = gone;
  }

  async get(): Promise<T> {
    if (this.#closed) throw this.#gone();
    if (this.#held === undefined) {
      const held = this.#open();
      this.#held = held;
      held.catch(() => {
        if (this.#held === held) this.#held = undefined;
      });
    }
    return await this.#held;
  }

  /** Closes what is held, if anything; whoever asks next opens it anew. */
  async renew(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    const open = await held?.catch(() => undefined);
    if (open !== undefined) await this.#close(open);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const held = await this.#held?.catch(() => undefined);
    this.#held = undefined;
    if (held !== undefined) await this.#close(held);
  }
}
