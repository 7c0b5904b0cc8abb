import { fail } from './errors.ts';

/** Longest text that is looked at. */
const MOST = 1 << 20;
const LINE = 64;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

export type PemLabel =
  | 'CERTIFICATE'
  | 'CERTIFICATE REQUEST'
  | 'NEW CERTIFICATE REQUEST'
  | 'PRIVATE KEY'
  | 'ENCRYPTED PRIVATE KEY'
  | 'EC PRIVATE KEY'
  | 'RSA PRIVATE KEY'
  | 'PUBLIC KEY'
  | 'X509 CRL';

/** One block of a PEM text (RFC 7468). */
export interface PemBlock {
  readonly label: string;
  readonly bytes: Uint8Array;
}

/** A PEM text of 64 columns with a line feed at its end (RFC 7468 §3). */
export function toPem(label: PemLabel, bytes: Uint8Array): string {
  const text = toBase64(bytes);
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += LINE) lines.push(text.slice(at, at + LINE));
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

const encoder = new TextEncoder();
const DIGITS = encoder.encode('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');

/** The same text as bytes, for keys: a text cannot be overwritten after use, these can. */
export function toPemBytes(label: PemLabel, bytes: Uint8Array): Uint8Array {
  const [head, tail] = [`-----BEGIN ${label}-----\n`, `-----END ${label}-----\n`].map((text) =>
    encoder.encode(text),
  ) as [Uint8Array, Uint8Array];
  const digits = 4 * Math.ceil(bytes.length / 3);
  const out = new Uint8Array(head.length + digits + Math.ceil(digits / LINE) + tail.length);
  out.set(head);
  let at = head.length;
  for (let i = 0, column = 0; i < bytes.length; i += 3) {
    const group = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const have = Math.min(3, bytes.length - i);
    for (let k = 0; k < 4; k++) out[at++] = k <= have ? (DIGITS[(group >> (18 - 6 * k)) & 63] as number) : 0x3d;
    column += 4;
    if (column === LINE || i + 3 >= bytes.length) {
      out[at++] = 0x0a;
      column = 0;
    }
  }
  out.set(tail, at);
  return out;
}

/**
 * The blocks of a PEM text; what stands between them is skipped, the blanks within base64 too.
 * @throws BAD_PEM a block is torn, is no base64, or there are more than `most` (default 20); the text is above 1 MiB
 */
export function parsePem(text: string, most = 20): PemBlock[] {
  if (text.length > MOST) throw badPem(`The text has ${text.length} characters, more than ${MOST}.`);
  const blocks: PemBlock[] = [];
  for (let at = 0; ; ) {
    const begin = text.indexOf('-----BEGIN ', at);
    if (begin < 0) return blocks;
    if (blocks.length >= most) throw badPem(`There are more than ${most} blocks.`);
    const nameEnd = text.indexOf('-----', begin + 11);
    const label = text.slice(begin + 11, nameEnd);
    if (nameEnd < 0 || !/^[A-Z0-9 ]{1,40}$/.test(label)) throw badPem('A BEGIN line is torn.');
    const mark = `-----END ${label}-----`;
    const end = text.indexOf(mark, nameEnd);
    if (end < 0) throw badPem(`The block ${label} has no END line.`);
    blocks.push({ label, bytes: fromBase64(text.slice(nameEnd + 5, end)) });
    at = end + mark.length;
  }
}

/**
 * The first block of one of these labels.
 * @throws BAD_PEM; also when there is none
 */
export function pemBlock(text: string, ...labels: readonly PemLabel[]): Uint8Array {
  const found = parsePem(text).find(({ label }) => labels.some((one) => one === label));
  if (found === undefined) throw badPem(`There is no block ${labels[0]} in the text.`);
  return found.bytes;
}

/** Base64 (RFC 4648 §4), blanks skipped. @throws BAD_PEM */
export function fromBase64(text: string): Uint8Array {
  const plain = text.replace(/[ \t\r\n]+/g, '');
  if (plain.length % 4 !== 0 || !BASE64.test(plain)) throw badPem('What should be base64 is none.');
  return Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
}

/** Base64 in one line. */
export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary);
}

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

function badPem(what: string): Error {
  return fail('BAD_PEM', what, {
    hint: 'Give the whole text, from the BEGIN line to the END line.',
    detail: { field: 'pem' },
  });
}
