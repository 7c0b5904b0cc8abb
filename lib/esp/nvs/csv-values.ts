import { fail } from './errors.ts';
import { integerTypes, MAX_BLOB } from './layout.ts';
import type { NvsEntry } from './types.ts';
import { decodeText } from './values.ts';

/** Where a row and its columns are, counted from 1. */
export interface CsvPlace {
  readonly line: number;
  readonly value: number;
  readonly encoding: number;
}

/** Never quotes a value: it may be a secret. */
export function badCsv(line: number, column: number, field: string, what: string, hint: string): Error {
  return fail('BAD_NVS_CSV', `NVS CSV, line ${line}, column ${column}: ${what}.`, {
    hint,
    detail: { line, column, field },
  });
}

const FILL = /^(blob_fill|blob_sz_fill)\((\d{1,6});0x([0-9a-f]{2})\)$/;
const KNOWN = [...Object.keys(integerTypes), 'string', 'binary', 'hex2bin', 'base64', 'blob_fill(size;0xFF)'];

/**
 * What a row says of its value.
 * @param raw the text of the row, or the bytes of the file that it names
 * @throws BAD_NVS_CSV
 */
export function readValue(
  encoding: string,
  raw: string | Uint8Array,
  place: CsvPlace,
): Pick<NvsEntry, 'encoding' | 'value'> {
  const name = encoding.toLowerCase();
  if (Object.hasOwn(integerTypes, name)) {
    return { encoding: name as keyof typeof integerTypes, value: raw };
  }
  if (name === 'string') return { encoding: 'string', value: raw };
  if (name === 'binary') return { encoding: 'blob', value: raw };
  if (name === 'hex2bin') return { encoding: 'blob', value: fromHex(textOf(raw, place), place) };
  if (name === 'base64') return { encoding: 'blob', value: fromBase64(textOf(raw, place), place) };
  const fill = FILL.exec(name);
  if (fill !== null) return { encoding: 'blob', value: filled(fill, raw, place) };
  const shown = encoding === '' ? 'the encoding is missing' : `encoding "${encoding.slice(0, 40)}" is not known`;
  throw badCsv(place.line, place.encoding, 'encoding', shown, `Encodings: ${KNOWN.join(', ')}.`);
}

function badValue({ line, value }: CsvPlace, what: string, hint: string): Error {
  return badCsv(line, value, 'value', what, hint);
}

function textOf(raw: string | Uint8Array, place: CsvPlace): string {
  const text = typeof raw === 'string' ? raw : decodeText(raw);
  if (text === undefined) throw badValue(place, 'the file is no text', 'Use the encoding binary for its bytes.');
  return text.trim();
}

function fromHex(text: string, place: CsvPlace): Uint8Array {
  if (text.length % 2 !== 0) {
    throw badValue(place, `the value has ${text.length} hexadecimal digits`, 'A byte has two.');
  }
  const wrong = /[^0-9a-fA-F]/.exec(text);
  if (wrong !== null) {
    throw badValue(place, `character ${wrong.index + 1} is no hexadecimal digit`, 'Bytes look like 00ff10ef.');
  }
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

function fromBase64(text: string, place: CsvPlace): Uint8Array {
  const plain = text.replace(/\s+/g, '');
  if (plain.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(plain)) {
    throw badValue(place, 'the value is no base64', 'It has A–Z, a–z, 0–9, + and /, filled with = to a multiple of 4.');
  }
  return Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
}

/** The text, filled up to a size; `blob_sz_fill` puts the text's length before it. */
function filled([, kind, size, byte]: RegExpExecArray, raw: string | Uint8Array, place: CsvPlace): Uint8Array {
  const text = typeof raw === 'string' ? new TextEncoder().encode(raw) : raw;
  const length = Number(size);
  if (length > MAX_BLOB) {
    throw badCsv(
      place.line,
      place.encoding,
      'encoding',
      `a fill of ${length} bytes is too long`,
      `At most ${MAX_BLOB}.`,
    );
  }
  if (text.length > length) {
    throw badValue(place, `the value has ${text.length} bytes, the fill ${length}`, 'Make the fill longer.');
  }
  const prefix = kind === 'blob_sz_fill' ? 4 : 0;
  const bytes = new Uint8Array(prefix + length).fill(Number.parseInt(byte ?? '', 16));
  if (prefix > 0) new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, prefix);
  return bytes;
}
