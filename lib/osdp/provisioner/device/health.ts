import type { Clock } from '../../clock.ts';

/** While the journal cannot be written: how long until it is tried again, ms. */
const PAUSE_MS = 2000;

export interface HealthOptions {
  readonly clock: Clock;
  /** Writes what waits to be written. */
  readonly settle: () => Promise<void>;
  /** It fails with an error, or is good again. */
  readonly onChange: (error: Error | undefined) => void;
}

/** Whether the store can be written; while it cannot, it is tried again and again. */
export class StoreHealth {
  readonly #options: HealthOptions;
  #trouble: Error | undefined;
  #stop: (() => void) | undefined;
  #closed = false;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  get trouble(): Error | undefined {
    return this.#trouble;
  }

  failing(error: Error): void {
    const first = this.#trouble === undefined;
    this.#trouble = error;
    const { clock, onChange } = this.#options;
    if (this.#stop === undefined && !this.#closed) {
      this.#stop = clock.at(clock.now() + PAUSE_MS, () => void this.#retry(), true);
    }
    if (first) onChange(error);
  }

  close(): void {
    this.#closed = true;
    this.#stop?.();
  }

  async #retry(): Promise<void> {
    this.#stop = undefined;
    try {
      await this.#options.settle();
    } catch (error) {
      this.failing(error as Error);
      return;
    }
    this.#trouble = undefined;
    this.#options.onChange(undefined);
  }
}
