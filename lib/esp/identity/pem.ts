/** PEM (RFC 7468) as a chip's parser takes it, on bytes: a key must not become a string, which cannot be wiped. */

/** Most blocks of one text that are looked at. */
const MOST_BLOCKS = 20;
const LONGEST_LABEL = 40;
const BEGIN = bytesOf('-----BEGIN ');
const END = bytesOf('-----END ');
const DASHES = bytesOf('-----');

export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
}

/** What is wrong, in words that continue "the value …". */
export class Malformed extends Error {}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The blocks of a PEM text. What stands before, between and after them is passed over. @throws Malformed */
export function pemBlocks(text: Uint8Array): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (let at = 0; ; ) {
    const begin = find(text, BEGIN, at);
    if (begin < 0) return blocks;
    if (blocks.length >= MOST_BLOCKS) throw new Malformed(`has more than ${MOST_BLOCKS} PEM blocks`);
    const name = begin + BEGIN.length;
    const nameEnd = find(text, DASHES, name);
    const label = nameEnd < 0 ? '' : latin1(text.subarray(name, Math.min(nameEnd, name + LONGEST_LABEL + 1)));
    if (!/^[A-Z0-9 ]{1,40}$/.test(label)) throw new Malformed('has a torn BEGIN line');
    const body = nameEnd + DASHES.length;
    const end = find(text, END, body);
    const after = end + END.length;
    if (end < 0 || !startsWith(text, bytesOf(`${label}-----`), after)) {
      throw new Malformed(`is cut off: the PEM block ${label} has no END line`);
    }
    blocks.push({ label, der: decodeBase64(text.subarray(body, end)) });
    at = after + label.length + DASHES.length;
  }
}

function find(text: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = from; at <= text.length - wanted.length; at++) if (startsWith(text, wanted, at)) return at;
  return -1;
}

function startsWith(text: Uint8Array, wanted: Uint8Array, at: number): boolean {
  return at + wanted.length <= text.length && wanted.every((byte, i) => text[at + i] === byte);
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

const PAD = 0x3d;
const digits = new Int8Array(256).fill(-1);
for (const [value, byte] of bytesOf('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/').entries()) {
  digits[byte] = value;
}
/** Tab, line feed, carriage return, blank. */
const isBlank = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** Base64 (RFC 4648 §4) with its padding; blanks are skipped. @throws Malformed */
function decodeBase64(text: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.floor((text.length * 3) / 4));
  let [length, bits, held, count, pads] = [0, 0, 0, 0, 0];
  for (const byte of text) {
    if (isBlank(byte)) continue;
    count++;
    if (byte === PAD) {
      pads++;
      continue;
    }
    const digit = digits[byte] as number;
    if (digit < 0 || pads > 0) throw new Malformed('is no PEM: there is something else than base64 in it');
    held = ((held << 6) | digit) & 0xfff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[length++] = (held >> bits) & 0xff;
  }
  if (count === 0) throw new Malformed('has an empty PEM block');
  // Bits left over that are not zero would be a second spelling of the same bytes.
  if (count % 4 !== 0 || pads > 2 || (held & ((1 << bits) - 1)) !== 0) {
    throw new Malformed('is cut off: its base64 is not whole');
  }
  return out.slice(0, length);
}
