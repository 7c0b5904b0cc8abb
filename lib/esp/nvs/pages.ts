/** Reads the pages of a plain image into their items, as the NVS library does when it mounts a partition. */
import { espCrc32 } from '../formats/crc32.ts';
import { hex } from '../units.ts';
import { fail } from './errors.ts';
import {
  BITMAP_AT,
  ENTRIES,
  ENTRY,
  headCrc,
  integerTypes,
  isBlank,
  PAGE,
  pageCrc,
  SLOT_EMPTY,
  SLOT_ERASED,
  SLOT_WRITTEN,
  slotAt,
  slotState,
  stateWords,
  TYPE_BLOB_DATA,
  TYPE_BLOB_INDEX,
  TYPE_OLD_BLOB,
  TYPE_STRING,
  VERSION_1,
  VERSION_2,
  viewOf,
} from './layout.ts';
import type { NvsContent, NvsPage, NvsPageState } from './types.ts';
import { decodeText } from './values.ts';

/** One head and what belongs to it. */
export interface RawItem {
  readonly namespace: number;
  readonly type: number;
  readonly chunk: number;
  readonly key: string;
  readonly head: Uint8Array;
  /** The data entries behind the head; empty for integers and blob indexes. */
  readonly room: Uint8Array;
  /** Of the head, in the image. */
  readonly offset: number;
}

export interface RawImage {
  readonly pages: readonly NvsPage[];
  /** In the order in which they were written. */
  readonly items: readonly RawItem[];
  readonly torn: NvsContent['torn'];
  /** How many heads have a right checksum. */
  readonly goodHeads: number;
  /** Where heads with a wrong checksum are, those among them that a loss of power explains not. */
  readonly badHeads: readonly number[];
  /** Where what is left of an erased item begins. */
  readonly remains: readonly number[];
}

type Torn = { offset: number; what: string }[];

export function damaged(offset: number, what: string): Error {
  return fail('BAD_NVS', `The NVS image is damaged at ${hex(offset)}: ${what}.`, {
    hint: 'Read it again; if it stays so, replace the partition instead of merging into it.',
    detail: { field: 'image', offset },
  });
}

/** @throws BAD_NVS for what no loss of power explains */
export function readPages(image: Uint8Array): RawImage {
  const torn: Torn = [];
  const pages: NvsPage[] = [];
  const begun: { at: number; sequence: number; active: boolean }[] = [];
  for (let at = 0; at < image.length; at += PAGE) {
    const page = image.subarray(at, at + PAGE);
    const header = readHeader(page, at, torn);
    pages.push({ ...header, ...countSlots(page, at, header.sequence !== null) });
    if (header.sequence !== null) begun.push({ at, sequence: header.sequence, active: header.state === 'active' });
  }
  begun.sort((a, b) => a.sequence - b.sequence);
  const reader = new ItemReader(image, torn);
  begun.forEach(({ at, sequence, active }, index) => {
    if (begun[index - 1]?.sequence === sequence) {
      throw damaged(at + 4, `two pages have the sequence number ${sequence}`);
    }
    reader.read(at, active);
  });
  const { items, goodHeads, badHeads, remains } = reader;
  return { pages, items, torn, goodHeads, badHeads, remains };
}

function readHeader(page: Uint8Array, at: number, torn: Torn): { state: NvsPageState; sequence: number | null } {
  const view = viewOf(page);
  const word = view.getUint32(0, true);
  const useless = (what: string): { state: 'corrupt'; sequence: null } => {
    torn.push({ offset: at, what });
    return { state: 'corrupt', sequence: null };
  };
  if (word === stateWords.empty) {
    return isBlank(page) ? { state: 'empty', sequence: null } : useless('a page without a state is not blank');
  }
  const state = (Object.keys(stateWords) as (keyof typeof stateWords)[]).find((name) => stateWords[name] === word);
  if (state === undefined) {
    if (word === 0 || word === 0xfffffff0) return useless('the chip gave this page up');
    if (isBlank(page.subarray(BITMAP_AT))) return useless('the header of a new page is half written');
    throw damaged(at, `${hex(word)} is no state of a page`);
  }
  if (view.getUint32(28, true) !== pageCrc(page)) {
    if (isBlank(page.subarray(BITMAP_AT))) return useless('the header of a new page is half written');
    throw damaged(at + 28, 'the checksum of the page header is wrong');
  }
  const version = page[8] as number;
  if (version !== VERSION_1 && version !== VERSION_2) {
    throw damaged(at + 8, `${hex(version)} is no version of a page that is known`);
  }
  return { state, sequence: view.getUint32(4, true) };
}

function countSlots(page: Uint8Array, at: number, begun: boolean): Pick<NvsPage, 'used' | 'erased' | 'free'> {
  if (!begun) return { used: 0, erased: 0, free: ENTRIES };
  let used = 0;
  let erased = 0;
  for (let slot = 0; slot < ENTRIES; slot++) {
    const state = slotState(page, slot);
    if (state === SLOT_WRITTEN) used++;
    else if (state === SLOT_ERASED) erased++;
    else if (state !== SLOT_EMPTY) {
      throw damaged(at + BITMAP_AT + (slot >> 2), `the bitmap has no state for entry ${slot} of the page`);
    }
  }
  return { used, erased, free: ENTRIES - used - erased };
}

const INTEGERS: ReadonlySet<number> = new Set(Object.values(integerTypes));
const RUNS: ReadonlySet<number> = new Set([TYPE_STRING, TYPE_OLD_BLOB, TYPE_BLOB_DATA]);

class ItemReader {
  readonly items: RawItem[] = [];
  readonly badHeads: number[] = [];
  readonly remains: number[] = [];
  goodHeads = 0;
  /** Where the entry lies that last counted as what is left of an erased item. */
  #lastRemains = -1;
  readonly #image: Uint8Array;
  readonly #torn: Torn;

  constructor(image: Uint8Array, torn: Torn) {
    this.#image = image;
    this.#torn = torn;
  }

  read(at: number, active: boolean): void {
    const page = this.#image.subarray(at, at + PAGE);
    for (let slot = 0; slot < ENTRIES; ) {
      const state = slotState(page, slot);
      if (state === SLOT_WRITTEN) {
        slot += this.#item(page, at, slot);
        continue;
      }
      // Power went between the entry and its bit in the bitmap.
      if (active && state === SLOT_EMPTY && viewOf(page).getUint32(slotAt(slot), true) !== 0xffffffff) {
        this.#torn.push({ offset: at + slotAt(slot), what: 'an entry is half written' });
      }
      slot++;
    }
  }

  /** Behind an erased entry this is data whose head was erased when power went; elsewhere it is damage. */
  #bad(page: Uint8Array, offset: number, slot: number): void {
    const goesOn = this.#lastRemains === offset - ENTRY && slot > 0;
    const begins = slot > 0 && slotState(page, slot - 1) === SLOT_ERASED;
    if (begins) this.remains.push(offset);
    if (begins || goesOn) this.#lastRemains = offset;
    else this.badHeads.push(offset);
  }

  /** Reads the item at a slot; returns how many slots it takes. */
  #item(page: Uint8Array, at: number, slot: number): number {
    const head = page.subarray(slotAt(slot), slotAt(slot) + ENTRY);
    const offset = at + slotAt(slot);
    if (viewOf(head).getUint32(4, true) !== headCrc(head)) {
      this.#bad(page, offset, slot);
      return 1;
    }
    this.goodHeads++;
    const [namespace = 0, type = 0, span = 0, chunk = 0] = head;
    if (span === 0 || slot + span > ENTRIES) throw damaged(offset + 2, `an entry spans ${span} from entry ${slot} on`);
    const single = INTEGERS.has(type) || type === TYPE_BLOB_INDEX;
    if (!single && !RUNS.has(type)) throw damaged(offset + 1, `${hex(type)} is no type of an entry`);
    if (single && span !== 1) throw damaged(offset + 2, `an entry of type ${hex(type)} spans ${span}`);
    for (let i = slot; i < slot + span; i++) {
      if (slotState(page, i) === SLOT_WRITTEN) continue;
      this.#torn.push({ offset, what: 'an entry was not written to its end, or not erased to its end' });
      return span;
    }
    const room = page.subarray(slotAt(slot) + ENTRY, slotAt(slot + span));
    this.items.push({ namespace, type, chunk, key: readKey(head, offset), head, room, offset });
    return span;
  }
}

function readKey(head: Uint8Array, offset: number): string {
  const field = head.subarray(8, 24);
  const end = field.indexOf(0);
  const key = end > 0 ? decodeText(field.subarray(0, end)) : undefined;
  if (key === undefined) throw damaged(offset + 8, 'the key is empty, has no end or is no text');
  return key;
}

/** The bytes of a string, an old blob or a piece of one. @throws BAD_NVS */
export function readRun({ head, room, offset }: RawItem): Uint8Array {
  const view = viewOf(head);
  const length = view.getUint16(24, true);
  if (length > room.length || room.length - length >= ENTRY) {
    throw damaged(offset + 24, `${length} bytes do not lie in the ${room.length} that the entry spans`);
  }
  const data = room.subarray(0, length);
  if (view.getUint32(28, true) !== espCrc32(data)) throw damaged(offset + ENTRY, 'the checksum of the data is wrong');
  return data;
}
