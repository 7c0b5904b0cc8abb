import { extension, SIGNATURES, type SignatureKind } from '../certificate/template.ts';
import { OID } from '../der/oids.ts';
import { TAG } from '../der/reader.ts';
import { bitString, explicit, implicit, sequence, time, tlv, unsigned } from '../der/writer.ts';
import type { RevokedList } from '../trust/types.ts';

/** What a list says beside its entries. */
export interface CrlFields {
  readonly signature: SignatureKind;
  /** The issuer's subject, DER. */
  readonly issuer: Uint8Array;
  /** The issuer's subjectKeyIdentifier. */
  readonly issuerKeyId: Uint8Array | null;
  readonly number: number;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** The entries, DER, one after the other: see `crlEntries`. */
  readonly entries: Uint8Array;
  /** Where the list is served: what the certificates name as their distribution point. Not given for the root's list. */
  readonly url?: string;
}

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);
/** Version 2. */
const VERSION = Uint8Array.of(TAG.integer, 1, 1);

/** What is to be signed of a list: a TBSCertList, version 2 (RFC 5280 §5.1). */
export function crlBody(fields: CrlFields): Uint8Array {
  const { signature, issuer, issuerKeyId, number, thisUpdate, nextUpdate, entries, url } = fields;
  const extensions = [
    issuerKeyId === null ? NOTHING : extension(OID.authorityKeyId, false, sequence(implicit(0, issuerKeyId))),
    extension(OID.crlNumber, false, unsigned(bytesOf(number))),
    url === undefined ? NOTHING : extension(OID.issuingDistributionPoint, true, distributionPoint(url)),
  ];
  return sequence(
    ...[VERSION, SIGNATURES[signature], issuer, time(thisUpdate), time(nextUpdate)],
    // RFC 5280 §5.1.2.6: absent when there are none.
    entries.length === 0 ? NOTHING : sequence(entries),
    explicit(0, sequence(...extensions)),
  );
}

/** The list: what was signed, and its signature. */
export function crlOf(body: Uint8Array, kind: SignatureKind, signature: Uint8Array): Uint8Array {
  return sequence(body, SIGNATURES[kind], bitString(signature));
}

/** RFC 5280 §5.2.5: the name under which certificates look for it, or they take it for another list. */
function distributionPoint(url: string): Uint8Array {
  return sequence(tlv(0xa0, tlv(0xa0, implicit(6, encoder.encode(url)))));
}

/** Up to 2^53 − 1, most significant byte first. */
function bytesOf(number: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return bytes;
}

/** SEQUENCE { reasonCode, OCTET STRING { ENUMERATED } } within a SEQUENCE, but for the reason: RFC 5280 §5.3.1. */
const REASON = sequence(extension(OID.crlReason, false, Uint8Array.of(0x0a, 1, 0))).subarray(0, -1);
/** A serial number of 17 bytes, a GeneralizedTime, and a reason. */
const ENTRY_MOST = 2 + 19 + 17 + REASON.length + 1;
const DAY = 86_400;

/** Entries of a list, written in one pass. */
export function crlEntries(list: RevokedList): { der: Uint8Array; count: number } {
  const count = list.serials.length / 16;
  const writer = new EntryWriter(new Uint8Array(count * ENTRY_MOST));
  for (let i = 0; i < count; i++) {
    writer.entry(list.serials, 16 * i, list.facts[3 * i + 1] as number, list.facts[3 * i] as number);
  }
  // A copy: what was not needed of the room is given back.
  return { der: writer.out.slice(0, writer.at), count };
}

class EntryWriter {
  readonly out: Uint8Array;
  at = 0;
  #day = Number.NaN;
  /** Year, month and day, in digits: most of a list was revoked on few days. */
  #date = NOTHING;

  constructor(out: Uint8Array) {
    this.out = out;
  }

  entry(serials: Uint8Array, from: number, revokedAt: number, reason: number): void {
    const { out } = this;
    const head = this.at;
    this.at += 2;
    this.#serial(serials, from);
    this.#time(Math.floor(revokedAt / 1000));
    // Unspecified is said by saying nothing.
    if (reason !== 0) {
      out.set(REASON, this.at);
      this.at += REASON.length;
      out[this.at++] = reason;
    }
    out[head] = TAG.sequence;
    out[head + 1] = this.at - head - 2;
  }

  #serial(serials: Uint8Array, from: number): void {
    const { out } = this;
    let first = from;
    while (first < from + 15 && serials[first] === 0) first++;
    const padded = (serials[first] as number) >= 0x80 ? 1 : 0;
    out[this.at++] = TAG.integer;
    out[this.at++] = from + 16 - first + padded;
    if (padded === 1) out[this.at++] = 0;
    for (let i = first; i < from + 16; i++) out[this.at++] = serials[i] as number;
  }

  #time(second: number): void {
    const { out } = this;
    const day = Math.floor(second / DAY);
    if (day !== this.#day) {
      this.#day = day;
      // All but the six digits of the time and the Z; the length stays right.
      this.#date = time(day * DAY * 1000).slice(0, -7);
    }
    out.set(this.#date, this.at);
    this.at += this.#date.length;
    const rest = second - day * DAY;
    this.#two(Math.floor(rest / 3600));
    this.#two(Math.floor(rest / 60) % 60);
    this.#two(rest % 60);
    out[this.at++] = 0x5a;
  }

  #two(value: number): void {
    this.out[this.at++] = 0x30 + Math.floor(value / 10);
    this.out[this.at++] = 0x30 + (value % 10);
  }
}

/** For lists without a registry behind them: records as the packed form. */
export function packRevoked(
  records: readonly { serial: string; reason?: number; revokedAt?: number; notAfter: number }[],
): RevokedList {
  const serials = new Uint8Array(16 * records.length);
  const facts = new Float64Array(3 * records.length);
  for (const [i, { serial, reason = 0, revokedAt = 0, notAfter }] of records.entries()) {
    for (let k = 0; k < 16; k++) serials[16 * i + k] = Number.parseInt(serial.slice(2 * k, 2 * k + 2), 16);
    facts.set([reason, revokedAt, notAfter], 3 * i);
  }
  return { serials, facts };
}
