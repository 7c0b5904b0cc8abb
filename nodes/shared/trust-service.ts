import { fail } from './trust-errors.ts';

/** How a service stands. */
export type ServiceState<T> =
  | { readonly is: 'starting' }
  | { readonly is: 'listening'; readonly service: T }
  | { readonly is: 'failed'; readonly error: Error };

/** From a failure to the next try, in ms: doubled until `most`. */
const AGAIN = { first: 1_000, most: 30_000 } as const;

/** A listener that is opened at deploy, tried again while it cannot be, and closed once. */
export class Service<T> {
  readonly #name: string;
  readonly #open: () => Promise<T>;
  readonly #close: (service: T) => Promise<void>;
  readonly #listeners = new Set<(state: ServiceState<T>) => void>();
  #state: ServiceState<T> = { is: 'starting' };
  #againMs: number = AGAIN.first;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #trying: Promise<void> = Promise.resolve();

  constructor(name: string, open: () => Promise<T>, close: (service: T) => Promise<void>) {
    this.#name = name;
    this.#open = open;
    this.#close = close;
  }

  get state(): ServiceState<T> {
    return this.#state;
  }

  /** Tells how it stands, now and at every change. @returns what ends it */
  watch(listener: (state: ServiceState<T>) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#state);
    return () => void this.#listeners.delete(listener);
  }

  /** Opens it; to be called once the whole flow stands. */
  start(): void {
    this.#trying = this.#try();
  }

  /** The service, once it listens. @throws why it does not; the reason of `signal` */
  ready(signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const abandon = (): void => {
        stop();
        reject(signal.reason as Error);
      };
      const look = (state: ServiceState<T>): void => {
        if (state.is === 'starting') return;
        signal.removeEventListener('abort', abandon);
        queueMicrotask(() => stop());
        if (state.is === 'listening') resolve(state.service);
        else reject(state.error);
      };
      signal.throwIfAborted();
      signal.addEventListener('abort', abandon, { once: true });
      const stop = this.watch(look);
    });
  }

  /** Closes it and opens it anew: what it was opened with is not there any more. */
  restart(): void {
    const state = this.#state;
    if (this.#closed || state.is !== 'listening') return;
    this.#set({ is: 'starting' });
    this.#trying = this.#close(state.service)
      .catch(() => undefined)
      .then(() => (this.#closed ? undefined : this.#try()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#trying;
    const state = this.#state;
    this.#set({ is: 'failed', error: fail('SERVICE_CLOSED', `${this.#name} is not deployed any more.`) });
    this.#listeners.clear();
    if (state.is === 'listening') await this.#close(state.service);
  }

  async #try(): Promise<void> {
    try {
      const service = await this.#open();
      this.#againMs = AGAIN.first;
      this.#set({ is: 'listening', service });
    } catch (error) {
      this.#set({ is: 'failed', error: error instanceof Error ? error : new Error(String(error)) });
      if (this.#closed) return;
      this.#timer = setTimeout(() => this.start(), this.#againMs).unref();
      this.#againMs = Math.min(AGAIN.most, 2 * this.#againMs);
    }
  }

  #set(state: ServiceState<T>): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}
