/** How an NVS partition is laid out. ESP-IDF Programming Guide, "Non-Volatile Storage Library", "Internals". */
import { espCrc32 } from '../formats/crc32.ts';
import { SECTOR } from '../units.ts';

/** A page is one sector: a header, a bitmap of two bits an entry, the entries. */
export const PAGE = SECTOR;
export const ENTRY = 32;
/** Entries a page. */
export const ENTRIES = 126;
export const BITMAP_AT = 32;
export const FIRST_ENTRY_AT = 64;
/** The library needs two pages for content and a spare one. */
export const LEAST_SIZE = 3 * PAGE;
export const MAX_KEY = 15;
/** A string with its NUL, and one piece of a blob: what lies behind a single head in a page. */
export const MAX_RUN = (ENTRIES - 1) * ENTRY;
/** A blob's pieces are numbered from 0 or, after every second update, from 128. */
export const MAX_PIECES = 127;
export const MAX_BLOB = MAX_PIECES * MAX_RUN;
export const VERSION_TOGGLE = 0x80;
/** Number 0 lists the namespaces; 255 means "any" to the library. */
export const MAX_NAMESPACES = 254;
/** Of an entry that is no piece of a blob. */
export const NO_CHUNK = 0xff;
export const VERSION_1 = 0xff;
export const VERSION_2 = 0xfe;

/** Bits of the state word are only ever cleared. */
export const stateWords = {
  empty: 0xffffffff,
  active: 0xfffffffe,
  full: 0xfffffffc,
  freeing: 0xfffffff8,
} as const;

/** States of one entry in the bitmap. */
export const SLOT_EMPTY = 3;
export const SLOT_WRITTEN = 2;
export const SLOT_ERASED = 0;

/** Type byte of an entry; integers carry their width in bytes in the low nibble. */
export const TYPE_U8 = 0x01;
export const TYPE_STRING = 0x21;
/** One item on one page, as ESP-IDF wrote them before version 3.2. */
export const TYPE_OLD_BLOB = 0x41;
export const TYPE_BLOB_DATA = 0x42;
export const TYPE_BLOB_INDEX = 0x48;

/** Type bytes of the integers. */
export const integerTypes = {
  u8: TYPE_U8,
  i8: 0x11,
  u16: 0x02,
  i16: 0x12,
  u32: 0x04,
  i32: 0x14,
  u64: 0x08,
  i64: 0x18,
} as const;
export type IntegerEncoding = keyof typeof integerTypes;

/** An entry as it is stored: strings with their NUL, integers in their width, blobs whole. */
export interface StoredItem {
  readonly namespace: string;
  readonly key: string;
  /** Of blobs always TYPE_BLOB_INDEX. */
  readonly type: number;
  readonly data: Uint8Array;
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const isBlank = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0xff);

/** The checksum of a head: over all of it but the checksum. */
export function headCrc(head: Uint8Array): number {
  const covered = new Uint8Array(ENTRY - 4);
  covered.set(head.subarray(0, 4));
  covered.set(head.subarray(8, ENTRY), 4);
  return espCrc32(covered);
}

/** The checksum of a page's header: over all but its state word and the checksum. */
export const pageCrc = (page: Uint8Array): number => espCrc32(page.subarray(4, 28));

export const slotState = (page: Uint8Array, slot: number): number =>
  ((page[BITMAP_AT + (slot >> 2)] as number) >> ((slot & 3) * 2)) & 3;

export const slotAt = (slot: number): number => FIRST_ENTRY_AT + slot * ENTRY;
