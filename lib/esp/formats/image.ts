import { chipByImageId } from '../chips.ts';
import { sameBytes, sha256, toHex } from '../digest.ts';
import { fail } from '../errors.ts';
import { hasDemoMark } from './demo-mark.ts';
import {
  type AppDescriptor,
  type BootloaderDescriptor,
  decodeAppDescriptor,
  decodeBootloaderDescriptor,
} from './descriptors.ts';

/** ESP-IDF `esp_image_format.h`: a header of 24 bytes, segments, checksum, SHA-256. */
export const IMAGE_MAGIC = 0xe9;
export const IMAGE_HEADER = 24;
export const SEGMENT_HEADER = 8;
export const MAX_SEGMENTS = 16;
export const CHECKSUM_SEED = 0xef;
export const HASH_BYTES = 32;

const ESP32_C3 = 5;
const FLASH_MODES = ['QIO', 'QOUT', 'DIO', 'DOUT'] as const;

/** A segment of an image: where it lies in the file and where it is loaded to. */
export interface ImageSegment {
  /** Where it is loaded or mapped. */
  readonly address: number;
  /** Where its data starts in the file. */
  readonly offset: number;
  readonly length: number;
}

/** What the parser found. Whether the image is sound say `checksum.valid` and `hash.valid`. */
export interface EspImage {
  /** By its descriptor; `unknown` when it has none (older ESP-IDF, other toolchains). */
  readonly kind: 'app' | 'bootloader' | 'unknown';
  readonly chipId: number;
  /** The family's name; null for a chip id that no known family has. */
  readonly chip: string | null;
  readonly entry: number;
  readonly segments: readonly ImageSegment[];
  /** "DIO"; null when the header's number means nothing. */
  readonly flashMode: string | null;
  /** In bytes; null when the header's number means nothing. */
  readonly flashSize: number | null;
  /** The header's number; what it means differs by chip. */
  readonly flashFrequency: number;
  /** Revisions as major × 100 + minor; `maxRevision` 65535 stands for any. */
  readonly minRevision: number;
  readonly maxRevision: number;
  readonly checksum: { readonly stored: number; readonly computed: number; readonly valid: boolean };
  /** Hex; null when no hash is appended. `valid` and `computed` are null where the caller did not want it checked. */
  readonly hash: { readonly stored: string; readonly computed: string | null; readonly valid: boolean | null } | null;
  /** Bytes of the image with checksum and hash; a signature or padding may follow. */
  readonly length: number;
  readonly app: AppDescriptor | null;
  readonly bootloader: BootloaderDescriptor | null;
  /** Whether it is one of our own demo images, which no real chip should get. */
  readonly demo: boolean;
}

/** How thoroughly to read. */
export interface ParseImageOptions {
  /**
   * How the SHA-256 is computed, at once: true (the default) by the portable hasher, about 50 ms a MB; in Node pass
   * `nodeSha256` of lib/esp/node; false leaves it out.
   */
  readonly hash?: boolean | Sha256;
}

export type Sha256 = (bytes: Uint8Array) => Uint8Array;

function bad(what: string, offset: number, field: string, value: unknown): Error {
  return fail('BAD_IMAGE', `The image is broken at offset 0x${offset.toString(16)}: ${what}.`, {
    hint: 'Give an app or bootloader image as the build system makes it (.bin, not .elf).',
    detail: { offset, field, value },
  });
}

/**
 * Reads an app or bootloader image. A wrong checksum or hash is a finding, not an error.
 * @throws BAD_IMAGE when its structure is broken; detail.offset says where
 */
export function parseImage(bytes: Uint8Array, options: ParseImageOptions = {}): EspImage {
  if (bytes.length < IMAGE_HEADER) throw bad(`${bytes.length} bytes hold no header`, 0, 'length', bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] !== IMAGE_MAGIC) {
    throw bad(`it starts with 0x${view.getUint8(0).toString(16)}, not 0xe9`, 0, 'magic', bytes[0]);
  }
  const appended = view.getUint8(23);
  if (appended > 1) throw bad(`the hash flag is ${appended}, not 0 or 1`, 23, 'hash_appended', appended);
  const { segments, end } = readSegments(bytes, view);
  const footer = end + 16 - (end % 16);
  const length = footer + (appended === 1 ? HASH_BYTES : 0);
  if (length > bytes.length) {
    throw bad(`it ends ${length - bytes.length} bytes too early`, bytes.length, 'length', bytes.length);
  }
  const stored = view.getUint8(footer - 1);
  const computed = imageChecksum(bytes, segments);
  const app = decodeAppDescriptor(bytes, segments[0]);
  const bootloader = app === null ? decodeBootloaderDescriptor(bytes, segments[0]) : null;
  const chipId = view.getUint16(12, true);
  const sizeCode = view.getUint8(3) >> 4;
  return {
    kind: kindOf(app, bootloader),
    chipId,
    chip: chipByImageId(chipId)?.name ?? null,
    entry: view.getUint32(4, true),
    segments,
    flashMode: FLASH_MODES[view.getUint8(2)] ?? null,
    flashSize: sizeCode < 8 ? 2 ** (20 + sizeCode) : null,
    flashFrequency: view.getUint8(3) & 15,
    ...revisions(view),
    checksum: { stored, computed, valid: stored === computed },
    hash: appended === 1 ? readHash(bytes, footer, options.hash ?? true) : null,
    length,
    app,
    bootloader,
    demo: hasDemoMark(bytes, segments[0]),
  };
}

function kindOf(app: AppDescriptor | null, bootloader: BootloaderDescriptor | null): EspImage['kind'] {
  if (app !== null) return 'app';
  return bootloader === null ? 'unknown' : 'bootloader';
}

/**
 * Images of before ESP-IDF 5 have no full revisions (the maximum is 0) but one byte: the lowest minor revision on the
 * ESP32-C3, the lowest major one elsewhere.
 */
function revisions(view: DataView): { minRevision: number; maxRevision: number } {
  const maxRevision = view.getUint16(17, true);
  if (maxRevision > 0) return { minRevision: view.getUint16(15, true), maxRevision };
  const legacy = view.getUint8(14);
  return { minRevision: view.getUint16(12, true) === ESP32_C3 ? legacy : legacy * 100, maxRevision: 0xffff };
}

function readSegments(bytes: Uint8Array, view: DataView): { segments: ImageSegment[]; end: number } {
  const count = view.getUint8(1);
  if (count === 0 || count > MAX_SEGMENTS) throw bad(`it has ${count} segments, not 1 to 16`, 1, 'segments', count);
  const segments: ImageSegment[] = [];
  let at = IMAGE_HEADER;
  for (let index = 0; index < count; index++) {
    if (at + SEGMENT_HEADER > bytes.length)
      throw bad(`the header of segment ${index} is missing`, at, 'segment', index);
    const address = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    const offset = at + SEGMENT_HEADER;
    if (length > bytes.length - offset) {
      const what = `segment ${index} is ${length} bytes long, ${bytes.length - offset} are left`;
      throw bad(what, at + 4, 'segment length', length);
    }
    if (length % 4 !== 0)
      throw bad(`segment ${index} is ${length} bytes long, no whole words`, at + 4, 'segment length', length);
    segments.push({ address, offset, length });
    at = offset + length;
  }
  return { segments, end: at };
}

function readHash(bytes: Uint8Array, footer: number, how: boolean | Sha256): NonNullable<EspImage['hash']> {
  const stored = bytes.subarray(footer, footer + HASH_BYTES);
  if (how === false) return { stored: toHex(stored), computed: null, valid: null };
  const computed = (how === true ? sha256 : how)(bytes.subarray(0, footer));
  return { stored: toHex(stored), computed: toHex(computed), valid: sameBytes(stored, computed) };
}

/** XOR of all bytes of all segments, seed 0xEF. */
export function imageChecksum(bytes: Uint8Array, segments: readonly ImageSegment[]): number {
  let sum = CHECKSUM_SEED;
  for (const { offset, length } of segments) {
    const end = offset + length;
    for (let at = offset; at < end; at++) sum ^= bytes[at] as number;
  }
  return sum;
}
