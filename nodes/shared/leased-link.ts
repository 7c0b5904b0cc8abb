import { KeywayError } from '../../lib/errors/index.ts';
import type { ControlLines, Link, LinkInfo } from '../../lib/link/index.ts';

/**
 * A link on loan for one job. It behaves like the real one, but closing it only ends the loan: the port stays with
 * whoever lent it.
 */
export class LeasedLink implements Link {
  readonly #link: Link;
  readonly #undo = new Set<() => void>();
  readonly #onClose = new Set<(error: Error | undefined) => void>();
  #returned = false;

  constructor(link: Link) {
    this.#link = link;
    this.#undo.add(link.onClose((error) => this.#end(error)));
  }

  get info(): LinkInfo {
    return this.#link.info;
  }

  get isOpen(): boolean {
    return !this.#returned && this.#link.isOpen;
  }

  get baudRate(): number {
    return this.#link.baudRate;
  }

  get lines(): ControlLines {
    return this.#link.lines;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#held().write(bytes);
  }

  async setLines(lines: ControlLines): Promise<void> {
    await this.#held().setLines(lines);
  }

  async setBaudRate(baudRate: number): Promise<void> {
    await this.#held().setBaudRate(baudRate);
  }

  onData(listener: (chunk: Uint8Array) => void): () => void {
    const stop = this.#link.onData(listener);
    this.#undo.add(stop);
    return () => {
      this.#undo.delete(stop);
      stop();
    };
  }

  onClose(listener: (error: Error | undefined) => void): () => void {
    if (this.#returned) queueMicrotask(() => listener(undefined));
    else this.#onClose.add(listener);
    return () => this.#onClose.delete(listener);
  }

  async close(): Promise<void> {
    this.#end(undefined);
  }

  /** Somebody else may have the port by now: a job that outlived its loan must not reach it. @throws PORT_GONE */
  #held(): Link {
    if (!this.#returned) return this.#link;
    throw new KeywayError('PORT_GONE', `The loan of ${this.#link.info.name} is over.`);
  }

  #end(error: Error | undefined): void {
    if (this.#returned) return;
    this.#returned = true;
    for (const undo of this.#undo) undo();
    for (const listener of [...this.#onClose]) listener(error);
  }
}
