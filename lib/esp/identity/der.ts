import { Malformed } from './pem.ts';

/** One value of strict DER (X.690): where its content lies. */
export interface Der {
  readonly tag: number;
  readonly content: Uint8Array;
}

export const TAG = { integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, sequence: 0x30, set: 0x31 } as const;

/** Most values that one structure may hold. */
const MOST_VALUES = 200;

/**
 * The values that lie in `bytes`, one after the other, to their end. Lengths are definite and in their shortest form,
 * tags below 31.
 * @throws Malformed
 */
export function derValues(bytes: Uint8Array): Der[] {
  const values: Der[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (values.length >= MOST_VALUES) throw new Malformed(`has more than ${MOST_VALUES} values in one structure`);
    const { value, end } = readDer(bytes, at);
    values.push(value);
    at = end;
  }
  return values;
}

/** The one value of that tag that `bytes` are. @throws Malformed */
export function derOf(bytes: Uint8Array, tag: number, what: string): Der {
  const { value, end } = readDer(bytes, 0);
  if (value.tag !== tag) throw new Malformed(`is no ${what}`);
  if (end !== bytes.length) throw new Malformed(`has bytes behind the ${what}`);
  return value;
}

function readDer(bytes: Uint8Array, at: number): { value: Der; end: number } {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw new Malformed('is cut off');
  if (tag === 0 || (tag & 0x1f) === 0x1f) throw new Malformed('is no DER: a tag is none that X.509 has');
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new Malformed('is no DER: a length is indefinite or too long');
    length = 0;
    for (let i = 0; i < count; i++) {
      const byte = bytes[start + i];
      if (byte === undefined) throw new Malformed('is cut off');
      length = length * 256 + byte;
    }
    start += count;
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) {
      throw new Malformed('is no DER: a length is not in its shortest form');
    }
  }
  if (length > bytes.length - start) throw new Malformed('is cut off');
  const end = start + length;
  return { value: { tag, content: bytes.subarray(start, end) }, end };
}
