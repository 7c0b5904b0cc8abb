import { fail } from './errors.ts';

export interface TurnOptions {
  /** In words for another user: "locate (front door)". */
  readonly owner: string;
  /** Whether to queue behind who has it; else BUSY. */
  readonly wait: boolean;
  readonly signal: AbortSignal;
  onWaiting?(holder: string): void;
}

/** Something that one job at a time may have, in the order they came. */
export class Turns {
  readonly #what: string;
  readonly #queue: (() => void)[] = [];
  #holder: string | undefined;

  /** @param what in words: "The bus front door" */
  constructor(what: string) {
    this.#what = what;
  }

  /** @returns the way to give it back. @throws BUSY where it may not wait, and the reason of `signal` */
  async take({ owner, wait, signal, onWaiting }: TurnOptions): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#holder !== undefined) {
      if (!wait) {
        throw fail('BUSY', `${this.#what} is in use by ${this.#holder}.`, {
          hint: 'Wait until it is done, or let the node queue its messages.',
          detail: { heldBy: this.#holder },
        });
      }
      onWaiting?.(this.#holder);
      await this.#wait(signal);
    }
    this.#holder = owner;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.#queue.shift();
      // The holder's name stays until the next one writes its own, so that nobody slips in between.
      if (next === undefined) this.#holder = undefined;
      else next();
    };
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abandon = (): void => {
        const at = this.#queue.indexOf(grant);
        if (at >= 0) this.#queue.splice(at, 1);
        reject(signal.reason as Error);
      };
      const grant = (): void => {
        signal.removeEventListener('abort', abandon);
        resolve();
      };
      this.#queue.push(grant);
      signal.addEventListener('abort', abandon, { once: true });
    });
  }
}
