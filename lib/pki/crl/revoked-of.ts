import { concat } from '../der/writer.ts';
import { AUTHORITY_NAMESPACE } from '../names.ts';
import type { CertificateRecord } from '../store.ts';
import type { RevokedList, TrustEvent, TrustStore } from '../trust/types.ts';
import { crlEntries, packRevoked } from './build.ts';

/** Entries of a list, DER, and how many they are. */
interface Entries {
  readonly der: Uint8Array;
  readonly count: number;
}

/** More new ones than this are not asked for one by one. */
const ONE_BY_ONE = 1000;

/** The revoked certificates of one namespace: read once, then kept up with what the registry tells. */
export class RevokedOf {
  readonly #store: TrustStore;
  readonly #namespace: string;
  #held: { readonly list: RevokedList; readonly entries: Entries } | undefined;
  /** Revoked since it was read, by serial number. */
  readonly #fresh = new Set<string>();

  constructor(store: TrustStore, namespace: string) {
    this.#store = store;
    this.#namespace = namespace;
  }

  take({ subject }: TrustEvent): void {
    if (subject !== null) this.#fresh.add(subject);
  }

  forget(): void {
    this.#held = undefined;
  }

  /** Those that end at `from` or later. A hundred thousand are neither read nor written again for one. */
  async entries(from: number): Promise<Entries> {
    const fresh = [...this.#fresh];
    const kind = this.#namespace === AUTHORITY_NAMESPACE ? 'service' : 'device';
    const held = this.#held;
    if (held === undefined || fresh.length > ONE_BY_ONE || endsBefore(held.list, from)) {
      const list = await this.#store.revokedList(this.#namespace, kind, from);
      this.#held = { list, entries: crlEntries(list) };
    } else {
      const records = await Promise.all(fresh.map((serial) => this.#store.certificate(serial)));
      const added = records.filter((one) => one?.kind === kind && one.notAfter >= from) as CertificateRecord[];
      this.#held = withMore(held, added);
    }
    for (const serial of fresh) this.#fresh.delete(serial);
    return this.#held.entries;
  }
}

/** Whether one of them ended before. */
function endsBefore({ facts }: RevokedList, from: number): boolean {
  for (let at = 2; at < facts.length; at += 3) if ((facts[at] as number) < from) return true;
  return false;
}

function withMore(
  { list, entries }: { list: RevokedList; entries: Entries },
  added: readonly CertificateRecord[],
): { list: RevokedList; entries: Entries } {
  const known = Buffer.from(list.serials.buffer, list.serials.byteOffset, list.serials.length);
  const fresh = packRevoked(added.filter(({ serial }) => !known.includes(Buffer.from(serial, 'hex'))));
  if (fresh.serials.length === 0) return { list, entries };
  const facts = new Float64Array(list.facts.length + fresh.facts.length);
  facts.set(list.facts);
  facts.set(fresh.facts, list.facts.length);
  const more = crlEntries(fresh);
  return {
    list: { serials: concat([list.serials, fresh.serials]), facts },
    entries: { der: concat([entries.der, more.der]), count: entries.count + more.count },
  };
}
