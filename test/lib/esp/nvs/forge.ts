/** Makes and breaks NVS images by hand, on its own notion of the format. */
import { crc32 } from 'node:zlib';

export const PAGE = 4096;
export const STATES = { empty: 0xffffffff, active: 0xfffffffe, full: 0xfffffffc, freeing: 0xfffffff8 };

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const sum = (bytes: Uint8Array): number => crc32(bytes, 0xffffffff);

export const blank = (size: number): Uint8Array => new Uint8Array(size).fill(0xff);

export const at = (page: number, slot: number): number => page * PAGE + 64 + slot * 32;

export interface Head {
  namespace: number;
  type: number;
  span?: number;
  chunk?: number;
  key: string;
  /** The last eight bytes; the rest stays 0xFF. */
  value: readonly number[];
}

export function head({ namespace, type, span = 1, chunk = 0xff, key, value }: Head): Uint8Array {
  const bytes = blank(32);
  bytes.set([namespace, type, span, chunk]);
  bytes.fill(0, 8, 24);
  bytes.set(new TextEncoder().encode(key), 8);
  bytes.set(value, 24);
  return repairHead(bytes);
}

export function repairHead(bytes: Uint8Array): Uint8Array {
  view(bytes).setUint32(4, sum(Uint8Array.of(...bytes.subarray(0, 4), ...bytes.subarray(8, 32))), true);
  return bytes;
}

/** A head and its data, in whole entries. */
export function run(of: Omit<Head, 'value' | 'span'>, data: Uint8Array): Uint8Array {
  const span = 1 + Math.ceil(data.length / 32);
  const bytes = blank(span * 32);
  const value = new Uint8Array(8).fill(0xff);
  view(value).setUint16(0, data.length, true);
  view(value).setUint32(4, sum(data), true);
  bytes.set(head({ ...of, span, value: [...value] }));
  bytes.set(data, 32);
  return bytes;
}

export function blobIndex(namespace: number, key: string, length: number, count: number, start = 0): Uint8Array {
  const value = new Uint8Array(8).fill(0xff);
  view(value).setUint32(0, length, true);
  value[4] = count;
  value[5] = start;
  return head({ namespace, type: 0x48, key, value: [...value] });
}

export const namespace = (name: string, number: number): Uint8Array =>
  head({ namespace: 0, type: 1, key: name, value: [number] });

export const u8 = (number: number, key: string, value: number): Uint8Array =>
  head({ namespace: number, type: 1, key, value: [value] });

/** The header of a page. */
export function header(state: number, sequence: number, version = 0xfe): Uint8Array {
  const bytes = blank(32);
  view(bytes).setUint32(0, state, true);
  view(bytes).setUint32(4, sequence, true);
  bytes[8] = version;
  return repairHeader(bytes);
}

export function repairHeader(page: Uint8Array): Uint8Array {
  view(page).setUint32(28, sum(page.subarray(4, 28)), true);
  return page;
}

/** 3 empty, 2 written, 0 erased, 1 none. */
export function setSlot(image: Uint8Array, page: number, slot: number, state: number): void {
  const byte = page * PAGE + 32 + (slot >> 2);
  const shift = (slot & 3) * 2;
  image[byte] = ((image[byte] as number) & ~(3 << shift)) | (state << shift);
}

export interface PageContent {
  state?: number;
  sequence?: number;
  version?: number;
  /** Items in order; each is a whole number of entries. */
  items: readonly Uint8Array[];
  /** Slots whose item was erased. */
  erased?: readonly number[];
}

/** An image of so many pages, of which the first are given; null: blank. */
export function forge(pages: number, ...contents: readonly (PageContent | null)[]): Uint8Array {
  const image = blank(pages * PAGE);
  contents.forEach((content, page) => {
    if (content === null) return;
    image.set(header(content.state ?? STATES.active, content.sequence ?? page, content.version), page * PAGE);
    let slot = 0;
    for (const item of content.items) {
      image.set(item, at(page, slot));
      for (const end = slot + item.length / 32; slot < end; slot++) setSlot(image, page, slot, 2);
    }
    for (const gone of content.erased ?? []) setSlot(image, page, gone, 0);
  });
  return image;
}

/** Makes every checksum right again: of pages, of heads, and of what lies behind heads. */
export function repair(image: Uint8Array): Uint8Array {
  for (let start = 0; start + PAGE <= image.length; start += PAGE) {
    const page = image.subarray(start, start + PAGE);
    if (view(page).getUint32(0, true) === STATES.empty) continue;
    repairHeader(page);
    for (let slot = 0; slot < 126; ) {
      const written = (((page[32 + (slot >> 2)] as number) >> ((slot & 3) * 2)) & 3) === 2;
      const entry = page.subarray(64 + slot * 32, 96 + slot * 32);
      const span = written ? (entry[2] as number) : 1;
      if (written && [0x21, 0x41, 0x42].includes(entry[1] as number)) {
        const length = view(entry).getUint16(24, true);
        view(entry).setUint32(28, sum(page.subarray(96 + slot * 32, 96 + slot * 32 + length)), true);
      }
      if (written) repairHead(entry);
      slot += Math.max(1, span);
    }
  }
  return image;
}
