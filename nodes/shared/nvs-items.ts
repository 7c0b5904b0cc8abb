import { type NvsEntry, type NvsItem, parseNvsCsv, sizeOfNvs } from '../../lib/esp/index.ts';
import { isHandle } from '../../lib/vault/index.ts';
import { fail } from './errors.ts';
import type { Fields } from './evaluate.ts';
import { type NvsRow, nvsEncodings } from './nvs-rows.ts';

const INTEGER = /^[ui](8|16|32|64)$/;
const WHOLE = /^[+-]?\d+$|^0x[0-9a-f]+$/i;

/** The entries of a node's table, for one message. @throws BAD_FIELD naming row and column, BAD_EXPRESSION */
export async function itemsOfRows<C extends object>(fields: Fields<C>, rows: readonly NvsRow[]): Promise<NvsItem[]> {
  const items: NvsItem[] = [];
  for (const [index, row] of rows.entries()) {
    const where = `entries[${index}]`;
    const value = await fields.of(row, where).value('value');
    items.push(itemOf({ ...row, value }, where));
  }
  return items;
}

/**
 * The entries that a value holds: a list of `{ namespace, key, encoding, value }`, or a text as Espressif's CSV.
 * @throws BAD_FIELD, BAD_NVS_CSV
 */
export async function itemsOfValue(value: unknown, field: string): Promise<NvsItem[]> {
  if (typeof value === 'string') {
    return await parseNvsCsv(value, async (path) => {
      throw bad(
        field,
        `names the file ${path}, and files are not read from a message`,
        'Put the bytes into the list instead.',
      );
    });
  }
  if (Array.isArray(value)) return value.map((entry, index) => itemOf(entry, `${field}[${index}]`));
  throw bad(
    field,
    'holds neither a list of NVS entries nor a text',
    'An entry is { namespace, key, encoding, value }.',
  );
}

/**
 * Whether the entries can be kept at all, before anybody redeems a handle: a secret counts as short and well.
 * @throws BAD_NVS_NAMESPACE, BAD_NVS_KEY, BAD_NVS_VALUE, NVS_STRING_TOO_LONG, NVS_BLOB_TOO_LARGE, NVS_DUPLICATE_KEY
 */
export function checkItems(items: readonly NvsItem[]): void {
  sizeOfNvs(
    items.map(({ namespace, key, encoding, value }): NvsEntry => {
      const secret = INTEGER.test(encoding) ? 0 : encoding === 'string' ? '' : new Uint8Array(1);
      return { namespace, key, encoding, value: value ?? secret };
    }),
  );
}

/** One entry. What is a handle stays one; a text is turned into what its encoding takes. */
function itemOf(entry: unknown, where: string): NvsItem {
  const { namespace, key, encoding, value, handle, terminate } = (entry ?? {}) as Partial<Record<string, unknown>>;
  if (typeof namespace !== 'string' || typeof key !== 'string') {
    throw bad(where, 'has no namespace or no key', 'An entry is { namespace, key, encoding, value }.');
  }
  const place = { namespace: namespace.trim(), key: key.trim() };
  const known = nvsEncodings.find((one) => one === encoding);
  if (known === undefined) throw bad(`${where}.encoding`, 'is no encoding', `Choose from ${nvsEncodings.join(', ')}.`);
  const kept =
    known === 'blob0' ? { ...place, encoding: 'blob' as const, terminate: true } : { ...place, encoding: known };
  const item = terminate === true && kept.encoding === 'blob' ? { ...kept, terminate: true } : kept;
  const secret = handle ?? value;
  if (isHandle(secret)) return { ...item, handle: secret };
  return { ...item, value: asNvsValue(value, item.encoding, `${where}.value`) };
}

/** What is given as a value is not told: it may be a secret that somebody forgot to put away. */
function asNvsValue(
  value: unknown,
  encoding: NvsItem['encoding'],
  where: string,
): number | bigint | string | Uint8Array {
  if (INTEGER.test(encoding)) {
    if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))) return value;
    if (typeof value === 'boolean') return Number(value);
    if (typeof value === 'string' && WHOLE.test(value.trim())) return BigInt(value.trim().replace(/^\+/, ''));
    throw bad(where, 'is no whole number', `The encoding ${encoding} takes one: 42, -7, 0x2a.`);
  }
  if (value instanceof Uint8Array) return encoding === 'string' ? Buffer.from(value).toString('utf8') : value;
  const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
  if (typeof text === 'string') return encoding === 'string' ? text : Buffer.from(text, 'utf8');
  throw bad(
    where,
    'is neither a text nor a Buffer',
    'Look where the value is taken from: the message may not have it.',
  );
}

function bad(field: string, what: string, hint: string): Error {
  return fail('BAD_FIELD', `The field "${field}" ${what}.`, { hint, detail: { field } });
}
