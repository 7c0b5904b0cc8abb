import type { Platform } from '../platform.ts';
import { decryptImage } from './cipher.ts';
import { fail } from './errors.ts';
import { type Items, joinItems } from './items.ts';
import { checkKeys } from './keys.ts';
import { ENTRIES, PAGE, pageCrc, type StoredItem, stateWords, VERSION_1, VERSION_2, viewOf } from './layout.ts';
import { damaged, type RawImage, readPages } from './pages.ts';
import type { NvsContent, NvsEncoding, NvsKeys, NvsListing } from './types.ts';
import { encodeText, entryOf } from './values.ts';

export interface ParseNvsOptions {
  /** Of an encrypted partition. */
  readonly keys?: NvsKeys;
  readonly platform: Platform;
}

/** An image as it is merged: what it stores rather than what that means. */
export interface StoredImage {
  readonly items: readonly StoredItem[];
  readonly raw: RawImage;
  readonly torn: NvsContent['torn'];
  /** What was made of the image to read it, for whoever must leave nothing behind: of an encrypted one, all of it. */
  readonly copies: readonly Uint8Array[];
}

/**
 * Reads the image of an NVS partition: one that a generator made, or what a chip made of it at run time (erased
 * entries, updated blobs, blobs of the old format, pages that are being freed). What a loss of power leaves behind is
 * passed over, as the chip does, and listed in `torn`; anything else that is wrong is an error that names its place.
 *
 * @throws BAD_NVS (`detail.offset`), BAD_NVS_SIZE for no multiple of 4096, NVS_ENCRYPTED when keys are needed,
 *   NVS_WRONG_KEYS, BAD_NVS_KEYS
 */
export async function parseNvs(bytes: Uint8Array, options: ParseNvsOptions): Promise<NvsContent> {
  return readNvs(bytes, options);
}

/** The same at once. @throws as parseNvs */
export function readNvs(bytes: Uint8Array, options: ParseNvsOptions): NvsContent {
  const { items, raw, torn } = readImage(bytes, options);
  const usedEntries = raw.pages.reduce((sum, { used }) => sum + used, 0);
  return {
    entries: items.map(entryOf),
    pages: raw.pages,
    usedEntries,
    freeEntries: raw.pages.length * ENTRIES - usedEntries,
    torn,
    encrypted: options.keys !== undefined && raw.goodHeads > 0,
  };
}

/** @throws as parseNvs */
export function readImage(bytes: Uint8Array, { keys, platform }: ParseNvsOptions): StoredImage {
  if (bytes.length === 0 || bytes.length % PAGE !== 0) {
    throw fail('BAD_NVS_SIZE', `An NVS image of ${bytes.length} bytes is no multiple of 4096.`, {
      hint: 'Give the whole partition.',
      detail: { field: 'size', value: bytes.length, offset: bytes.length },
    });
  }
  if (keys !== undefined) checkKeys(keys);
  const plain = keys === undefined ? bytes : decryptImage(bytes, keys, platform);
  const raw = readPages(plain);
  const [bad] = raw.badHeads;
  const unread = bad ?? raw.remains[0];
  if (unread !== undefined && raw.goodHeads === 0) throw unreadable(bytes, keys !== undefined, unread);
  if (bad !== undefined) throw damaged(bad, 'the checksum of an entry is wrong');
  const { items, orphans }: Items = joinItems(raw.items);
  const torn = [
    ...raw.torn,
    ...raw.remains.map((offset) => ({ offset, what: 'an entry was not erased to its end' })),
    ...orphans.map(({ offset }) => ({ offset, what: 'a piece of a blob belongs to no blob' })),
  ];
  const copies = [
    ...(plain === bytes ? [] : [plain]),
    ...items.flatMap(({ data }) => (data.buffer === plain.buffer ? [] : [data])),
  ];
  return { items, raw, torn, copies };
}

/** No head at all has a right checksum: a matter of keys rather than of damage. */
function unreadable(bytes: Uint8Array, hasKeys: boolean, offset: number): Error {
  if (!hasKeys) {
    return fail('NVS_ENCRYPTED', 'The NVS image is encrypted: no entry has a right checksum.', {
      hint: 'Give the keys of its nvs_keys partition, or the HMAC key of the chip.',
      detail: { field: 'keys', offset },
    });
  }
  const plain = isPlainNvs(bytes);
  const what = plain ? 'The NVS image is not encrypted.' : 'The NVS image is encrypted under other keys than these.';
  return fail('NVS_WRONG_KEYS', what, {
    hint: plain ? 'Read it without keys.' : 'Give the keys that the chip used.',
    detail: { field: 'keys', offset, encrypted: !plain },
  });
}

/** Whether an image with content can be read without keys, be it damaged in places. */
export function isPlainNvs(bytes: Uint8Array): boolean {
  return readPages(bytes).goodHeads > 0;
}

/** Whether the bytes are pages of NVS, plain or encrypted; a blank partition is none. */
export function looksLikeNvs(bytes: Uint8Array): boolean {
  if (bytes.length === 0 || bytes.length % PAGE !== 0) return false;
  for (let at = 0; at < bytes.length; at += PAGE) {
    const page = bytes.subarray(at, at + PAGE);
    const state = viewOf(page).getUint32(0, true);
    if (state === stateWords.empty || !Object.values(stateWords).some((word) => word === state)) continue;
    const version = page[8];
    if (version !== VERSION_1 && version !== VERSION_2) continue;
    if (viewOf(page).getUint32(28, true) === pageCrc(page)) return true;
  }
  return false;
}

/** What is stored, without the values: for listings that anybody may see. */
export function redactNvs(content: Pick<NvsContent, 'entries'>): NvsListing[] {
  return content.entries.map(({ namespace, key, encoding, value }) => ({
    namespace,
    key,
    encoding,
    bytes: lengthOf(encoding, value),
  }));
}

function lengthOf(encoding: NvsEncoding, value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  if (encoding === 'string' || encoding === 'blob') return encodeText(String(value))?.length ?? 0;
  return Number(encoding.slice(1)) / 8;
}
