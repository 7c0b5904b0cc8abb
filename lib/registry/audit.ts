import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { AuditVerdict } from './types.ts';
import type { Row, SqlValue } from './work.ts';

/** The columns of an entry that its HMAC covers, in order. */
const COVERED = ['seq', 'at', 'actor', 'source', 'action', 'namespace', 'subject', 'outcome', 'detail'] as const;

/** What the first entry is chained to. */
export const GENESIS: Uint8Array = new Uint8Array(32);

export type AuditRow = Readonly<Record<(typeof COVERED)[number], SqlValue>>;

/** HMAC-SHA-256 over the entry and the HMAC of the one before, so that none can be altered, taken out or moved. */
export function chain(key: KeyObject, before: Uint8Array, row: AuditRow): Uint8Array {
  const hmac = createHmac('sha256', key).update('entry\0').update(before);
  return hmac.update(JSON.stringify(COVERED.map((column) => row[column] ?? null))).digest();
}

/** Says where the log ends. Who cannot make it cannot cut entries off the end unseen. */
export function sealHead(key: KeyObject, seq: number, mac: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(`head\0${seq}\0`).update(mac).digest();
}

/** Reads a log in order, from its first entry on. */
export class AuditVerifier {
  readonly #key: KeyObject;
  #mac = GENESIS;
  #seq = 0;
  #problem: AuditVerdict['problem'];

  constructor(key: KeyObject) {
    this.#key = key;
  }

  /** The number of the last entry that was read. */
  get seq(): number {
    return this.#seq;
  }

  /** @returns whether reading on makes sense. */
  add(row: Row): boolean {
    const seq = Number(row.seq);
    if (seq !== this.#seq + 1) this.#problem ??= { seq: this.#seq + 1, what: 'missing' };
    else if (!same(chain(this.#key, this.#mac, row as AuditRow), row.mac)) this.#problem ??= { seq, what: 'altered' };
    if (this.#problem !== undefined) return false;
    this.#seq = seq;
    this.#mac = row.mac as Uint8Array;
    return true;
  }

  /** What came of it, with the head as it was kept beside the entries. */
  end(head: Row | undefined): AuditVerdict {
    const entries = this.#seq;
    const sealed = head !== undefined && same(sealHead(this.#key, entries, this.#mac), head.seal);
    if (!sealed) this.#problem ??= { seq: entries + 1, what: 'truncated' };
    return { holds: this.#problem === undefined, entries, ...(this.#problem && { problem: this.#problem }) };
  }
}

function same(expected: Uint8Array, found: SqlValue | undefined): boolean {
  return found instanceof Uint8Array && found.length === expected.length && timingSafeEqual(expected, found);
}
