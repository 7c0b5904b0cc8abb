import { espCrc32 } from '../../esp/index.ts';
import type { FlashMemory } from '../chip/flash.ts';
import {
  ENTRIES,
  ENTRY,
  type FlashWork,
  headCrc,
  NO_CHUNK,
  NvsPages,
  type NvsPlace,
  type StoredEntry,
  TYPE,
  viewOf,
} from './nvs-pages.ts';

/** Pieces of a blob are numbered from 0 or, after every second update, from here. */
const TOGGLE = 0x80;

/** There is no room: what the library calls ESP_ERR_NVS_NOT_ENOUGH_SPACE. */
export class NvsFull extends Error {}

/**
 * The NVS library of a chip: entries are appended, what they replace is struck out after, and pages that hold much of
 * what is struck out are copied and erased. Power may go at any moment: what was there stays, or what is new.
 */
export class NvsStore {
  readonly #pages: NvsPages;

  constructor(flash: FlashMemory, place: NvsPlace) {
    this.#pages = new NvsPages(flash, place);
  }

  /** Forgets the keys of an encrypted partition. */
  wipe(): void {
    this.#pages.wipe();
  }

  /** Puts right what a loss of power left. Comes first. */
  *mount(): FlashWork {
    const pages = this.#pages;
    for (const page of pages.inState('corrupt')) yield* pages.erase(page);
    for (const page of pages.begun()) yield* pages.mend(page);
    const [freeing] = pages.inState('freeing');
    if (freeing !== undefined) {
      // The copy may have come half way: it begins anew.
      for (const page of pages.inState('active')) yield* pages.erase(page);
      yield* this.#move(freeing);
    }
    yield* this.#strikeOutOld();
  }

  /** The bytes of a blob; undefined where there is none. */
  blob(namespace: string, key: string): Uint8Array | undefined {
    const number = this.#numberOf(namespace);
    const own = this.#all().filter((entry) => entry.namespace === number && entry.key === key);
    const index = own.findLast(({ type }) => type === TYPE.index);
    if (number === undefined || index === undefined) return undefined;
    const [count = 0, first = 0] = index.bytes.subarray(28, 30);
    const runs: Uint8Array[] = [];
    for (let chunk = first; chunk < first + count; chunk++) {
      const piece = own.findLast((entry) => entry.type === TYPE.piece && entry.chunk === chunk);
      if (piece === undefined) return undefined;
      runs.push(piece.bytes.subarray(ENTRY, ENTRY + viewOf(piece.bytes).getUint16(24, true)));
    }
    return Uint8Array.from(Buffer.concat(runs));
  }

  /** @param data strings without their NUL. @throws NvsFull */
  *set(namespace: string, key: string, encoding: 'string' | 'blob', data: Uint8Array): FlashWork {
    const number = yield* this.#nameNamespace(namespace);
    if (encoding === 'string') yield* this.#text(number, key, data);
    else yield* this.#blob(number, key, data);
    yield* this.#strikeOutOld();
  }

  /** Strikes out every entry of that name. */
  *remove(namespace: string, key: string): FlashWork {
    const number = this.#numberOf(namespace);
    const own = this.#all().filter((entry) => entry.namespace === number && entry.key === key);
    // The index first: pieces without one are nothing.
    for (const entry of own.sort((a, b) => b.type - a.type)) yield* this.#pages.remove(entry);
  }

  /** In the order in which they were written. */
  #all(): StoredEntry[] {
    return this.#pages.begun().flatMap((page) => this.#pages.entries(page));
  }

  #numberOf(namespace: string): number | undefined {
    return this.#all().find((entry) => entry.namespace === 0 && entry.key === namespace)?.bytes[24];
  }

  *#nameNamespace(namespace: string): Generator<number, number, void> {
    const known = this.#numberOf(namespace);
    if (known !== undefined) return known;
    const taken = this.#all().filter((entry) => entry.namespace === 0);
    const number = 1 + Math.max(0, ...taken.map(({ bytes }) => bytes[24] as number));
    const head = makeHead(0, TYPE.u8, 1, NO_CHUNK, namespace);
    head[24] = number;
    yield* this.#put(head);
    return number;
  }

  *#text(namespace: number, key: string, text: Uint8Array): FlashWork {
    const data = new Uint8Array(text.length + 1);
    data.set(text);
    yield* this.#put(makeRun(namespace, TYPE.string, NO_CHUNK, key, data));
  }

  *#blob(namespace: number, key: string, data: Uint8Array): FlashWork {
    const isIndex = (entry: StoredEntry): boolean =>
      entry.type === TYPE.index && entry.namespace === namespace && entry.key === key;
    const first = this.#all().findLast(isIndex)?.bytes[29] === 0 ? TOGGLE : 0;
    let chunk = first;
    for (let at = 0; at < data.length || chunk === first; ) {
      const page = yield* this.#pageFor(2);
      const piece = data.subarray(at, at + (this.#pages.free(page) - 1) * ENTRY);
      yield* this.#pages.append(page, makeRun(namespace, TYPE.piece, chunk++, key, piece));
      at += piece.length;
    }
    const index = makeHead(namespace, TYPE.index, 1, NO_CHUNK, key);
    viewOf(index).setUint32(24, data.length, true);
    index[28] = chunk - first;
    index[29] = first;
    yield* this.#put(index);
  }

  *#put(bytes: Uint8Array): FlashWork {
    viewOf(bytes).setUint32(4, headCrc(bytes.subarray(0, ENTRY)), true);
    const page = yield* this.#pageFor(bytes.length / ENTRY);
    yield* this.#pages.append(page, bytes);
  }

  /** The page that is written to, with room for so many entries. @throws NvsFull */
  *#pageFor(entries: number): Generator<number, number, void> {
    const pages = this.#pages;
    for (let tries = 0; tries <= 2 * pages.count; tries++) {
      const [active] = pages.inState('active');
      if (active !== undefined && pages.free(active) >= entries) return active;
      if (active !== undefined) yield* pages.mark(active, 'full');
      const [empty, another] = pages.inState('empty');
      if (empty === undefined) break;
      if (another !== undefined) yield* pages.begin(empty, this.#nextSequence());
      else {
        const gain = (page: number): number => ENTRIES - pages.entries(page).reduce((used, { span }) => used + span, 0);
        const [most] = pages.inState('full').sort((a, b) => gain(b) - gain(a));
        if (most === undefined || gain(most) === 0) break;
        yield* pages.mark(most, 'freeing');
        yield* this.#move(most);
      }
    }
    throw new NvsFull('ESP_ERR_NVS_NOT_ENOUGH_SPACE');
  }

  /** Copies what counts to a new page and erases the old one. */
  *#move(from: number): FlashWork {
    const pages = this.#pages;
    const [to] = pages.inState('empty');
    if (to === undefined) throw new NvsFull('ESP_ERR_NVS_NO_FREE_PAGES');
    yield* pages.begin(to, this.#nextSequence());
    for (const { bytes } of pages.entries(from)) yield* pages.append(to, bytes);
    yield* pages.erase(from);
  }

  #nextSequence(): number {
    const newest = this.#pages.begun().at(-1);
    return newest === undefined ? 0 : this.#pages.sequence(newest) + 1;
  }

  /** Of two entries of a name the later counts; pieces that no index names count for nothing. */
  *#strikeOutOld(): FlashWork {
    const all = this.#all();
    const latest = new Map<string, StoredEntry>();
    for (const entry of all) latest.set(idOf(entry), entry);
    const named = (piece: StoredEntry): boolean => {
      const index = latest.get(idOf({ ...piece, type: TYPE.index, chunk: NO_CHUNK }));
      const [count = 0, first = 0] = index?.bytes.subarray(28, 30) ?? [];
      return index !== undefined && piece.chunk >= first && piece.chunk < first + count;
    };
    for (const entry of all) {
      const counts = latest.get(idOf(entry)) === entry && (entry.type !== TYPE.piece || named(entry));
      if (!counts) yield* this.#pages.remove(entry);
    }
  }
}

const idOf = ({ namespace, type, chunk, key }: Pick<StoredEntry, 'namespace' | 'type' | 'chunk' | 'key'>): string =>
  JSON.stringify([namespace, type, chunk, key]);

/** A head with its data, in whole entries, the checksum of the head among it. */
function makeRun(namespace: number, type: number, chunk: number, key: string, data: Uint8Array): Uint8Array {
  const span = 1 + Math.ceil(data.length / ENTRY);
  const bytes = new Uint8Array(span * ENTRY).fill(0xff);
  const head = makeHead(namespace, type, span, chunk, key);
  viewOf(head).setUint16(24, data.length, true);
  viewOf(head).setUint32(28, espCrc32(data), true);
  viewOf(head).setUint32(4, headCrc(head), true);
  bytes.set(head);
  bytes.set(data, ENTRY);
  return bytes;
}

function makeHead(namespace: number, type: number, span: number, chunk: number, key: string): Uint8Array {
  const head = new Uint8Array(ENTRY).fill(0xff);
  head.set([namespace, type, span, chunk]);
  head.fill(0, 8, 24);
  head.set(new TextEncoder().encode(key), 8);
  return head;
}
