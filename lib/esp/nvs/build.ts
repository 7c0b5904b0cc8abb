import { espCrc32 } from '../formats/crc32.ts';
import type { Platform } from '../platform.ts';
import { hex } from '../units.ts';
import { encryptImage } from './cipher.ts';
import { fail } from './errors.ts';
import { checkKeys } from './keys.ts';
import {
  BITMAP_AT,
  ENTRIES,
  ENTRY,
  headCrc,
  LEAST_SIZE,
  MAX_NAMESPACES,
  MAX_PIECES,
  NO_CHUNK,
  PAGE,
  pageCrc,
  type StoredItem,
  slotAt,
  stateWords,
  TYPE_BLOB_DATA,
  TYPE_BLOB_INDEX,
  TYPE_STRING,
  TYPE_U8,
  VERSION_2,
  viewOf,
} from './layout.ts';
import type { NvsEntry, NvsKeys } from './types.ts';
import { encodeText, storeEntries } from './values.ts';

export interface BuildNvsOptions {
  /** Of the partition, in bytes: a multiple of 4096, at least 0x3000. One page of it stays empty. */
  readonly size: number;
  /** Encrypts the entries, as NVS encryption has them; header and bitmap of a page stay plain. */
  readonly keys?: NvsKeys;
  readonly platform: Platform;
}

/**
 * An image of a whole NVS partition, in the format's version 2 (ESP-IDF 3.2 and later): the bytes that Espressif's
 * esp-idf-nvs-partition-gen 0.2 makes of the same entries. Where that generator fails or misplaces this does not:
 * strings of 3968 to 3999 bytes fill a page of their own, and an entry always lands in the namespace that it names.
 * Keys of the Wi-Fi driver (`sta.ssid`, `ap.…`) get no hidden companions.
 *
 * @throws BAD_NVS_SIZE, NVS_TOO_SMALL, BAD_NVS_NAMESPACE, BAD_NVS_KEY, BAD_NVS_ENCODING, BAD_NVS_VALUE,
 *   NVS_STRING_TOO_LONG, NVS_BLOB_TOO_LARGE, NVS_DUPLICATE_KEY, BAD_NVS_KEYS
 */
export async function buildNvs(entries: readonly NvsEntry[], options: BuildNvsOptions): Promise<Uint8Array> {
  checkSize(options.size);
  return writeImage(storeEntries(entries), options);
}

/**
 * How much room entries take: `pages` that hold something, and `bytes` of the smallest partition for them, with its
 * spare page. @throws as buildNvs
 */
export function sizeOfNvs(entries: readonly NvsEntry[]): { pages: number; bytes: number } {
  return roomFor(storeEntries(entries));
}

/** @throws BAD_NVS_SIZE */
export function checkSize(size: number): void {
  const bad = (what: string): Error =>
    fail('BAD_NVS_SIZE', `An NVS partition of ${size} bytes ${what}.`, {
      hint: `Give it a multiple of 4096 bytes, at least ${hex(LEAST_SIZE)}.`,
      detail: { field: 'size', value: size },
    });
  if (!Number.isInteger(size) || size % PAGE !== 0) throw bad('is no multiple of 4096');
  if (size < LEAST_SIZE) throw bad('is too small: two pages are for content, and one must stay empty');
}

/** @throws NVS_BLOB_TOO_LARGE, BAD_NVS_NAMESPACE */
export function roomFor(items: readonly StoredItem[]): { pages: number; bytes: number } {
  const pages = layOut(items).length;
  return { pages, bytes: Math.max(LEAST_SIZE, (pages + 1) * PAGE) };
}

/** @throws NVS_TOO_SMALL */
export function checkFit(items: readonly StoredItem[], size: number): void {
  refuseOverflow(layOut(items).length, size);
}

/** @throws NVS_TOO_SMALL, BAD_NVS_KEYS */
export function writeImage(
  items: readonly StoredItem[],
  { size, keys, platform }: { size: number; keys?: NvsKeys | undefined; platform: Platform },
): Uint8Array {
  if (keys !== undefined) checkKeys(keys);
  const pages = layOut(items);
  refuseOverflow(pages.length, size);
  const image = new Uint8Array(size).fill(0xff);
  pages.forEach((page, index) => {
    image.set(page, index * PAGE);
    page.fill(0);
  });
  if (keys !== undefined) encryptImage(image, keys, platform);
  return image;
}

function refuseOverflow(pages: number, size: number): void {
  const needed = (pages + 1) * PAGE;
  if (needed <= size) return;
  throw fail('NVS_TOO_SMALL', `The entries need ${hex(needed)} bytes, the NVS partition has ${hex(size)}.`, {
    hint: 'Make the partition larger or store less; one page of 4096 bytes always stays empty.',
    detail: { field: 'size', value: size, needed },
  });
}

/** The pages that hold something; the first is there even when nothing does. */
function layOut(items: readonly StoredItem[]): Uint8Array[] {
  const writer = new PageWriter();
  const numbers = new Map<string, number>();
  for (const item of items) {
    let number = numbers.get(item.namespace);
    if (number === undefined) {
      number = numbers.size + 1;
      if (number > MAX_NAMESPACES) {
        throw fail('BAD_NVS_NAMESPACE', `"${item.namespace}" would be NVS namespace number ${number}.`, {
          hint: `A partition has at most ${MAX_NAMESPACES} NVS namespaces.`,
          detail: { field: 'namespace', value: item.namespace },
        });
      }
      numbers.set(item.namespace, number);
      writer.integer(0, item.namespace, TYPE_U8, Uint8Array.of(number));
    }
    if (item.type === TYPE_BLOB_INDEX) writer.blob(number, item);
    else if (item.type === TYPE_STRING) writer.text(number, item.key, item.data);
    else writer.integer(number, item.key, item.type, item.data);
  }
  return writer.pages;
}

/** Fills pages one after the other, in the way Espressif's generator does. */
class PageWriter {
  readonly pages: Uint8Array[] = [];
  #page: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor() {
    this.#turn();
  }

  integer(namespace: number, key: string, type: number, data: Uint8Array): void {
    if (this.#used === ENTRIES) this.#turn();
    const head = makeHead(namespace, type, 1, NO_CHUNK, key);
    head.set(data, 24);
    this.#put(head, new Uint8Array(0));
  }

  text(namespace: number, key: string, data: Uint8Array): void {
    const span = spanOf(data);
    // The generator leaves a page rather than fill it to the last entry with a string.
    if (this.#used > 0 && this.#used + span >= ENTRIES) this.#turn();
    const head = makeHead(namespace, TYPE_STRING, span, NO_CHUNK, key);
    describeRun(head, data);
    this.#put(head, data);
  }

  blob(namespace: number, { namespace: name, key, data }: StoredItem): void {
    if (this.#used === ENTRIES) this.#turn();
    let at = 0;
    let pieces = 0;
    do {
      const room = (ENTRIES - this.#used - 1) * ENTRY;
      const piece = data.subarray(at, at + room);
      const head = makeHead(namespace, TYPE_BLOB_DATA, spanOf(piece), pieces, key);
      describeRun(head, piece);
      this.#put(head, piece);
      at += piece.length;
      pieces++;
      if (this.#used === ENTRIES) this.#turn();
    } while (at < data.length);
    if (pieces > MAX_PIECES) {
      throw fail('NVS_BLOB_TOO_LARGE', `NVS entry "${name}/${key}": the blob lies in ${pieces} pieces.`, {
        hint: `There are at most ${MAX_PIECES}, one a page: put the blob first, or split it.`,
        detail: { field: 'value', namespace: name, key, length: data.length },
      });
    }
    const index = makeHead(namespace, TYPE_BLOB_INDEX, 1, NO_CHUNK, key);
    viewOf(index).setUint32(24, data.length, true);
    index[28] = pieces;
    index[29] = 0;
    this.#put(index, new Uint8Array(0));
  }

  #put(head: Uint8Array, data: Uint8Array): void {
    viewOf(head).setUint32(4, headCrc(head), true);
    const at = slotAt(this.#used);
    this.#page.set(head, at);
    this.#page.set(data, at + ENTRY);
    const end = this.#used + spanOf(data);
    for (; this.#used < end; this.#used++) {
      const byte = BITMAP_AT + (this.#used >> 2);
      this.#page[byte] = (this.#page[byte] as number) & ~(1 << ((this.#used & 3) * 2));
    }
  }

  /** Closes this page and begins the next. */
  #turn(): void {
    if (this.pages.length > 0) viewOf(this.#page).setUint32(0, stateWords.full, true);
    this.#page = new Uint8Array(PAGE).fill(0xff);
    this.#used = 0;
    const view = viewOf(this.#page);
    view.setUint32(0, stateWords.active, true);
    view.setUint32(4, this.pages.length, true);
    this.#page[8] = VERSION_2;
    view.setUint32(28, pageCrc(this.#page), true);
    this.pages.push(this.#page);
  }
}

/** Entries that a head and its data take. */
const spanOf = (data: Uint8Array): number => 1 + Math.ceil(data.length / ENTRY);

function makeHead(namespace: number, type: number, span: number, chunk: number, key: string): Uint8Array {
  const head = new Uint8Array(ENTRY).fill(0xff);
  head.set([namespace, type, span, chunk]);
  head.fill(0, 8, 24);
  head.set(encodeText(key) ?? [], 8);
  return head;
}

function describeRun(head: Uint8Array, data: Uint8Array): void {
  const view = viewOf(head);
  view.setUint16(24, data.length, true);
  view.setUint32(28, espCrc32(data), true);
}
