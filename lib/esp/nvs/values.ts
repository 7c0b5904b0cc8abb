import { fail } from './errors.ts';
import {
  type IntegerEncoding,
  integerTypes,
  MAX_BLOB,
  MAX_KEY,
  MAX_RUN,
  type StoredItem,
  TYPE_BLOB_INDEX,
  TYPE_STRING,
  viewOf,
} from './layout.ts';
import type { NvsEncoding, NvsEntry, NvsValue } from './types.ts';

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const ENCODINGS: readonly NvsEncoding[] = [
  ...(Object.keys(integerTypes) as IntegerEncoding[]),
  'string',
  'blob',
];

/** Where an entry came from, for its errors. */
export interface EntrySource {
  /** Its place in a list, or its line. */
  readonly detail: Readonly<Record<string, unknown>>;
  /** Whether the value must not be shown. */
  readonly secret?: boolean;
}

/** The text, or undefined where the bytes are no UTF-8. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** UTF-8, or undefined where the text has half a surrogate pair. */
export function encodeText(text: string): Uint8Array | undefined {
  const bytes = utf8.encode(text);
  return decodeText(bytes) === text ? bytes : undefined;
}

/** @throws BAD_NVS_NAMESPACE */
export function checkNamespace(name: unknown, detail: Readonly<Record<string, unknown>> = {}): string {
  return checkName('BAD_NVS_NAMESPACE', 'namespace', name, detail);
}

/** @throws BAD_NVS_KEY */
export function checkKey(key: unknown, detail: Readonly<Record<string, unknown>> = {}): string {
  return checkName('BAD_NVS_KEY', 'key', key, detail);
}

function checkName(
  code: 'BAD_NVS_KEY' | 'BAD_NVS_NAMESPACE',
  field: 'key' | 'namespace',
  name: unknown,
  detail: Readonly<Record<string, unknown>>,
): string {
  const bad = (what: string): Error =>
    fail(code, `An NVS ${field} ${what}.`, {
      hint: `Give it 1 to ${MAX_KEY} bytes of text.`,
      detail: { ...detail, field, ...(typeof name === 'string' ? { value: name.slice(0, 64) } : {}) },
    });
  if (typeof name !== 'string') throw bad(name === undefined ? 'is missing' : 'is no text');
  if (name === '') throw bad('is empty');
  const length = name.length > MAX_KEY ? name.length : encodeText(name)?.length;
  if (length === undefined || name.includes('\0')) throw bad('has a character that cannot be stored');
  if (length > MAX_KEY) throw bad(`"${name.slice(0, 40)}" is longer than ${MAX_KEY} bytes`);
  return name;
}

/**
 * Checks an entry and brings it into the form in which it is stored.
 * @throws BAD_NVS_NAMESPACE, BAD_NVS_KEY, BAD_NVS_ENCODING, BAD_NVS_VALUE, NVS_STRING_TOO_LONG, NVS_BLOB_TOO_LARGE
 */
export function storeEntry(entry: NvsEntry, source: EntrySource): StoredItem {
  const namespace = checkNamespace(entry.namespace, source.detail);
  const key = checkKey(entry.key, { ...source.detail, namespace });
  const { encoding, value } = entry;
  const item = { namespace, key, encoding, value, source };
  if (encoding === 'string') return { namespace, key, type: TYPE_STRING, data: stringBytes(item) };
  if (encoding === 'blob') return { namespace, key, type: TYPE_BLOB_INDEX, data: blobBytes(item) };
  if (!Object.hasOwn(integerTypes, encoding)) {
    throw fail('BAD_NVS_ENCODING', `${nameOf(item)}: "${String(encoding).slice(0, 40)}" is no encoding of NVS.`, {
      hint: `Encodings: ${ENCODINGS.join(', ')}.`,
      detail: { ...detailOf(item, 'encoding'), value: String(encoding).slice(0, 40) },
    });
  }
  return { namespace, key, type: integerTypes[encoding], data: integerBytes(item, encoding) };
}

interface Checked {
  readonly namespace: string;
  readonly key: string;
  readonly encoding: NvsEncoding;
  readonly value: NvsValue;
  readonly source: EntrySource;
}

const nameOf = ({ namespace, key }: Checked): string => `NVS entry "${namespace}/${key}"`;

const detailOf = ({ namespace, key, source }: Checked, field: string): Record<string, unknown> => ({
  ...source.detail,
  field,
  namespace,
  key,
});

function badValue(item: Checked, what: string, hint: string, value?: string): Error {
  return fail('BAD_NVS_VALUE', `${nameOf(item)}: the value ${what}.`, {
    hint,
    detail: { ...detailOf(item, 'value'), encoding: item.encoding, ...(value === undefined ? {} : { value }) },
  });
}

function stringBytes(item: Checked): Uint8Array {
  const text = bytesOf(item);
  if (text.includes(0)) throw badValue(item, 'has a NUL in it', 'Store it as a blob.');
  if (text.length >= MAX_RUN) {
    throw fail('NVS_STRING_TOO_LONG', `${nameOf(item)}: the string has ${text.length} bytes.`, {
      hint: `Strings have at most ${MAX_RUN - 1} bytes; store it as a blob.`,
      detail: { ...detailOf(item, 'value'), length: text.length },
    });
  }
  const data = new Uint8Array(text.length + 1);
  data.set(text);
  return data;
}

function blobBytes(item: Checked): Uint8Array {
  const bytes = bytesOf(item);
  if (bytes.length > MAX_BLOB) {
    throw fail('NVS_BLOB_TOO_LARGE', `${nameOf(item)}: the blob has ${bytes.length} bytes.`, {
      hint: `Blobs have at most ${MAX_BLOB} bytes; split it, or keep it in a partition of its own.`,
      detail: { ...detailOf(item, 'value'), length: bytes.length },
    });
  }
  return bytes;
}

function bytesOf(item: Checked): Uint8Array {
  const { value } = item;
  if (value instanceof Uint8Array) return value;
  if (typeof value !== 'string') throw badValue(item, 'is neither text nor bytes', 'Give text or a buffer.');
  const bytes = encodeText(value);
  if (bytes === undefined) throw badValue(item, 'has half a surrogate pair', 'Give well-formed text, or bytes.');
  return bytes;
}

const INTEGER = /^[+-]?(?:0[xX][0-9a-fA-F]+|\d+)$/;
const LONGEST_INTEGER = 40;

function integerBytes(item: Checked, encoding: IntegerEncoding): Uint8Array {
  const width = integerTypes[encoding] & 0x0f;
  const bits = BigInt(width * 8);
  const signed = encoding.startsWith('i');
  const low = signed ? -(1n << (bits - 1n)) : 0n;
  const high = signed ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
  const range = `${encoding} holds ${low} to ${high}.`;
  const number = integerOf(item.value);
  if (number === undefined) throw badValue(item, 'is no whole number', range);
  if (number < low || number > high) {
    const shown = item.source.secret === true ? undefined : String(number).slice(0, LONGEST_INTEGER);
    throw badValue(item, `${shown === undefined ? '' : `${shown} `}is out of range`, range, shown);
  }
  const data = new Uint8Array(8);
  viewOf(data).setBigUint64(0, BigInt.asUintN(64, number), true);
  return data.subarray(0, width);
}

function integerOf(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value;
  // Beyond 2⁵³ a number no longer says which integer was meant.
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  const text = (value instanceof Uint8Array ? decodeText(value.subarray(0, 2 * LONGEST_INTEGER)) : value) ?? '';
  if (typeof text !== 'string' || text.length > LONGEST_INTEGER || !INTEGER.test(text.trim())) return undefined;
  const plain = text.trim().replace('+', '');
  return plain.startsWith('-') ? -BigInt(plain.slice(1)) : BigInt(plain);
}

const encodingByType = new Map<number, NvsEncoding>([
  ...Object.entries(integerTypes).map(([name, type]) => [type, name as NvsEncoding] as const),
  [TYPE_STRING, 'string'],
  [TYPE_BLOB_INDEX, 'blob'],
]);

/** The entry that a stored item is. */
export function entryOf({ namespace, key, type, data }: StoredItem): NvsEntry {
  const encoding = encodingByType.get(type) as NvsEncoding;
  return { namespace, key, encoding, value: readStored(encoding, data) };
}

function readStored(encoding: NvsEncoding, data: Uint8Array): NvsValue {
  if (encoding === 'blob') return new Uint8Array(data);
  if (encoding === 'string') return decodeText(data.subarray(0, -1)) ?? new Uint8Array(data.subarray(0, -1));
  const wide = new Uint8Array(8);
  wide.set(data);
  const number = viewOf(wide).getBigUint64(0, true);
  const bits = data.length * 8;
  const value = encoding.startsWith('i') ? BigInt.asIntN(bits, number) : number;
  return bits === 64 ? value : Number(value);
}

/** @throws NVS_DUPLICATE_KEY, and what storeEntry throws */
export function storeEntries(entries: readonly NvsEntry[]): StoredItem[] {
  const items = entries.map((entry, index) => storeEntry(entry, { detail: { index } }));
  refuseDuplicates(items, (index) => ({ index }));
  return items;
}

/** @throws NVS_DUPLICATE_KEY */
export function refuseDuplicates(
  items: readonly StoredItem[],
  where: (index: number) => Readonly<Record<string, unknown>>,
): void {
  const seen = new Set<string>();
  items.forEach(({ namespace, key }, index) => {
    const name = JSON.stringify([namespace, key]);
    if (seen.has(name)) {
      throw fail('NVS_DUPLICATE_KEY', `The NVS namespace "${namespace}" has the key "${key}" twice.`, {
        hint: 'Leave one of them out.',
        detail: { ...where(index), field: 'key', namespace, key },
      });
    }
    seen.add(name);
  });
}
