/**
 * A chip that writes NVS at run time: a small model of ESP-IDF's library. It notes every single write to the flash, so
 * that power can be cut between any two of them and within each.
 */
import type { NvsEntry } from '../../../../lib/esp/nvs/index.ts';
import { at, blank, blobIndex, head, header, namespace, PAGE, run, STATES } from './forge.ts';

/** A program (bits are only cleared) or the erasure of a page. */
export type Write = { readonly offset: number; readonly bytes: Uint8Array } | { readonly erase: number };

export function apply(flash: Uint8Array, write: Write, upTo?: number): void {
  if ('erase' in write) {
    flash.fill(0xff, write.erase * PAGE, write.erase * PAGE + (upTo ?? PAGE));
    return;
  }
  write.bytes.subarray(0, upTo).forEach((byte, i) => {
    flash[write.offset + i] = (flash[write.offset + i] as number) & byte;
  });
}

export const lengthOf = (write: Write): number => ('erase' in write ? PAGE : write.bytes.length);

const WIDTHS = {
  u8: [1, 1],
  i8: [0x11, 1],
  u16: [2, 2],
  i16: [0x12, 2],
  u32: [4, 4],
  i32: [0x14, 4],
  u64: [8, 8],
  i64: [0x18, 8],
} as const;

interface Place {
  readonly page: number;
  readonly slot: number;
}

export class Device {
  readonly flash: Uint8Array;
  /** What was written since it was emptied. */
  writes: Write[] = [];
  readonly #pages: number;
  readonly #names = new Map<string, number>();
  #sequence = 0;
  #active = -1;
  #used = 0;

  constructor(size: number) {
    this.flash = blank(size);
    this.#pages = size / PAGE;
    this.#begin(0);
  }

  set({ namespace: name, key, encoding, value }: NvsEntry): void {
    const number = this.#number(name);
    if (encoding === 'blob') {
      this.#setBlob(number, key, value as Uint8Array);
      return;
    }
    const type = encoding === 'string' ? 0x21 : WIDTHS[encoding][0];
    const old = this.#find(number, type, key);
    if (encoding === 'string') {
      this.#put(run({ namespace: number, type, key }, new TextEncoder().encode(`${value}\0`)));
    } else {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value as bigint)), true);
      this.#put(head({ namespace: number, type, key, value: [...bytes.subarray(0, WIDTHS[encoding][1])] }));
    }
    if (old) this.#eraseOldest(number, type, key, true);
  }

  erase({ namespace: name, key, encoding }: NvsEntry): void {
    const number = this.#number(name);
    if (encoding !== 'blob') {
      this.#eraseOldest(number, encoding === 'string' ? 0x21 : WIDTHS[encoding][0], key, false);
      return;
    }
    const index = this.#find(number, 0x48, key);
    if (index) this.#eraseBlob(number, key, index);
  }

  #setBlob(number: number, key: string, data: Uint8Array): void {
    const old = this.#find(number, 0x48, key);
    const start = old && this.#entry(old)[29] === 0 ? 0x80 : 0;
    let from = 0;
    let count = 0;
    do {
      if (this.#used >= 124) this.#turn();
      const piece = data.subarray(from, from + (125 - this.#used) * 32);
      this.#put(run({ namespace: number, type: 0x42, chunk: start + count, key }, piece));
      from += piece.length;
      count++;
    } while (from < data.length);
    this.#put(blobIndex(number, key, data.length, count, start));
    // Pages may have been freed meanwhile: where the old one is now is looked up again.
    const gone = this.#findAll(number, 0x48, key)[0];
    if (old && gone) this.#eraseBlob(number, key, gone);
  }

  #eraseBlob(number: number, key: string, index: Place): void {
    const [count = 0, start = 0] = this.#entry(index).subarray(28, 30);
    this.#eraseItem(index);
    for (let chunk = start; chunk < start + count; chunk++) {
      const piece = this.#findAll(number, 0x42, key).find((place) => this.#entry(place)[3] === chunk);
      if (piece) this.#eraseItem(piece);
    }
  }

  #number(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const number = this.#names.size + 1;
    this.#names.set(name, number);
    this.#put(namespace(name, number));
    return number;
  }

  #entry({ page, slot }: Place): Uint8Array {
    return this.flash.subarray(at(page, slot), at(page, slot) + 32);
  }

  #state(page: number, slot: number): number {
    return ((this.flash[page * PAGE + 32 + (slot >> 2)] as number) >> ((slot & 3) * 2)) & 3;
  }

  /** Pages in the order in which they were begun. */
  #order(): number[] {
    const word = (offset: number) => new DataView(this.flash.buffer).getUint32(offset, true);
    return Array.from({ length: this.#pages }, (_, page) => page)
      .filter((page) => word(page * PAGE) !== STATES.empty)
      .sort((a, b) => word(a * PAGE + 4) - word(b * PAGE + 4));
  }

  #findAll(number: number, type: number, key: string): Place[] {
    const found: Place[] = [];
    const name = new TextEncoder().encode(key);
    for (const page of this.#order()) {
      for (let slot = 0; slot < 126; ) {
        const entry = this.#entry({ page, slot });
        if (this.#state(page, slot) !== 2) {
          slot++;
          continue;
        }
        const same = name.every((byte, i) => entry[8 + i] === byte) && entry[8 + name.length] === 0;
        if (entry[0] === number && entry[1] === type && same) found.push({ page, slot });
        slot += entry[2] as number;
      }
    }
    return found;
  }

  #find(number: number, type: number, key: string): Place | undefined {
    return this.#findAll(number, type, key)[0];
  }

  /** Erases the oldest of one key: after an update that is what was replaced. */
  #eraseOldest(number: number, type: number, key: string, updated: boolean): void {
    const places = this.#findAll(number, type, key);
    const place = places[0];
    if (place && places.length > (updated ? 1 : 0)) this.#eraseItem(place);
  }

  #eraseItem(place: Place): void {
    this.#mark(place.page, place.slot, this.#entry(place)[2] as number, 0);
  }

  /** Sets a range in the bitmap as the library does: word by word, from its end. */
  #mark(page: number, slot: number, span: number, state: number): void {
    for (let end = slot + span; end > slot; ) {
      const word = (end - 1) >> 4;
      const from = Math.max(slot, word << 4);
      const bytes = blank(4);
      for (let i = from; i < end; i++) {
        const byte = (i >> 2) & 3;
        bytes[byte] = (bytes[byte] as number) & ~((3 ^ state) << ((i & 3) * 2));
      }
      this.#write({ offset: page * PAGE + 32 + word * 4, bytes });
      end = from;
    }
  }

  #put(item: Uint8Array): void {
    const span = item.length / 32;
    if (this.#used + span > 126) this.#turn();
    const page = this.#active;
    const slot = this.#used;
    this.#used += span;
    this.#write({ offset: at(page, slot), bytes: item.slice(0, 32) });
    this.#mark(page, slot, 1, 2);
    if (span === 1) return;
    this.#write({ offset: at(page, slot + 1), bytes: item.slice(32) });
    this.#mark(page, slot + 1, span - 1, 2);
  }

  #turn(): void {
    this.#setState(this.#active, STATES.full);
    const order = this.#order();
    const free = Array.from({ length: this.#pages }, (_, page) => page).filter((page) => !order.includes(page));
    const [next] = free;
    if (next === undefined) throw new Error('no page is free');
    if (free.length > 1) {
      this.#begin(next);
      return;
    }
    const erased = (page: number) => Array.from({ length: 126 }, (_, i) => i).filter((i) => this.#state(page, i) === 0);
    const [victim] = order.sort((a, b) => erased(b).length - erased(a).length);
    if (victim === undefined || erased(victim).length === 0) throw new Error('the partition is full');
    this.#begin(next);
    this.#setState(victim, STATES.freeing);
    for (let slot = 0; slot < 126; ) {
      const span = this.#state(victim, slot) === 2 ? (this.#entry({ page: victim, slot })[2] as number) : 0;
      if (span > 0) this.#put(this.flash.slice(at(victim, slot), at(victim, slot + span)));
      slot += Math.max(1, span);
    }
    this.#write({ erase: victim });
  }

  #begin(page: number): void {
    this.#write({ offset: page * PAGE, bytes: header(STATES.active, this.#sequence++) });
    this.#active = page;
    this.#used = 0;
  }

  #setState(page: number, state: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, state, true);
    this.#write({ offset: page * PAGE, bytes });
  }

  #write(write: Write): void {
    apply(this.flash, write);
    this.writes.push(write);
  }
}
