/** Slots of a bucket: one line of a processor's cache. */
const WAYS = 8;
const SLOT_WORDS = 2;
const LEAST_BUCKETS = 2 ** 7;
/** 2^23 slots: 64 MiB. */
export const MOST_HINTS = 2 ** 23;
const MOST_ROW = 2 ** 32 - 1;

/**
 * Where the row of a device lies, by certificate namespace and MAC: so that a lookup walks one tree of the database
 * instead of two. A hint may be missing, stale or of another device: whoever uses one looks whether the row is the
 * right one, and else asks the index. Nothing needs to be told to it but what was found.
 *
 * Eight bytes a slot, half of the slots in use before it doubles: 16 to 32 bytes a device, at most 64 MiB, which is
 * enough for four million. Then new hints take the places of old ones.
 */
export class RowHints {
  readonly #mostBuckets: number;
  /** Pairs of 32 bits: fingerprint, row; row 0 = free. The fingerprint's upper bits say which bucket. */
  #slots: Uint32Array;
  #bits: number;
  #used = 0;
  #victim = 0;

  /** @param most a power of two of slots */
  constructor(most: number = MOST_HINTS) {
    this.#mostBuckets = Math.max(LEAST_BUCKETS, most / WAYS);
    this.#bits = Math.log2(LEAST_BUCKETS);
    this.#slots = new Uint32Array(LEAST_BUCKETS * WAYS * SLOT_WORDS);
  }

  /** Makes room for so many at once. */
  reserve(count: number): void {
    while (this.#tight(Math.min(count, MOST_ROW))) this.#grow();
  }

  /** @returns a row, or 0 when there is no hint */
  find(namespace: string, mac: string): number {
    const print = fingerprint(namespace, mac);
    const slots = this.#slots;
    const from = this.#bucket(print);
    for (let at = from; at < from + WAYS * SLOT_WORDS; at += SLOT_WORDS) {
      if (slots[at] === print && slots[at + 1] !== 0) return slots[at + 1] as number;
    }
    return 0;
  }

  put(namespace: string, mac: string, row: number): void {
    if (!(row > 0 && row <= MOST_ROW)) return;
    if (this.#tight(this.#used + 1)) this.#grow();
    this.#keep(fingerprint(namespace, mac), row);
  }

  clear(): void {
    this.#slots.fill(0);
    this.#used = 0;
  }

  /** Bytes that it takes. */
  get bytes(): number {
    return this.#slots.byteLength;
  }

  #tight(count: number): boolean {
    const slots = this.#slots.length / SLOT_WORDS;
    return count > slots / 2 && slots < this.#mostBuckets * WAYS;
  }

  #bucket(print: number): number {
    return (print >>> (32 - this.#bits)) * WAYS * SLOT_WORDS;
  }

  #keep(print: number, row: number): void {
    const slots = this.#slots;
    const from = this.#bucket(print);
    let free = -1;
    for (let at = from; at < from + WAYS * SLOT_WORDS; at += SLOT_WORDS) {
      if (slots[at + 1] === 0) {
        if (free < 0) free = at;
      } else if (slots[at] === print) {
        slots[at + 1] = row;
        return;
      }
    }
    if (free >= 0) this.#used++;
    else free = from + (this.#victim++ % WAYS) * SLOT_WORDS;
    slots[free] = print;
    slots[free + 1] = row;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    this.#bits++;
    this.#used = 0;
    for (let at = 0; at < old.length; at += SLOT_WORDS) {
      const row = old[at + 1] as number;
      if (row !== 0) this.#keep(old[at] as number, row);
    }
  }
}

/** 32 bits, well mixed: FNV-1a, then the last steps of MurmurHash3, since MACs of one reel differ in their end alone. */
function fingerprint(namespace: string, mac: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < namespace.length; i++) hash = Math.imul(hash ^ namespace.charCodeAt(i), 0x01000193);
  for (let i = 0; i < mac.length; i++) hash = Math.imul(hash ^ mac.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
