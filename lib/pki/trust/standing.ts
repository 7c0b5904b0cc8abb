import type { CertificateRecord } from '../store.ts';
import { Recent } from './recent.ts';
import type { TrustDevice, TrustEvent, TrustStore } from './types.ts';

/** What the registry has of a device: itself, and those of its certificates that are not over. */
export interface Standing {
  readonly device: TrustDevice | undefined;
  readonly records: readonly CertificateRecord[];
}

interface Reading {
  /** Something has changed meanwhile: what it finds may be from before. */
  old: boolean;
  readonly found: Promise<Standing>;
}

const nameOf = (namespace: string, mac: string): string => `${namespace}:${mac}`;

/** Where devices stand, remembered until the registry tells of a change. */
export class Standings {
  readonly #store: TrustStore;
  readonly #known: Recent<Standing>;
  /** By the device's id: its MAC may change. */
  readonly #names: Recent<string>;
  readonly #reading = new Map<string, Reading>();

  constructor(store: TrustStore, most: number) {
    this.#store = store;
    this.#known = new Recent(most);
    this.#names = new Recent(most);
  }

  async of(namespace: string, mac: string, now: number): Promise<Standing> {
    const name = nameOf(namespace, mac);
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    for (;;) {
      const reading = this.#reading.get(name) ?? this.#read(name, namespace, mac, now);
      const standing = await reading.found;
      if (!reading.old) return standing;
    }
  }

  #read(name: string, namespace: string, mac: string, now: number): Reading {
    const done = (standing?: Standing): void => {
      if (this.#reading.get(name) === reading) this.#reading.delete(name);
      // Whoever is not there may come: nobody tells of those that an import brings.
      if (reading.old || standing?.device === undefined || standing.records.length === 0) return;
      this.#known.set(name, standing);
      this.#names.set(standing.device.id, name);
    };
    const found = Promise.all([
      this.#store.device({ namespace, mac }),
      this.#store.certificatesOf(namespace, mac, now),
    ]).then(
      ([device, records]) => {
        const standing = { device, records };
        done(standing);
        return standing;
      },
      (error: unknown) => {
        done();
        throw error;
      },
    );
    const reading: Reading = { old: false, found };
    this.#reading.set(name, reading);
    return reading;
  }

  take({ topic, namespace, device, detail }: TrustEvent): void {
    if (topic === 'registry.restored') this.clear();
    else if (topic.startsWith('certificate.') && namespace !== null)
      this.#forget(nameOf(namespace, String(detail?.device)));
    else if (topic.startsWith('device.') && device !== undefined) this.#changed(topic, device);
  }

  clear(): void {
    this.#known.clear();
    for (const reading of this.#reading.values()) reading.old = true;
    this.#reading.clear();
  }

  #changed(topic: string, device: TrustDevice): void {
    const name = nameOf(device.namespace, String(device.mac));
    const before = this.#names.get(device.id);
    const known = this.#known.get(name);
    if (before !== undefined && before !== name) this.#forget(before);
    this.#forget(name);
    // Devices come and go all the time: their certificates need not be read again for that.
    if (topic === 'device.state' && known !== undefined) this.#known.set(name, { ...known, device });
  }

  #forget(name: string): void {
    this.#known.delete(name);
    const reading = this.#reading.get(name);
    if (reading === undefined) return;
    reading.old = true;
    this.#reading.delete(name);
  }
}
