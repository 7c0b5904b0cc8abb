import type { Platform } from '../platform.ts';
import { checkSize, writeImage } from './build.ts';
import { sameItems } from './items.ts';
import type { StoredItem } from './layout.ts';
import { readImage } from './parse.ts';
import type { NvsEntry, NvsKeys } from './types.ts';
import { checkNamespace, storeEntries } from './values.ts';

/** What is to change in an NVS image. */
export interface NvsChange {
  /** The NVS namespaces that they name get these entries and no others. */
  readonly items: readonly NvsEntry[];
  /** NVS namespaces that are emptied though no item names them. */
  readonly clears?: readonly string[];
}

export interface MergeNvsOptions {
  /** Of an encrypted partition; the result is encrypted under them too. */
  readonly keys?: NvsKeys;
  readonly platform: Platform;
}

/**
 * Replaces NVS namespaces in an image and keeps all others. The result is written compactly: erased entries, old
 * versions and what a loss of power left are gone. Where nothing would change, `changed` is false and `bytes` is the
 * image as it was, so that it need not be written. A blank image is an empty one.
 *
 * @throws what parseNvs and buildNvs throw
 */
export async function mergeNvs(
  image: Uint8Array,
  change: NvsChange,
  options: MergeNvsOptions,
): Promise<{ bytes: Uint8Array; changed: boolean }> {
  checkSize(image.length);
  const items = storeEntries(change.items);
  const clears = checkClears(change.clears);
  const old = readImage(image, options).items;
  const wanted = mergeItems(old, items, clears);
  if (sameItems(old, wanted)) return { bytes: image, changed: false };
  return { bytes: writeImage(wanted, { size: image.length, ...options }), changed: true };
}

/** @throws BAD_NVS_NAMESPACE */
export function checkClears(clears: readonly string[] = []): readonly string[] {
  return clears.map((name, index) => checkNamespace(name, { index }));
}

/** What stays keeps its order; each replaced NVS namespace takes the place of the old one, new ones come last. */
export function mergeItems(
  old: readonly StoredItem[],
  items: readonly StoredItem[],
  clears: readonly string[],
): StoredItem[] {
  const replaced = new Set([...clears, ...items.map(({ namespace }) => namespace)]);
  const order = new Map<string, StoredItem[]>();
  const add = (item: StoredItem): void => {
    const list = order.get(item.namespace) ?? [];
    order.set(item.namespace, list);
    list.push(item);
  };
  for (const item of old) {
    if (!replaced.has(item.namespace)) add(item);
    else if (!order.has(item.namespace)) order.set(item.namespace, []);
  }
  for (const item of items) add(item);
  return [...order.values()].flat();
}
