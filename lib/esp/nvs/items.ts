/** Puts the items of an image together: names the NVS namespaces, joins blobs, leaves out what newer items replace. */
import { sameBytes } from '../digest.ts';
import { hex } from '../units.ts';
import {
  MAX_NAMESPACES,
  MAX_PIECES,
  type StoredItem,
  TYPE_BLOB_DATA,
  TYPE_BLOB_INDEX,
  TYPE_OLD_BLOB,
  TYPE_STRING,
  TYPE_U8,
  VERSION_TOGGLE,
  viewOf,
} from './layout.ts';
import { damaged, type RawItem, readRun } from './pages.ts';

export interface Items {
  /** In the order in which they were written. */
  readonly items: StoredItem[];
  /** Pieces of blobs that no index names: an update that a loss of power cut short. */
  readonly orphans: readonly RawItem[];
}

/** @throws BAD_NVS */
export function joinItems(raw: readonly RawItem[]): Items {
  const names = new Map<number, string>();
  const heads = new Map<string, RawItem>();
  const pieces = new Map<string, RawItem>();
  for (const item of raw) {
    if (item.namespace === 0) nameNamespace(names, item);
    else if (item.type === TYPE_BLOB_DATA) pieces.set(pieceId(item, item.chunk), item);
    else {
      // An update is written before what it replaces is erased: of two, the later counts. It comes last in order too.
      const id = headId(item);
      heads.delete(id);
      heads.set(id, item);
    }
  }
  const orphans = new Map(pieces);
  const items: StoredItem[] = [];
  for (const item of heads.values()) {
    const namespace = names.get(item.namespace);
    if (namespace === undefined) throw damaged(item.offset, `NVS namespace number ${item.namespace} has no name`);
    const isBlob = item.type === TYPE_BLOB_INDEX || item.type === TYPE_OLD_BLOB;
    const type = isBlob ? TYPE_BLOB_INDEX : item.type;
    items.push({ namespace, key: item.key, type, data: dataOf(item, pieces, orphans) });
  }
  for (const item of orphans.values()) {
    if (!names.has(item.namespace)) {
      throw damaged(item.offset, `NVS namespace number ${item.namespace} has no name`);
    }
  }
  return { items, orphans: [...orphans.values()] };
}

function nameNamespace(names: Map<number, string>, { type, key, head, offset }: RawItem): void {
  if (type !== TYPE_U8) throw damaged(offset + 1, `an NVS namespace has type ${hex(type)} instead of ${hex(TYPE_U8)}`);
  const number = head[24] as number;
  if (number === 0 || number > MAX_NAMESPACES) throw damaged(offset + 24, `${number} is no number of an NVS namespace`);
  const known = names.get(number);
  if (known !== undefined && known !== key) throw damaged(offset + 24, `two NVS namespaces have number ${number}`);
  for (const [other, name] of names) {
    if (name === key && other !== number) throw damaged(offset + 8, `NVS namespace "${key}" is there twice`);
  }
  names.set(number, key);
}

/** Old firmware lets one key have values of several types; the old and the new form of a blob are one. */
const headId = ({ namespace, type, key }: RawItem): string =>
  JSON.stringify([namespace, type === TYPE_OLD_BLOB ? TYPE_BLOB_INDEX : type, key]);

const pieceId = ({ namespace, key }: RawItem, chunk: number): string => JSON.stringify([namespace, key, chunk]);

function dataOf(item: RawItem, pieces: ReadonlyMap<string, RawItem>, orphans: Map<string, RawItem>): Uint8Array {
  if (item.type === TYPE_BLOB_INDEX) return joinBlob(item, pieces, orphans);
  if (item.type === TYPE_OLD_BLOB) return readRun(item);
  if (item.type === TYPE_STRING) {
    const text = readRun(item);
    if (text.at(-1) !== 0) throw damaged(item.offset + 24, 'a string does not end in a NUL');
    return text;
  }
  // Which of the types it is was checked when it was read: the width is in the low nibble of all of them.
  return item.head.subarray(24, 24 + (item.type & 0x0f));
}

function joinBlob(index: RawItem, pieces: ReadonlyMap<string, RawItem>, orphans: Map<string, RawItem>): Uint8Array {
  const { head, offset } = index;
  const length = viewOf(head).getUint32(24, true);
  const [count = 0, first = 0] = head.subarray(28, 30);
  if (count > MAX_PIECES || (first !== 0 && first !== VERSION_TOGGLE)) {
    throw damaged(offset + 28, `a blob has ${count} pieces from number ${first} on`);
  }
  const runs: Uint8Array[] = [];
  for (let chunk = first; chunk < first + count; chunk++) {
    const id = pieceId(index, chunk);
    const piece = pieces.get(id);
    if (piece === undefined) throw damaged(offset, `piece ${chunk - first + 1} of ${count} of a blob is not there`);
    orphans.delete(id);
    runs.push(readRun(piece));
  }
  const there = runs.reduce((sum, run) => sum + run.length, 0);
  if (there !== length) throw damaged(offset + 24, `a blob of ${length} bytes has ${there} in its pieces`);
  const data = new Uint8Array(length);
  let at = 0;
  for (const run of runs) {
    data.set(run, at);
    at += run.length;
  }
  return data;
}

/** Whether two lists hold the same, in whatever order. */
export function sameItems(a: readonly StoredItem[], b: readonly StoredItem[]): boolean {
  if (a.length !== b.length) return false;
  const id = ({ namespace, key, type }: StoredItem): string => JSON.stringify([namespace, key, type]);
  const left = new Map(a.map((item) => [id(item), item.data]));
  return b.every((item) => {
    const data = left.get(id(item));
    return data !== undefined && sameBytes(data, item.data);
  });
}
