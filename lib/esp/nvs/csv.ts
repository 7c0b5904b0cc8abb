import { toHex } from '../digest.ts';
import type { Load } from '../inputs/parts.ts';
import { type CsvRow, quoteField, readRows } from './csv-rows.ts';
import { badCsv, readValue } from './csv-values.ts';
import { fail } from './errors.ts';
import { MAX_RUN } from './layout.ts';
import type { NvsEntry } from './types.ts';
import { checkNamespace, entryOf, refuseDuplicates, storeEntries, storeEntry } from './values.ts';

const COLUMNS = ['key', 'type', 'encoding', 'value'] as const;
type Column = (typeof COLUMNS)[number];
const TYPES = ['data', 'file', 'namespace'] as const;

/**
 * Reads Espressif's CSV for NVS (ESP-IDF Programming Guide, "NVS Partition Generator Utility"): a first row
 * `key,type,encoding,value` in any order, then a row an entry; rows of type `namespace` say where the ones behind them
 * go; `data` has the value in the row, `file` a path; `#` begins a comment line. Encodings: those of integers, `string`,
 * `binary`, `hex2bin`, `base64`, and the fills `blob_fill(size;0xFF)` and `blob_sz_fill(size;0xFF)`.
 *
 * An NVS namespace without entries leaves nothing behind. One that is opened again gets the rows that follow (the
 * generator puts those into the namespace named last).
 *
 * @param load brings the files that rows name
 * @throws BAD_NVS_CSV (`detail.line`, `detail.column` counted from 1, `detail.field`), what buildNvs throws for
 *   entries (with `detail.line`), and what `load` throws
 */
export async function parseNvsCsv(text: string, load: Load): Promise<NvsEntry[]> {
  const [first, ...rows] = readRows(text);
  if (first === undefined) throw badCsv(1, 1, 'key', 'there is no row', `The first row is ${COLUMNS.join(',')}.`);
  const places = readHeader(first);
  const entries: NvsEntry[] = [];
  const lines: number[] = [];
  let namespace: string | undefined;
  for (const row of rows) {
    const { key, type, encoding, value } = readFields(row, places);
    const { line } = row;
    if (type === 'namespace') {
      namespace = checkNamespace(key, { line, column: places.key + 1 });
      continue;
    }
    const column = places.type + 1;
    if (type !== 'data' && type !== 'file') {
      throw badCsv(line, column, 'type', `type "${type.slice(0, 40)}" is not known`, `Types: ${TYPES.join(', ')}.`);
    }
    if (namespace === undefined) {
      throw badCsv(line, column, 'type', 'no row has named an NVS namespace yet', 'Begin with a row name,namespace,,');
    }
    const at = { line, column: places.value + 1 };
    const raw = type === 'file' ? await loadFile(load, value, at) : value;
    const read = readValue(encoding, raw, { line, value: at.column, encoding: places.encoding + 1 });
    entries.push(entryOf(storeEntry({ namespace, key, ...read }, { detail: { line } })));
    lines.push(line);
  }
  refuseDuplicates(
    entries.map((entry) => ({ ...entry, type: 0, data: new Uint8Array(0) })),
    (index) => ({ line: lines[index] }),
  );
  return entries;
}

function readHeader({ line, fields }: CsvRow): Record<Column, number> {
  const names = fields.map((field) => field.trim().toLowerCase());
  const place = (column: Column): number => {
    const index = names.indexOf(column);
    if (index >= 0) return index;
    throw badCsv(line, 1, column, `there is no column "${column}"`, `The first row is ${COLUMNS.join(',')}.`);
  };
  return { key: place('key'), type: place('type'), encoding: place('encoding'), value: place('value') };
}

function readFields({ line, fields }: CsvRow, places: Record<Column, number>): Record<Column, string> {
  const extra = fields.findIndex((field, index) => index >= COLUMNS.length && field.trim() !== '');
  if (extra >= 0) {
    const hint = 'Put a value that has commas into double quotes.';
    throw badCsv(line, extra + 1, 'value', `there are ${fields.length} columns instead of ${COLUMNS.length}`, hint);
  }
  const field = (column: Column): string => fields[places[column]] ?? '';
  return {
    key: field('key'),
    type: field('type').trim().toLowerCase(),
    encoding: field('encoding').trim(),
    value: field('value'),
  };
}

async function loadFile(
  load: Load,
  path: string,
  { line, column }: { line: number; column: number },
): Promise<Uint8Array> {
  if (path.trim() === '') throw badCsv(line, column, 'value', 'the path of the file is missing', 'Name a file.');
  return load(path.trim());
}

/**
 * Entries as Espressif's CSV, which `parseNvsCsv` and Espressif's generator read back: strings as text, blobs as
 * hexadecimal up to 4000 bytes, else as base64.
 *
 * @throws BAD_NVS_VALUE for strings that CSV cannot carry (a carriage return, a line that begins with `#`, bytes that
 *   are no UTF-8), and what buildNvs throws for entries
 */
export function formatNvsCsv(entries: readonly NvsEntry[]): string {
  const plain = storeEntries(entries).map(entryOf);
  const namespaces = [...new Set(plain.map(({ namespace }) => namespace))];
  const rows = namespaces.flatMap((name) => [
    [field(name, 'namespace', { namespace: name }), 'namespace', '', ''],
    ...plain.filter(({ namespace }) => namespace === name).map(rowOf),
  ]);
  return [COLUMNS.join(','), ...rows.map((row) => row.join(',')), ''].join('\n');
}

function rowOf({ namespace, key, encoding, value }: NvsEntry): string[] {
  const name = field(key, 'key', { namespace, key });
  if (value instanceof Uint8Array && encoding === 'blob') {
    return value.length > MAX_RUN ? [name, 'data', 'base64', toBase64(value)] : [name, 'data', 'hex2bin', toHex(value)];
  }
  return [
    name,
    'data',
    encoding,
    field(value instanceof Uint8Array ? undefined : String(value), 'value', { namespace, key }),
  ];
}

/** @throws BAD_NVS_VALUE for text that a reader would change */
function field(text: string | undefined, column: string, detail: Readonly<Record<string, unknown>>): string {
  if (text === undefined || text.includes('\r') || text.includes('\n#')) {
    throw fail('BAD_NVS_VALUE', `CSV cannot carry the ${column} of ${Object.values(detail).join('/')}.`, {
      hint: 'It has a carriage return, a line that begins with "#", or bytes that are no UTF-8: store it as a blob.',
      detail: { ...detail, field: column },
    });
  }
  return quoteField(text);
}

function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
