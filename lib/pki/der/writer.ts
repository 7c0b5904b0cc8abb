import { TAG } from './reader.ts';

/** Bytes one after the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** How many bytes the length field of `length` has. */
export function lengthSize(length: number): number {
  if (length < 0x80) return 1;
  if (length < 0x100) return 2;
  return length < 0x10000 ? 3 : length < 0x1000000 ? 4 : 5;
}

/** Writes tag and length at `at`; returns where the content goes. */
export function putHeader(out: Uint8Array, at: number, tag: number, length: number): number {
  const size = lengthSize(length);
  out[at] = tag;
  if (size === 1) out[at + 1] = length;
  else {
    out[at + 1] = 0x80 | (size - 1);
    for (let i = 1; i < size; i++) out[at + 1 + i] = (length / 2 ** (8 * (size - 1 - i))) & 0xff;
  }
  return at + 1 + size;
}

/** Tag, length, content. */
export function tlv(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of content) length += part.length;
  const out = new Uint8Array(1 + lengthSize(length) + length);
  let at = putHeader(out, 0, tag, length);
  for (const part of content) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const encoder = new TextEncoder();

export const sequence = (...content: readonly Uint8Array[]): Uint8Array => tlv(TAG.sequence, ...content);
export const octets = (...content: readonly Uint8Array[]): Uint8Array => tlv(TAG.octetString, ...content);
export const utf8String = (text: string): Uint8Array => tlv(TAG.utf8, encoder.encode(text));
/** Whole bytes. */
export const bitString = (bytes: Uint8Array): Uint8Array => tlv(TAG.bitString, ZERO, bytes);
export const boolean = (value: boolean): Uint8Array => Uint8Array.of(TAG.boolean, 1, value ? 0xff : 0);
export const NULL = Uint8Array.of(TAG.null, 0);
const ZERO = Uint8Array.of(0);

/** A SET OF, in its order (X.690 §11.6). */
export function setOf(...values: readonly Uint8Array[]): Uint8Array {
  return tlv(TAG.set, ...[...values].sort(order));
}

function order(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** An INTEGER that is not negative, from its bytes, most significant first. */
export function unsigned(bytes: Uint8Array): Uint8Array {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from++;
  const value = bytes.subarray(from);
  if (value.length === 0) return Uint8Array.of(TAG.integer, 1, 0);
  return (value[0] as number) >= 0x80 ? tlv(TAG.integer, ZERO, value) : tlv(TAG.integer, value);
}

/** An INTEGER of 0 … 2^31 − 1. */
export function integer(value: number): Uint8Array {
  return unsigned(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
}

/** Named bits: bit 0 is the most significant; zeros at the end are left out (X.690 §11.2.2). */
export function namedBits(bits: readonly number[]): Uint8Array {
  const last = Math.max(-1, ...bits);
  if (last < 0) return Uint8Array.of(TAG.bitString, 1, 0);
  const bytes = new Uint8Array((last >> 3) + 1);
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] as number) | (0x80 >> (bit & 7));
  return tlv(TAG.bitString, Uint8Array.of(7 - (last & 7)), bytes);
}

/** An OBJECT IDENTIFIER of its dotted form. Do not write into it. */
export function oid(dotted: string): Uint8Array {
  const known = oids.get(dotted);
  if (known !== undefined) return known;
  const made = newOid(dotted);
  if (oids.size < OIDS_KEPT) oids.set(dotted, made);
  return made;
}

const oids = new Map<string, Uint8Array>();
const OIDS_KEPT = 100;

function newOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const digits = [arc % 128];
    for (let more = Math.floor(arc / 128); more > 0; more = Math.floor(more / 128)) digits.unshift((more % 128) | 0x80);
    bytes.push(...digits);
  }
  return tlv(TAG.oid, Uint8Array.from(bytes));
}

const two = (value: number): string => String(value).padStart(2, '0');

/** A time in whole seconds, as RFC 5280 §4.1.2.5 wants it: UTCTime until 2049, GeneralizedTime after. Do not write into it. */
export function time(ms: number): Uint8Array {
  // Many certificates are issued within one second.
  const second = Math.floor(ms / 1000);
  const known = times.get(second);
  if (known !== undefined) return known;
  if (times.size >= TIMES_KEPT) times.clear();
  const made = newTime(new Date(second * 1000));
  times.set(second, made);
  return made;
}

const times = new Map<number, Uint8Array>();
const TIMES_KEPT = 64;

function newTime(date: Date): Uint8Array {
  const year = date.getUTCFullYear();
  const rest = [date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes()].map(two).join('');
  const text = `${rest}${two(date.getUTCSeconds())}Z`;
  if (year >= 1950 && year < 2050) return tlv(TAG.utcTime, encoder.encode(`${two(year % 100)}${text}`));
  return tlv(TAG.generalizedTime, encoder.encode(`${String(year).padStart(4, '0')}${text}`));
}

/** A value with a context tag: `explicit` around a value, or its content alone under the tag `implicit`. */
export const explicit = (number: number, ...content: readonly Uint8Array[]): Uint8Array =>
  tlv(0xa0 | number, ...content);
export const implicit = (number: number, ...content: readonly Uint8Array[]): Uint8Array =>
  tlv(0x80 | number, ...content);
