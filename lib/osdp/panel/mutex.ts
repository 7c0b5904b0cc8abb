/** Lets one in at a time, in the order they came. */
export class Mutex {
  #last: Promise<void> = Promise.resolve();

  async run<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    let release = (): void => undefined;
    this.#last = new Promise((resolve) => {
      release = resolve;
    });
    try {
      await before;
      return await work();
    } finally {
      release();
    }
  }
}
