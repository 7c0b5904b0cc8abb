import { checkNvsItems } from '../nvs/prepare.ts';
import type { NvsRecipe } from '../nvs/types.ts';
import { fail } from './errors.ts';

/** A field of a plan that is not what it must be. The value itself may be a secret: its type is named. */
export function badPlan(field: string, value: unknown, what: string): Error {
  return fail('BAD_PLAN', `The plan's ${field} ${what}.`, {
    hint: 'Pass the plan on as the flash plan node made it.',
    detail: { field, value: value === null ? 'null' : typeof value },
  });
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Whether it has the shape of a recipe, and its keys and values suit NVS.
 * @throws BAD_PLAN; the codes of checkNvsItems; PLAN_WITHOUT_BYTES where an item has neither value nor handle, as in a
 * plan to be looked at.
 */
export function checkRecipe(field: string, recipe: unknown): asserts recipe is NvsRecipe {
  if (!isObject(recipe)) throw badPlan(field, recipe, 'is no NVS recipe');
  if (recipe.mode !== 'replace' && recipe.mode !== 'merge') {
    throw badPlan(`${field}.mode`, recipe.mode, 'is neither "replace" nor "merge"');
  }
  if (!Array.isArray(recipe.items)) throw badPlan(`${field}.items`, recipe.items, 'is no list');
  for (const [i, item] of recipe.items.entries()) checkItem(`${field}.items[${i}]`, item);
  const { clears } = recipe;
  if (clears !== undefined && !(Array.isArray(clears) && clears.every((word) => typeof word === 'string'))) {
    throw badPlan(`${field}.clears`, clears, 'is no list of NVS namespaces');
  }
  checkEncryption(`${field}.encryption`, recipe.encryption);
  checkNvsItems(recipe.items);
}

function checkItem(field: string, item: unknown): void {
  if (!isObject(item)) throw badPlan(field, item, 'is no NVS entry');
  for (const name of ['namespace', 'key', 'encoding'] as const) {
    if (typeof item[name] !== 'string') throw badPlan(`${field}.${name}`, item[name], 'is no text');
  }
  const { value, handle, terminate } = item;
  if (handle !== undefined && typeof handle !== 'string') throw badPlan(`${field}.handle`, handle, 'is no handle');
  if (terminate !== undefined && typeof terminate !== 'boolean') {
    throw badPlan(`${field}.terminate`, terminate, 'is neither true nor false');
  }
  if (value !== undefined && handle !== undefined) throw badPlan(field, item, 'has both a value and a handle');
  if (value === undefined && handle === undefined) {
    throw fail(
      'PLAN_WITHOUT_BYTES',
      `The NVS entry "${item.namespace as string}/${item.key as string}" has no value.`,
      {
        hint: 'It is a dry run, or went through JSON: flash the plan itself, not its description.',
        detail: { field },
      },
    );
  }
  const isValue = ['number', 'bigint', 'string'].includes(typeof value) || value instanceof Uint8Array;
  if (value !== undefined && !isValue) throw badPlan(`${field}.value`, value, 'is no number, text or bytes');
}

function checkEncryption(field: string, encryption: unknown): void {
  if (!isObject(encryption)) throw badPlan(field, encryption, 'does not say how the partition is encrypted');
  const { scheme, handle } = encryption;
  if (scheme !== 'none' && scheme !== 'nvs_keys' && scheme !== 'hmac') {
    throw badPlan(`${field}.scheme`, scheme, 'is none of none, nvs_keys, hmac');
  }
  if (handle !== undefined && typeof handle !== 'string') throw badPlan(`${field}.handle`, handle, 'is no handle');
  if (scheme === 'hmac' && handle === undefined) throw badPlan(`${field}.handle`, handle, 'is missing');
}

/** Whether a recipe wants its keys in a partition of the chip. */
export function needsKeys(items: readonly { readonly nvs?: NvsRecipe }[]): boolean {
  return items.some(({ nvs }) => nvs?.encryption.scheme === 'nvs_keys');
}

/** The keys of all NVS partitions lie in one place: two recipes cannot bring different ones. @throws NVS_KEYS_DIFFER */
export function checkOneKey(items: readonly { readonly nvs?: NvsRecipe }[]): void {
  const encryptions = items.flatMap(({ nvs }) => (nvs?.encryption.scheme === 'nvs_keys' ? [nvs.encryption] : []));
  const [first] = encryptions;
  if (encryptions.every(({ handle }) => handle === first?.handle)) return;
  throw fail(
    'NVS_KEYS_DIFFER',
    'Two NVS partitions are to be encrypted with different keys, and the chip holds one set.',
    {
      hint: 'Give the same keys to all of them, or to none.',
      detail: { field: 'nvs', value: 'nvs_keys' },
    },
  );
}
