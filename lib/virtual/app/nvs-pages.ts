import { createCipheriv, createDecipheriv } from 'node:crypto';
import { espCrc32, type NvsKeys } from '../../esp/index.ts';
import type { FlashMemory } from '../chip/flash.ts';
import { SECTOR } from '../chip/protocol.ts';

/**
 * Pages of an NVS partition in the chip's own flash, as the NVS library on a chip writes them: bits are only cleared,
 * and what an entry holds is written before its bit in the bitmap. ESP-IDF Programming Guide, "Non-Volatile Storage
 * Library", "Internals".
 */

export const ENTRY = 32;
/** Entries a page. */
export const ENTRIES = 126;
export const TYPE = { u8: 0x01, string: 0x21, piece: 0x42, index: 0x48 } as const;
/** Of an entry that is no piece of a blob. */
export const NO_CHUNK = 0xff;

const BITMAP_AT = 32;
const FIRST_ENTRY_AT = 64;
const VERSION_2 = 0xfe;
const STATES = { active: 0xfffffffe, full: 0xfffffffc, freeing: 0xfffffff8 } as const;
const SLOT = { empty: 3, written: 2, erased: 0 } as const;

/** Writing flash takes time: each step says how long, in ms. Power may go between any two of them. */
export type FlashWork = Generator<number, void, void>;
export type PageState = 'empty' | keyof typeof STATES | 'corrupt';

/** A head with what belongs to it. */
export interface StoredEntry {
  readonly page: number;
  readonly slot: number;
  readonly span: number;
  /** Number of the NVS namespace; 0 lists them. */
  readonly namespace: number;
  readonly type: number;
  readonly chunk: number;
  readonly key: string;
  /** Head and data, `span` entries. */
  readonly bytes: Uint8Array;
}

export interface NvsPlace {
  readonly offset: number;
  readonly size: number;
  /** Of an encrypted partition. */
  readonly keys: NvsKeys | null;
}

export class NvsPages {
  readonly #flash: FlashMemory;
  readonly #offset: number;
  readonly #key: Buffer | undefined;
  /** How many pages there are. */
  readonly count: number;

  constructor(flash: FlashMemory, { offset, size, keys }: NvsPlace) {
    this.#flash = flash;
    this.#offset = offset;
    this.count = Math.floor(size / SECTOR);
    this.#key = keys === null ? undefined : Buffer.concat([keys.encryption, keys.tweak]);
  }

  /** Forgets the keys. */
  wipe(): void {
    this.#key?.fill(0);
  }

  state(page: number): PageState {
    const header = this.#read(page, 0, BITMAP_AT);
    const word = viewOf(header).getUint32(0, true);
    if (word === 0xffffffff) return this.#flash.isBlank(this.#at(page), SECTOR) ? 'empty' : 'corrupt';
    const named = (Object.keys(STATES) as (keyof typeof STATES)[]).find((name) => STATES[name] === word);
    return named !== undefined && viewOf(header).getUint32(28, true) === espCrc32(header.subarray(4, 28))
      ? named
      : 'corrupt';
  }

  sequence(page: number): number {
    return viewOf(this.#read(page, 4, 4)).getUint32(0, true);
  }

  /** Those that were begun, the oldest first. */
  begun(): number[] {
    return this.inState('active', 'full', 'freeing').sort((a, b) => this.sequence(a) - this.sequence(b));
  }

  inState(...states: readonly PageState[]): number[] {
    return Array.from({ length: this.count }, (_, page) => page).filter((page) => states.includes(this.state(page)));
  }

  /** Entries that nothing was written to yet: all of them lie behind those that were. */
  free(page: number): number {
    let slot = ENTRIES;
    while (slot > 0 && this.#slot(page, slot - 1) === SLOT.empty) slot--;
    return ENTRIES - slot;
  }

  /** Whole entries whose checksum is right, in the order of their slots. */
  entries(page: number): StoredEntry[] {
    const found: StoredEntry[] = [];
    for (let slot = 0; slot < ENTRIES; ) {
      const entry = this.#entry(page, slot);
      if (entry === undefined || !this.#isWhole(entry)) slot++;
      else {
        found.push(entry);
        slot += entry.span;
      }
    }
    return found;
  }

  *erase(page: number): FlashWork {
    yield this.#flash.eraseSector(this.#at(page));
  }

  *begin(page: number, sequence: number): FlashWork {
    const header = new Uint8Array(BITMAP_AT).fill(0xff);
    const view = viewOf(header);
    view.setUint32(0, STATES.active, true);
    view.setUint32(4, sequence, true);
    header[8] = VERSION_2;
    view.setUint32(28, espCrc32(header.subarray(4, 28)), true);
    yield this.#flash.program(this.#at(page), header);
  }

  *mark(page: number, state: 'full' | 'freeing'): FlashWork {
    const word = new Uint8Array(4);
    viewOf(word).setUint32(0, STATES[state], true);
    yield this.#flash.program(this.#at(page), word);
  }

  /** Appends whole entries; there must be room. */
  *append(page: number, bytes: Uint8Array): FlashWork {
    const slot = ENTRIES - this.free(page);
    const stored = bytes.slice();
    for (let at = 0; at < stored.length; at += ENTRY) {
      stored.set(this.#crypt(page, slot + at / ENTRY, stored.subarray(at, at + ENTRY), createCipheriv), at);
    }
    yield this.#flash.program(this.#at(page) + slotAt(slot), stored);
    yield* this.#setSlots(page, slot, bytes.length / ENTRY, SLOT.written);
  }

  /** Strikes an entry out. */
  *remove({ page, slot, span }: Pick<StoredEntry, 'page' | 'slot' | 'span'>): FlashWork {
    yield* this.#setSlots(page, slot, span, SLOT.erased);
  }

  /** Strikes out what a loss of power left half written or half erased. */
  *mend(page: number): FlashWork {
    for (let slot = 0; slot < ENTRIES; ) {
      const state = this.#slot(page, slot);
      const entry = this.#entry(page, slot);
      if (entry !== undefined && this.#isWhole(entry)) slot += entry.span;
      else if (entry !== undefined) {
        yield* this.#setSlots(page, slot, entry.span, SLOT.erased);
        slot += entry.span;
      } else {
        const touched = state === SLOT.empty && !this.#read(page, slotAt(slot), ENTRY).every((byte) => byte === 0xff);
        if (state === SLOT.written || touched) yield* this.#setSlots(page, slot, 1, SLOT.erased);
        slot++;
      }
    }
  }

  #at(page: number): number {
    return this.#offset + page * SECTOR;
  }

  #read(page: number, at: number, size: number): Uint8Array {
    return this.#flash.read(this.#at(page) + at, size);
  }

  #slot(page: number, slot: number): number {
    return ((this.#read(page, BITMAP_AT + (slot >> 2), 1)[0] as number) >> ((slot & 3) * 2)) & 3;
  }

  *#setSlots(page: number, slot: number, count: number, state: number): FlashWork {
    const first = slot >> 2;
    const last = (slot + count - 1) >> 2;
    const bits = new Uint8Array(last - first + 1).fill(0xff);
    for (let i = slot; i < slot + count; i++) {
      const byte = (i >> 2) - first;
      bits[byte] = (bits[byte] as number) & ~((~state & 3) << ((i & 3) * 2));
    }
    yield this.#flash.program(this.#at(page) + BITMAP_AT + first, bits);
  }

  /** What begins at a slot; undefined where nothing does, or its checksum is wrong. */
  #entry(page: number, slot: number): StoredEntry | undefined {
    if (this.#slot(page, slot) !== SLOT.written) return undefined;
    const head = this.#plain(page, slot);
    const [namespace = 0, type = 0, span = 0, chunk = 0] = head;
    if (viewOf(head).getUint32(4, true) !== headCrc(head) || span === 0 || slot + span > ENTRIES) return undefined;
    const bytes = new Uint8Array(span * ENTRY);
    for (let i = 0; i < span; i++) bytes.set(this.#plain(page, slot + i), i * ENTRY);
    const name = head.subarray(8, 24);
    const key = new TextDecoder().decode(name.subarray(0, Math.max(0, name.indexOf(0))));
    return { page, slot, span, namespace, type, chunk, key, bytes };
  }

  #isWhole({ page, slot, span }: StoredEntry): boolean {
    for (let i = slot; i < slot + span; i++) if (this.#slot(page, i) !== SLOT.written) return false;
    return true;
  }

  #plain(page: number, slot: number): Uint8Array {
    return this.#crypt(page, slot, this.#read(page, slotAt(slot), ENTRY), createDecipheriv);
  }

  /** Each entry is a data unit of its own, whose number is its place in the partition ("NVS Encryption"). */
  #crypt(
    page: number,
    slot: number,
    bytes: Uint8Array,
    make: typeof createCipheriv | typeof createDecipheriv,
  ): Uint8Array {
    if (this.#key === undefined) return bytes;
    const tweak = Buffer.alloc(16);
    tweak.writeUInt32LE(page * SECTOR + slotAt(slot));
    return new Uint8Array(make('aes-256-xts', this.#key, tweak).update(bytes));
  }
}

const slotAt = (slot: number): number => FIRST_ENTRY_AT + slot * ENTRY;

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Over all of a head but the checksum itself. */
export function headCrc(head: Uint8Array): number {
  const covered = new Uint8Array(ENTRY - 4);
  covered.set(head.subarray(0, 4));
  covered.set(head.subarray(8, ENTRY), 4);
  return espCrc32(covered);
}
