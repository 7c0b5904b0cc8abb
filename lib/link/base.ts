import { fail } from './errors.ts';
import type { ControlLines, Link, LinkInfo } from './link.ts';

/** What all links share: who listens, how a link ends, and that nothing is done on an ended one. */
export abstract class BaseLink implements Link {
  abstract readonly info: LinkInfo;
  #baudRate: number;
  #lines: ControlLines = { dtr: false, rts: false };
  #ended: { error: Error | undefined } | undefined;
  readonly #dataListeners = new Set<(chunk: Uint8Array) => void>();
  readonly #closeListeners = new Set<(error: Error | undefined) => void>();

  constructor(baudRate: number) {
    this.#baudRate = baudRate;
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  get baudRate(): number {
    return this.#baudRate;
  }

  get lines(): ControlLines {
    return this.#lines;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.check();
    if (bytes.length > 0) await this.doWrite(bytes);
    this.check();
  }

  async setLines(lines: ControlLines): Promise<void> {
    this.check();
    const wanted = { dtr: lines.dtr, rts: lines.rts };
    await this.doSetLines(wanted);
    this.check();
    this.#lines = wanted;
  }

  async setBaudRate(baudRate: number): Promise<void> {
    checkBaudRate(baudRate);
    this.check();
    await this.doSetBaudRate(baudRate);
    this.check();
    this.#baudRate = baudRate;
  }

  onData(listener: (chunk: Uint8Array) => void): () => void {
    this.#dataListeners.add(listener);
    return () => this.#dataListeners.delete(listener);
  }

  onClose(listener: (error: Error | undefined) => void): () => void {
    const ended = this.#ended;
    if (ended === undefined) {
      this.#closeListeners.add(listener);
      return () => this.#closeListeners.delete(listener);
    }
    let wanted = true;
    queueMicrotask(() => {
      if (wanted) listener(ended.error);
    });
    return () => {
      wanted = false;
    };
  }

  abstract close(): Promise<void>;

  protected abstract doWrite(bytes: Uint8Array): Promise<void>;
  protected abstract doSetLines(lines: ControlLines): Promise<void>;
  protected abstract doSetBaudRate(baudRate: number): Promise<void>;

  /** @throws PORT_GONE, or the error with which the link ended. */
  protected check(): void {
    if (this.#ended !== undefined) throw this.#ended.error ?? closedError(this.info);
  }

  protected emitData(chunk: Uint8Array): void {
    if (this.#ended !== undefined) return;
    for (const listener of [...this.#dataListeners]) listener(chunk);
  }

  /** Ends the link once; later calls change nothing. */
  protected end(error: Error | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = { error };
    const listeners = [...this.#closeListeners];
    this.#closeListeners.clear();
    for (const listener of listeners) listener(error);
  }

  /** Settles with `work`, or rejects at once when the link ends first. */
  protected untilEnd<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const stop = this.onClose((error) => reject(error ?? closedError(this.info)));
      void work.then(resolve, reject).finally(stop);
    });
  }
}

function closedError(info: LinkInfo): Error {
  return fail('PORT_GONE', `The port ${info.name} is closed.`, { detail: { address: info.address } });
}

/** @throws BAD_BAUD_RATE naming the value. */
export function checkBaudRate(baudRate: number): void {
  if (Number.isInteger(baudRate) && baudRate >= 1 && baudRate <= 100_000_000) return;
  throw fail('BAD_BAUD_RATE', `${String(baudRate)} is no baud rate.`, {
    hint: 'Use a whole number of bits a second, for instance 115200.',
    detail: { field: 'baudRate', value: baudRate },
  });
}
