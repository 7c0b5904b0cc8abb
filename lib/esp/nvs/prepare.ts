import type { Platform } from '../platform.ts';
import { fail } from './errors.ts';
import { checkHmacKey, nvsKeysFrom } from './keys.ts';
import type { StoredItem } from './layout.ts';
import { checkClears } from './merge.ts';
import { type KeySource, Prepared, type PreparedNvs } from './prepared.ts';
import type { NvsItem, NvsRecipe } from './types.ts';
import { type EntrySource, refuseDuplicates, storeEntry } from './values.ts';

export interface PrepareNvsOptions {
  /** Of the partition, in bytes; left out while its place is not known: see `place`. */
  readonly size?: number;
  /** Gives the bytes behind a handle; they are copied. */
  readonly secrets: (handle: string) => Uint8Array;
  readonly platform: Platform;
}

/**
 * Checks a recipe as far as it can be before a port is opened: every item, the handles' bytes, the keys' lengths, and
 * whether the items fit.
 *
 * @throws BAD_NVS_RECIPE, BAD_NVS_NAMESPACE, BAD_NVS_KEY, BAD_NVS_ENCODING, BAD_NVS_VALUE, NVS_STRING_TOO_LONG,
 *   NVS_BLOB_TOO_LARGE, NVS_DUPLICATE_KEY, NVS_TOO_SMALL, BAD_NVS_SIZE, BAD_NVS_KEYS, and what `secrets` throws
 */
export function prepareNvs(recipe: NvsRecipe, options: PrepareNvsOptions): PreparedNvs {
  checkRecipe(recipe);
  const held: Uint8Array[] = [];
  const take = (handle: string): Uint8Array => {
    const copy = new Uint8Array(options.secrets(handle));
    held.push(copy);
    return copy;
  };
  try {
    const items = recipe.items.map((item, index) => storeItem(item, index, take, held));
    refuseDuplicates(items, (index) => ({ index }));
    const clears = checkClears(recipe.clears);
    const source = keysOf(recipe, take, held);
    const prepared = new Prepared({ mode: recipe.mode, items, clears, source, platform: options.platform, held });
    if (options.size !== undefined) prepared.place(options.size);
    return prepared;
  } catch (error) {
    for (const bytes of held) bytes.fill(0);
    throw error;
  }
}

/**
 * Whether items can be stored at all, before anybody has the bytes behind their handles: those count as short and well.
 * @throws BAD_NVS_NAMESPACE, BAD_NVS_KEY, BAD_NVS_ENCODING, BAD_NVS_VALUE, NVS_STRING_TOO_LONG, NVS_BLOB_TOO_LARGE,
 *   NVS_DUPLICATE_KEY
 */
export function checkNvsItems(items: readonly NvsItem[]): void {
  const stored = items.map(({ namespace, key, encoding, value }, index) => {
    const unknown = encoding === 'string' || encoding === 'blob' ? '' : 0;
    return storeEntry({ namespace, key, encoding, value: value ?? unknown }, { detail: { index } });
  });
  refuseDuplicates(stored, (index) => ({ index }));
}

const SCHEMES = ['none', 'nvs_keys', 'hmac'] as const;
const MODES = ['replace', 'merge'] as const;

function checkRecipe({ mode, items, encryption }: NvsRecipe): void {
  const bad = (field: string, value: unknown, known: readonly string[]): Error =>
    fail('BAD_NVS_RECIPE', `The ${field} "${String(value).slice(0, 40)}" of an NVS recipe is not known.`, {
      hint: `One of ${known.join(', ')}.`,
      detail: { field, value: String(value).slice(0, 40) },
    });
  if (!MODES.some((known) => known === mode)) throw bad('mode', mode, MODES);
  const scheme: unknown = encryption?.scheme;
  if (!SCHEMES.some((known) => known === scheme)) throw bad('encryption', scheme, SCHEMES);
  if (!Array.isArray(items)) {
    throw fail('BAD_NVS_RECIPE', 'The items of an NVS recipe are no list.', { detail: { field: 'items' } });
  }
}

function storeItem(item: NvsItem, index: number, take: (handle: string) => Uint8Array, held: Uint8Array[]): StoredItem {
  const { namespace, key, encoding, value, handle } = item;
  const secret = handle !== undefined;
  if (secret === (value !== undefined)) {
    throw fail(
      'BAD_NVS_VALUE',
      `NVS item ${index + 1} has ${secret ? 'a value and a handle' : 'neither a value nor a handle'}.`,
      { hint: 'Give exactly one of them.', detail: { index, field: 'value', namespace, key } },
    );
  }
  const source: EntrySource = { detail: { index }, secret };
  const stored = storeEntry({ namespace, key, encoding, value: value ?? take(handle ?? '') }, source);
  if (secret) held.push(stored.data);
  if (encoding !== 'blob' || item.terminate !== true || stored.data.at(-1) === 0) return stored;
  const data = new Uint8Array(stored.data.length + 1);
  data.set(stored.data);
  if (secret) held.push(data);
  // Once more, since the NUL counts.
  return storeEntry({ namespace, key, encoding, value: data }, source);
}

/** @throws BAD_NVS_KEYS */
function keysOf({ encryption }: NvsRecipe, take: (handle: string) => Uint8Array, held: Uint8Array[]): KeySource {
  if (encryption.scheme === 'none') return { kind: 'none' };
  if (encryption.scheme === 'nvs_keys') {
    if (encryption.handle === undefined) return { kind: 'chip' };
    const keys = nvsKeysFrom(take(encryption.handle));
    held.push(keys.encryption, keys.tweak);
    return { kind: 'given', keys };
  }
  if (typeof encryption.handle !== 'string') {
    throw fail('BAD_NVS_KEYS', 'The HMAC scheme has no handle.', {
      hint: 'Give the handle of the 32 bytes that are burnt into the chip.',
      detail: { field: 'encryption' },
    });
  }
  const key = take(encryption.handle);
  checkHmacKey(key);
  return { kind: 'hmac', key };
}
