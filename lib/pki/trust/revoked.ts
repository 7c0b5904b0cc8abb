import { AUTHORITY_NAMESPACE } from '../names.ts';
import type { TrustEvent, TrustStore } from './types.ts';

/** The serial numbers that are revoked, in memory, as the registry tells of them. */
export class RevokedSet {
  readonly #store: TrustStore;
  readonly #clock: () => number;
  readonly #serials = new Set<string>();
  #reading: Promise<void> | undefined;

  constructor(store: TrustStore, clock: () => number) {
    this.#store = store;
    this.#clock = clock;
  }

  has(serial: string): boolean {
    return this.#serials.has(serial);
  }

  /** Reads what was revoked before. What failed is tried again. */
  read(): Promise<void> {
    if (this.#reading !== undefined) return this.#reading;
    const reading = this.#readAll();
    this.#reading = reading;
    reading.catch(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
    return reading;
  }

  take({ topic, subject }: TrustEvent): void {
    if (topic === 'certificate.revoked' && subject !== null) this.#serials.add(subject);
    // What is revoked stays so, whatever is put in the registry's place; only more can come.
    if (topic === 'registry.restored') this.#reading = undefined;
  }

  async #readAll(): Promise<void> {
    const names = (await this.#store.namespaces()).map(({ name }) => name);
    const now = this.#clock();
    for (const name of names) {
      const kind = name === AUTHORITY_NAMESPACE ? 'intermediate' : 'device';
      const { serials } = await this.#store.revokedList(name, kind, now);
      const hex = Buffer.from(serials.buffer, serials.byteOffset, serials.length).toString('hex');
      for (let at = 0; at < hex.length; at += 32) this.#serials.add(hex.slice(at, at + 32));
    }
  }
}
