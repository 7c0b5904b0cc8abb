import { hex } from '../bytes.ts';
import { fail } from '../errors.ts';

/** A card as a reader tells it: its bits from the left. */
export interface CardBits {
  readonly bits: number;
  readonly data: Uint8Array;
}

/** What can be read out of a card's bits. */
export interface CardNumber {
  readonly bits: number;
  /** All bits, from the left, as upper-case hex digits; the last byte is filled up with zeros. */
  readonly hex: string;
  /** All bits as one decimal number. */
  readonly decimal: string;
  /** With 26 bits whose parities are right: the widespread open format H10301. */
  readonly facility?: number;
  readonly number?: number;
}

/** A card of 26 bits: facility 0 … 255, number 0 … 65535, a parity bit at each end. @throws BAD_OSDP_RECORD */
export function encodeCard26(facility: number, number: number): CardBits {
  for (const [field, value, most] of [
    ['facility', facility, 0xff],
    ['number', number, 0xffff],
  ] as const) {
    if (Number.isInteger(value) && value >= 0 && value <= most) continue;
    throw fail('BAD_OSDP_RECORD', `A card's ${field} is from 0 to ${most}; it is ${String(value)}.`, {
      detail: { field, value },
    });
  }
  const middle = (facility << 16) | number;
  const value = ((ones(middle >>> 12) & 1) << 25) | (middle << 1) | (1 - (ones(middle & 0xfff) & 1));
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, (value << 6) >>> 0);
  return { bits: 26, data };
}

/** What a card's bits say. */
export function readCard({ bits, data }: CardBits): CardNumber {
  let value = 0n;
  for (let i = 0; i < bits; i++) value = (value << 1n) | BigInt(((data[i >> 3] ?? 0) >> (7 - (i & 7))) & 1);
  const plain = { bits, hex: hex(data, ''), decimal: value.toString() };
  if (bits !== 26) return plain;
  const whole = Number(value);
  const middle = (whole >>> 1) & 0xffffff;
  const even = (ones(middle >>> 12) & 1) === whole >>> 25;
  const odd = (ones(middle & 0xfff) & 1) !== (whole & 1);
  return even && odd ? { ...plain, facility: middle >>> 16, number: middle & 0xffff } : plain;
}

function ones(value: number): number {
  let count = 0;
  for (let rest = value; rest !== 0; rest >>>= 1) count += rest & 1;
  return count;
}
