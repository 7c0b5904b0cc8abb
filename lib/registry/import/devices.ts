import { isKeywayError } from '../../errors/index.ts';
import { checkDevice } from '../check.ts';
import { fail } from '../errors.ts';
import type { DeviceDraft } from '../operations/devices.ts';
import type { JsonObject, NewDevice } from '../types.ts';
import { type CsvRow, parseCsv } from './csv.ts';
import type { ImportOptions, ImportProblem } from './types.ts';

const LARGEST_BYTES = 64 << 20;
const MOST_DEVICES = 100_000;
const FIELDS = ['id', 'namespace', 'mac', 'serial', 'name', 'profile', 'labels', 'reason'] as const;
const ATTRIBUTE = 'attribute:';

/** What an import holds: devices that may be added, and lines that may not. */
export interface ParsedImport {
  readonly rows: { readonly line: number; readonly device: DeviceDraft }[];
  readonly problems: ImportProblem[];
  readonly devices: number;
}

/** Reads and checks an import, without the registry. @throws BAD_IMPORT */
export function parseImport(source: string | readonly unknown[], options: ImportOptions, now: number): ParsedImport {
  const raw = typeof source === 'string' ? fromText(source, options) : fromArray(source);
  if (raw.length > MOST_DEVICES) {
    throw fail('BAD_IMPORT', `The import has ${raw.length} devices.`, {
      hint: `Divide it: at most ${MOST_DEVICES} go in at once.`,
      detail: { field: 'source', value: raw.length },
    });
  }
  const problems: ImportProblem[] = [];
  const rows: ParsedImport['rows'] = [];
  for (const { line, device, problem } of raw) {
    try {
      if (problem !== undefined) throw problem;
      rows.push({ line, device: checkDevice(completed(device, options), now) });
    } catch (error) {
      if (!isKeywayError(error)) throw error;
      const field = error.detail?.field;
      const { code, message } = error;
      problems.push({ line, code, message, ...(typeof field === 'string' ? { field } : {}) });
    }
  }
  return { rows, problems, devices: raw.length };
}

interface RawDevice {
  readonly line: number;
  readonly device: unknown;
  readonly problem?: Error;
}

function fromText(source: string, options: ImportOptions): RawDevice[] {
  if (Buffer.byteLength(source) > LARGEST_BYTES) {
    throw fail('BAD_IMPORT', 'The import is larger than 64 MiB.', { hint: 'Divide it.', detail: { field: 'source' } });
  }
  if (!/^\ufeff?\s*\[/.test(source)) return fromCsv(parseCsv(source), options);
  let list: unknown;
  try {
    list = JSON.parse(source.replace(/^\ufeff/, ''));
  } catch (error) {
    throw fail('BAD_IMPORT', `The import is no JSON: ${(error as Error).message}.`, {
      hint: 'Give an array of devices as JSON, or CSV with a header.',
      detail: { field: 'source' },
    });
  }
  return fromArray(list as readonly unknown[]);
}

function fromArray(list: readonly unknown[]): RawDevice[] {
  if (!Array.isArray(list)) {
    throw fail('BAD_IMPORT', 'The import is no list.', {
      hint: 'Give an array of devices.',
      detail: { field: 'source' },
    });
  }
  return list.map((device, i) => ({ line: i + 1, device }));
}

function fromCsv(rows: readonly CsvRow[], options: ImportOptions): RawDevice[] {
  const [header, ...lines] = rows;
  if (header === undefined) {
    throw fail('BAD_IMPORT', 'The CSV is empty.', {
      hint: 'Give a header, such as namespace,mac,name, and a line for each device.',
      detail: { field: 'source' },
    });
  }
  const fields = header.fields.map((column) => meaningOf(column.trim(), options));
  const known = fields.filter((field) => field !== null);
  const twice = known.find((field, i) => known.indexOf(field) !== i);
  if (twice !== undefined) {
    throw fail('BAD_IMPORT', `Two columns of the CSV are "${twice}".`, {
      hint: 'Take one away.',
      detail: { field: 'columns', value: twice },
    });
  }
  return lines.map(({ line, fields: values }) => {
    if (values.length === fields.length) return { line, device: deviceFrom(fields, values) };
    const message = `Line ${line} has ${values.length} fields; the header has ${fields.length}.`;
    const problem = fail('BAD_IMPORT', message, { hint: 'Quote fields that hold a separator.', detail: { line } });
    return { line, device: undefined, problem };
  });
}

function meaningOf(column: string, { columns = {} }: ImportOptions): string | null {
  const meaning = Object.hasOwn(columns, column) ? columns[column] : column.toLowerCase();
  if (meaning === null) return null;
  if (meaning !== undefined && (FIELDS as readonly string[]).includes(meaning)) return meaning;
  // An attribute keeps its letters.
  const named = meaning === column.toLowerCase() ? column : (meaning ?? '');
  if (named.toLowerCase().startsWith(ATTRIBUTE) && named.length > ATTRIBUTE.length) {
    return `${ATTRIBUTE}${named.slice(ATTRIBUTE.length)}`;
  }
  throw fail('BAD_IMPORT', `The CSV has a column "${column.slice(0, 64)}" that means nothing here.`, {
    hint: `Columns are ${FIELDS.join(', ')} and attribute:<name>; say in "columns" what another one is.`,
    detail: { field: 'columns', value: column.slice(0, 64) },
  });
}

/** A blank field is none. */
function deviceFrom(fields: readonly (string | null)[], values: readonly string[]): object {
  const device: Record<string, unknown> = {};
  const attributes: [string, string][] = [];
  for (const [i, field] of fields.entries()) {
    const value = (values[i] ?? '').trim();
    if (field === null || value === '') continue;
    if (field.startsWith(ATTRIBUTE)) attributes.push([field.slice(ATTRIBUTE.length), value]);
    else device[field] = field === 'labels' ? value.split(/\s*[;|,]\s*/).filter((label) => label !== '') : value;
  }
  return { ...device, attributes: Object.fromEntries(attributes) };
}

function completed(device: unknown, { namespace, normaliseMac }: ImportOptions): NewDevice {
  if (typeof device !== 'object' || device === null || Array.isArray(device)) {
    throw fail('BAD_DEVICE', 'This is no device.', {
      hint: 'Give an object with a namespace and a mac, name or serial.',
      detail: { field: 'device' },
    });
  }
  const unknown = Object.keys(device).find((key) => ![...FIELDS, 'attributes'].includes(key as 'id'));
  if (unknown !== undefined) {
    throw fail('BAD_DEVICE', `A device has no field "${unknown.slice(0, 64)}".`, {
      hint: `It has ${FIELDS.join(', ')} and attributes.`,
      detail: { field: unknown.slice(0, 64) },
    });
  }
  const given = device as Partial<NewDevice> & { attributes?: JsonObject };
  const mac = typeof given.mac === 'string' && normaliseMac !== undefined ? normaliseMac(given.mac) : given.mac;
  return {
    ...given,
    ...(mac === undefined ? {} : { mac }),
    namespace: given.namespace ?? namespace ?? missingNamespace(),
  };
}

function missingNamespace(): never {
  throw fail('BAD_NAMESPACE', 'The line names no certificate namespace.', {
    hint: 'Fill the column namespace, or say one for all lines.',
    detail: { field: 'namespace' },
  });
}
