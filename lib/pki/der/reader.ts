import { fail } from '../errors.ts';

/** Where one value lies: its tag, where it starts, where its content starts, where it ends. */
export interface Der {
  readonly bytes: Uint8Array;
  readonly tag: number;
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

/** What a reader of foreign bytes puts up with. */
export interface DerLimits {
  /** Default 65536. */
  readonly bytes?: number;
  /** Levels below the outermost value. Default 16. */
  readonly depth?: number;
  /** Values in all. Default 2000. */
  readonly values?: number;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8: 0x0c,
  numeric: 0x12,
  printable: 0x13,
  teletex: 0x14,
  ia5: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visible: 0x1a,
  universal: 0x1c,
  bmp: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]*$/;
const UTC = /^\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\dZ$/;
const GENERALIZED = /^\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\dZ$/;
const utf8 = new TextDecoder('utf-8', { fatal: true });
const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

export function badDer(what: string, offset: number): Error {
  return fail('BAD_DER', `${what} at byte ${offset}.`, {
    hint: 'The bytes are damaged, cut off, or no DER (X.690 §10, §11).',
    detail: { field: 'der', offset },
  });
}

/**
 * The value at `at` of `bytes`, which must end by `limit`. Tags below 31 and definite lengths in their shortest form
 * only (X.690 §10.1). Its content is not looked at.
 * @throws BAD_DER
 */
export function readDer(bytes: Uint8Array, at = 0, limit: number = bytes.length): Der {
  if (at + 2 > limit) throw badDer('A value is cut off', at);
  const tag = bytes[at] as number;
  if ((tag & 0x1f) === 0x1f) throw badDer('There is a tag of several bytes', at);
  if (tag === 0) throw badDer('There is an end-of-contents mark', at);
  let length = bytes[at + 1] as number;
  let content = at + 2;
  if (length >= 0x80) {
    const count = length & 0x7f;
    if (count === 0) throw badDer('A length is indefinite', at);
    if (count > 4) throw badDer('A length has more than four bytes', at);
    if (content + count > limit) throw badDer('A length is cut off', at);
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[content + i] as number);
    content += count;
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw badDer('A length is not in its shortest form', at);
  }
  if (length > limit - content) throw badDer(`A value of ${length} bytes goes beyond its end`, at);
  return { bytes, tag, start: at, content, end: content + length };
}

/** The bytes of a value with tag and length; a view. */
export const whole = (der: Der): Uint8Array => der.bytes.subarray(der.start, der.end);
/** The content of a value; a view. */
export const contentOf = (der: Der): Uint8Array => der.bytes.subarray(der.content, der.end);

/** The values within a constructed one, as they lie. @throws BAD_DER; when there are more than `most` */
export function childrenOf(der: Der, most = 1000): Der[] {
  const found: Der[] = [];
  for (let at = der.content; at < der.end; ) {
    if (found.length >= most) throw badDer(`There are more than ${most} values in one`, der.start);
    const child = readDer(der.bytes, at, der.end);
    found.push(child);
    at = child.end;
  }
  return found;
}

/** @throws BAD_DER when the tag is another, or nothing is there */
export function expectTag(der: Der | undefined, tag: number, what: string, offset = 0): Der {
  if (der === undefined) throw badDer(`${what} is missing`, offset);
  if (der.tag !== tag) {
    throw badDer(`${what} has the tag 0x${der.tag.toString(16)} in place of 0x${tag.toString(16)}`, der.start);
  }
  return der;
}

/**
 * One value that is strict DER through and through, with nothing behind it: primitive types are checked for their
 * only encoding, SETs for their order. Takes a time and memory in proportion to the bytes, which are limited.
 * @throws BAD_DER
 */
export function parseDer(bytes: Uint8Array, limits: DerLimits = {}): Der {
  const most = limits.bytes ?? 65536;
  if (bytes.length > most) throw badDer(`There are ${bytes.length} bytes, more than ${most},`, 0);
  const outer = readDer(bytes);
  if (outer.end !== bytes.length) throw badDer('There are bytes behind the value', outer.end);
  const left = { values: limits.values ?? 2000 };
  check(outer, limits.depth ?? 16, left);
  return outer;
}

function check(der: Der, depth: number, left: { values: number }): void {
  if (--left.values < 0) throw badDer('There are too many values', der.start);
  if ((der.tag & 0x20) === 0) {
    checkPrimitive(der);
    return;
  }
  const universal = (der.tag & 0xc0) === 0;
  if (universal && der.tag !== TAG.sequence && der.tag !== TAG.set) {
    throw badDer('A primitive type is constructed', der.start);
  }
  if (depth === 0) throw badDer('Values are nested too deeply', der.start);
  let before: Der | undefined;
  for (let at = der.content; at < der.end; ) {
    const child = readDer(der.bytes, at, der.end);
    if (der.tag === TAG.set && before !== undefined && compare(before, child) > 0) {
      throw badDer('The values of a SET are out of order', child.start);
    }
    check(child, depth - 1, left);
    before = child;
    at = child.end;
  }
}

/** The order of X.690 §11.6. */
function compare(a: Der, b: Der): number {
  const length = Math.min(a.end - a.start, b.end - b.start);
  for (let i = 0; i < length; i++) {
    const difference = (a.bytes[a.start + i] as number) - (b.bytes[b.start + i] as number);
    if (difference !== 0) return difference;
  }
  return a.end - a.start - (b.end - b.start);
}

function checkPrimitive(der: Der): void {
  const { bytes, content, end, start } = der;
  const length = end - content;
  const first = bytes[content] as number;
  switch (der.tag) {
    case TAG.boolean:
      if (length !== 1 || (first !== 0 && first !== 0xff)) throw badDer('A BOOLEAN is malformed', start);
      return;
    case TAG.integer:
    case 0x0a:
      checkInteger(der);
      return;
    case TAG.bitString:
      checkBits(der);
      return;
    case TAG.null:
      if (length !== 0) throw badDer('A NULL has content', start);
      return;
    case TAG.oid:
      checkOid(der);
      return;
    case TAG.sequence & 0x1f:
    case TAG.set & 0x1f:
      throw badDer('A SEQUENCE or SET is primitive', start);
    default:
      checkText(der);
  }
}

function checkInteger({ bytes, content, end, start }: Der): void {
  const first = bytes[content] as number;
  const second = bytes[content + 1] as number;
  const padded = end - content > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
  if (end === content || padded) throw badDer('An INTEGER is not in its shortest form', start);
}

function checkBits({ bytes, content, end, start }: Der): void {
  const unused = bytes[content] as number;
  const empty = end - content === 1;
  if (end === content || unused > 7 || (empty && unused !== 0)) throw badDer('A BIT STRING is malformed', start);
  if (!empty && ((bytes[end - 1] as number) & ((1 << unused) - 1)) !== 0) {
    throw badDer('The unused bits of a BIT STRING are not zero', start);
  }
}

function checkOid({ bytes, content, end, start }: Der): void {
  let begins = true;
  for (let at = content; at < end; at++) {
    const byte = bytes[at] as number;
    if (begins && byte === 0x80) throw badDer('An OBJECT IDENTIFIER is not in its shortest form', start);
    begins = byte < 0x80;
  }
  if (end === content || !begins) throw badDer('An OBJECT IDENTIFIER is cut off', start);
}

function checkText(der: Der): void {
  const bytes = contentOf(der);
  switch (der.tag) {
    case TAG.utf8:
      decodeUtf8(der);
      return;
    case TAG.printable:
      if (!ascii(bytes) || !PRINTABLE.test(asciiText(bytes))) throw badDer('A PrintableString is none', der.start);
      return;
    case TAG.ia5:
    case TAG.visible:
    case TAG.numeric:
      if (!ascii(bytes)) throw badDer('A text is not ASCII', der.start);
      return;
    case TAG.bmp:
      if (bytes.length % 2 !== 0) throw badDer('A BMPString is cut off', der.start);
      return;
    case TAG.utcTime:
      if (!UTC.test(latin1(bytes.subarray(0, 20)))) throw badDer('A UTCTime is malformed', der.start);
      return;
    case TAG.generalizedTime:
      if (!GENERALIZED.test(latin1(bytes.subarray(0, 20)))) throw badDer('A GeneralizedTime is malformed', der.start);
      return;
    default:
  }
}

function ascii(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte > 0x7f) return false;
  return true;
}

function asciiText(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

function decodeUtf8(der: Der): string {
  try {
    return utf8.decode(contentOf(der));
  } catch {
    throw badDer('A UTF8String is no UTF-8', der.start);
  }
}

/** The content of one of the string types. @throws BAD_DER */
export function textOf(der: Der): string {
  const bytes = contentOf(der);
  if (der.tag === TAG.utf8) return decodeUtf8(der);
  if (der.tag === TAG.bmp) return wide(bytes, 2);
  if (der.tag === TAG.universal) return wide(bytes, 4);
  if (der.tag === TAG.teletex) return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  if (der.tag === TAG.printable || der.tag === TAG.ia5 || der.tag === TAG.visible || der.tag === TAG.numeric) {
    checkText(der);
    return asciiText(bytes);
  }
  throw badDer(`A text has the tag 0x${der.tag.toString(16)}`, der.start);
}

function wide(bytes: Uint8Array, size: number): string {
  let text = '';
  for (let at = 0; at + size <= bytes.length; at += size) {
    let code = 0;
    for (let i = 0; i < size; i++) code = code * 256 + (bytes[at + i] as number);
    text += code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code);
  }
  return text;
}

/** The dotted form of an OBJECT IDENTIFIER. @throws BAD_DER when it is malformed or an arc is above 2^53 */
export function oidOf(der: Der): string {
  expectTag(der, TAG.oid, 'An OBJECT IDENTIFIER');
  checkOid(der);
  const arcs: number[] = [];
  let arc = 0;
  for (let at = der.content; at < der.end; at++) {
    const byte = der.bytes[at] as number;
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER) throw badDer('An arc of an OBJECT IDENTIFIER is too large', der.start);
    if (byte >= 0x80) continue;
    if (arcs.length === 0) arcs.push(Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40)));
    else arcs.push(arc);
    arc = 0;
  }
  return arcs.join('.');
}

/** A small INTEGER. @throws BAD_DER when it is negative or above 2^31 − 1 */
export function numberOf(der: Der, what: string): number {
  expectTag(der, TAG.integer, what);
  checkInteger(der);
  const bytes = contentOf(der);
  if (bytes.length > 4 || (bytes[0] as number) >= 0x80) throw badDer(`${what} is out of its range`, der.start);
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** The bits of a BIT STRING that has whole bytes only. @throws BAD_DER */
export function bitsOf(der: Der | undefined, what: string): Uint8Array {
  const found = expectTag(der, TAG.bitString, what);
  if (found.end - found.content < 1 || found.bytes[found.content] !== 0) {
    throw badDer(`${what} has no whole bytes`, found.start);
  }
  return found.bytes.subarray(found.content + 1, found.end);
}

/** Milliseconds since 1970 of a UTCTime (1950 … 2049, RFC 5280 §4.1.2.5.1) or GeneralizedTime. @throws BAD_DER */
export function timeOf(der: Der): number {
  if (der.tag !== TAG.utcTime && der.tag !== TAG.generalizedTime) throw badDer('A time is none', der.start);
  checkText(der);
  const text = asciiText(contentOf(der));
  const short = der.tag === TAG.utcTime;
  const year = short ? Number(text.slice(0, 2)) + (text < '5' ? 2000 : 1900) : Number(text.slice(0, 4));
  const rest = text.slice(short ? 2 : 4);
  const [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map((at) => Number(rest.slice(at, at + 2))) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  if (date.getUTCDate() !== day) throw badDer('A time names a day that does not exist', der.start);
  return date.getTime();
}
