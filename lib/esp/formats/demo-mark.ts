/**
 * The mark of images that this project builds for demos and tests: they are valid in every way and hold no code, so
 * no real chip should get them. It stands in the first segment and again in the descriptor's IDF version.
 */

export const DEMO_IDF_VERSION = 'keyway-demo';
const MAGIC = new TextEncoder().encode('KEYWAY-DEMO-IMG\0');
const LENGTH_BYTES = 4;
/** Behind it the file header, the segment's header and a descriptor of either kind have ended. */
const SEARCH_BYTES = 1024;
const MAX_MESSAGE = 4096;

interface Span {
  readonly offset: number;
  readonly length: number;
}

/** The mark with its text, in whole words. */
export function encodeDemoMark(message: string): Uint8Array {
  const text = new TextEncoder().encode(message).subarray(0, MAX_MESSAGE);
  const bytes = new Uint8Array(Math.ceil((MAGIC.length + LENGTH_BYTES + text.length) / 4) * 4);
  bytes.set(MAGIC);
  new DataView(bytes.buffer).setUint32(MAGIC.length, text.length, true);
  bytes.set(text, MAGIC.length + LENGTH_BYTES);
  return bytes;
}

function findMark(bytes: Uint8Array, first: Span | undefined): number {
  if (first === undefined) return -1;
  const end = Math.min(first.offset + Math.min(first.length, SEARCH_BYTES), bytes.length) - MAGIC.length - LENGTH_BYTES;
  for (let at = first.offset; at <= end; at += 4) {
    if (MAGIC.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

export const hasDemoMark = (bytes: Uint8Array, first: Span | undefined): boolean => findMark(bytes, first) >= 0;

/** The first segment as the header of a file puts it, without judging the rest. */
function firstSegment(bytes: Uint8Array): Span | undefined {
  if (bytes.length < 32 || bytes[0] !== 0xe9) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(28, true);
  return { offset: 32, length: Math.min(length, bytes.length - 32) };
}

/** Whether the bytes are one of our own demo images, whole or damaged. */
export function isDemoImage(bytes: Uint8Array): boolean {
  return hasDemoMark(bytes, firstSegment(bytes));
}

/** What a demo app says when it runs on the virtual bench, line by line; null when the bytes are no demo image. */
export function demoMessage(bytes: Uint8Array): string | null {
  const segment = firstSegment(bytes);
  const at = findMark(bytes, segment);
  if (segment === undefined || at < 0) return null;
  const start = at + MAGIC.length + LENGTH_BYTES;
  const length = new DataView(bytes.buffer, bytes.byteOffset + at, MAGIC.length + LENGTH_BYTES).getUint32(
    MAGIC.length,
    true,
  );
  const end = Math.min(start + Math.min(length, MAX_MESSAGE), segment.offset + segment.length);
  return new TextDecoder().decode(bytes.subarray(start, end));
}
