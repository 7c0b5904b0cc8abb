import { isKeywayError } from '../../errors/index.ts';
import { OID } from '../der/oids.ts';
import {
  badDer,
  bitsOf,
  childrenOf,
  contentOf,
  type Der,
  expectTag,
  oidOf,
  readDer,
  TAG,
  timeOf,
  whole,
} from '../der/reader.ts';
import { fail } from '../errors.ts';
import { pemBlock, toHex } from '../pem.ts';

/** An entry of a revocation list. */
export interface CrlEntry {
  /** Lower-case hex, at least 32 digits. */
  readonly serial: string;
  readonly revokedAt: number;
  /** CRLReason, 0 when it says none. */
  readonly reason: number;
}

/** A revocation list, taken apart; nothing of it is verified. Times are ms since 1970. */
export interface CrlDescription {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
  /** A Name, DER. */
  readonly issuer: Uint8Array;
  readonly number: number | null;
  readonly thisUpdate: number;
  readonly nextUpdate: number | null;
  readonly authorityKeyId: string | null;
  /** The content of its issuingDistributionPoint, hex. */
  readonly distributionPoint: string | null;
  readonly count: number;
  /** Goes through them as they lie: lists may be long. @throws BAD_CERTIFICATE */
  entries(): Generator<CrlEntry>;
}

const MOST_BYTES = 64 << 20;

/**
 * Takes a revocation list apart (RFC 5280 §5).
 * @param input DER of at most 64 MiB, or PEM as text of at most 1 MiB: its first list
 * @throws BAD_CERTIFICATE, BAD_PEM
 */
export function parseCrl(input: Uint8Array | string): CrlDescription {
  const der = typeof input === 'string' ? pemBlock(input, 'X509 CRL') : input;
  return readable(() => takeApart(der));
}

function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isKeywayError(error, 'BAD_DER')) throw error;
    throw fail('BAD_CERTIFICATE', `The revocation list cannot be read. ${error.message}`, {
      hint: 'Give a revocation list (X.509 CRL) as DER or PEM.',
      detail: { ...error.detail, field: 'crl' },
      cause: error,
    });
  }
}

function takeApart(der: Uint8Array): CrlDescription {
  if (der.length > MOST_BYTES) throw badDer(`There are ${der.length} bytes, more than ${MOST_BYTES},`, 0);
  const outer = expectTag(readDer(der), TAG.sequence, 'The list');
  if (outer.end !== der.length) throw badDer('There are bytes behind the list', outer.end);
  const [tbs, , bits] = childrenOf(outer, 3);
  const body = expectTag(tbs, TAG.sequence, 'What is signed');
  const parts = childrenOf(body, 7);
  const rest = parts[0]?.tag === TAG.integer ? parts.slice(1) : parts;
  const [, issuer, thisUpdate, ...more] = rest;
  const isTime = (one: Der | undefined): one is Der =>
    one !== undefined && (one.tag === TAG.utcTime || one.tag === TAG.generalizedTime);
  const next = isTime(more[0]) ? more.shift() : undefined;
  const list = more[0]?.tag === TAG.sequence ? more.shift() : undefined;
  const extensions = more[0]?.tag === 0xa0 ? extensionsOf(more[0]) : new Map<string, Uint8Array>();
  const number = extensions.get(OID.crlNumber);
  const keyId = extensions.get(OID.authorityKeyId);
  const point = extensions.get(OID.issuingDistributionPoint);
  return {
    der,
    tbs: whole(body),
    signature: bitsOf(bits, 'The signature'),
    issuer: whole(expectTag(issuer, TAG.sequence, 'The issuer')),
    number: number === undefined ? null : bigNumber(readDer(number)),
    thisUpdate: timeOf(thisUpdate ?? badTime(body)),
    nextUpdate: next === undefined ? null : timeOf(next),
    authorityKeyId: keyId === undefined ? null : keyIdOf(readDer(keyId)),
    distributionPoint: point === undefined ? null : toHex(point),
    count: list === undefined ? 0 : [...within(list)].length,
    entries: () => entriesOf(list),
  };
}

function badTime({ start }: Der): never {
  throw badDer('The list has no time', start);
}

function* within(list: Der): Generator<Der> {
  for (let at = list.content; at < list.end; ) {
    const child = readDer(list.bytes, at, list.end);
    yield child;
    at = child.end;
  }
}

function* entriesOf(list: Der | undefined): Generator<CrlEntry> {
  if (list === undefined) return;
  for (const one of within(list)) yield readable(() => entryOf(one));
}

function entryOf(der: Der): CrlEntry {
  const [serial, revokedAt, extensions] = childrenOf(expectTag(der, TAG.sequence, 'An entry'), 3);
  const bytes = contentOf(expectTag(serial, TAG.integer, 'The serial number', der.start));
  const reason = extensions === undefined ? undefined : listOf(extensions).get(OID.crlReason);
  return {
    serial: toHex(bytes.length > 1 && bytes[0] === 0 ? bytes.subarray(1) : bytes).padStart(32, '0'),
    revokedAt: timeOf(revokedAt ?? badTime(der)),
    reason: reason === undefined ? 0 : (contentOf(expectTag(readDer(reason), 0x0a, 'The reason'))[0] ?? 0),
  };
}

function extensionsOf(wrapped: Der): Map<string, Uint8Array> {
  return listOf(expectTag(readDer(wrapped.bytes, wrapped.content, wrapped.end), TAG.sequence, 'The extensions'));
}

function listOf(list: Der): Map<string, Uint8Array> {
  return new Map(
    childrenOf(expectTag(list, TAG.sequence, 'The extensions'), 20).map((extension) => {
      const parts = childrenOf(expectTag(extension, TAG.sequence, 'An extension'), 3);
      const value = expectTag(parts.at(-1), TAG.octetString, 'The value of an extension', extension.start);
      return [oidOf(expectTag(parts[0], TAG.oid, 'The type of an extension', extension.start)), contentOf(value)];
    }),
  );
}

function keyIdOf(der: Der): string | null {
  const id = childrenOf(der, 3).find(({ tag }) => tag === 0x80);
  return id === undefined ? null : toHex(contentOf(id));
}

function bigNumber(der: Der): number {
  const bytes = contentOf(expectTag(der, TAG.integer, 'The number'));
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}
