import { type ChipFamily, chipByName } from '../chips.ts';
import { sha256 } from '../digest.ts';
import { fail } from '../errors.ts';
import { appLikeBytes, seedOf } from './demo-content.ts';
import { DEMO_IDF_VERSION, type DemoIdentity, encodeDemoMark, isDemoIdentity } from './demo-mark.ts';
import { encodeAppDescriptor, encodeBootloaderDescriptor } from './descriptors.ts';
import { HASH_BYTES, IMAGE_HEADER, IMAGE_MAGIC, imageChecksum, SEGMENT_HEADER } from './image.ts';
import { type LoadMap, loadMapOf } from './load-maps.ts';

/** What to build. */
export interface BuildImageOptions {
  readonly kind: 'app' | 'bootloader';
  /** A family by name, however it is written; ESP32, ESP32-C3 and ESP32-S3 have a load map. */
  readonly chip: string;
  /** In the descriptor; at most 31 bytes. A bootloader's must be a whole number; default 1. */
  readonly version?: string;
  /** In the descriptor of an app; at most 31 bytes. */
  readonly project?: string;
  /** Wished length in bytes; the image is at most 15 bytes longer, and never shorter than it must be. */
  readonly size?: number;
  /** What it is filled with: bytes that pack as badly as machine code (default), or zeros. */
  readonly fill?: 'app-like' | 'zero';
  /** Equal seeds and options give equal bytes. Default: from project and version. */
  readonly seed?: number;
  /** What the app prints when it runs on the virtual bench, a log line a line; at most 4096 bytes. */
  readonly message?: string;
  /** Apps: the identity that it looks for in NVS then, and says what it found. Default: none. */
  readonly identity?: DemoIdentity;
  /** Build time, as a compiler writes them: "12:00:00", "Jan  1 2026". Fixed by default. */
  readonly time?: string;
  readonly date?: string;
  /** Revisions it is for, major × 100 + minor. Default: all. */
  readonly minRevision?: number;
  readonly maxRevision?: number;
  /** Flash size in the header, in bytes: 1 to 128 MB, a power of two. Default 4 MB. */
  readonly flashSize?: number;
}

interface Segment {
  readonly address: number;
  readonly data: Uint8Array;
}

const MEGABYTE = 0x100000;
const DIO = 2;
const ALL_REVISIONS = 0xffff;

/**
 * A demo image: valid header, segments, descriptor, checksum and SHA-256, and no code. It is marked, so that
 * `isDemoImage` finds it and guards can keep it off real chips.
 * @throws BAD_BUILD, UNKNOWN_CHIP
 */
export function buildImage(options: BuildImageOptions): Uint8Array {
  const chip = chipByName(options.chip);
  if (chip === undefined) {
    throw fail('UNKNOWN_CHIP', `No chip family is called "${options.chip}".`, {
      detail: { field: 'chip', value: options.chip },
    });
  }
  const map = loadMapOf(chip);
  if (map === undefined) throw wrong('chip', options.chip, `there is no load map for ${chip.name}`);
  const wished = options.size ?? 0;
  if (!Number.isInteger(wished) || wished < 0 || wished > 16 * MEGABYTE) {
    throw wrong('size', options.size, 'the size must be a whole number of bytes, at most 16 MB');
  }
  const segments =
    options.kind === 'app' ? appSegments(options, map, wished) : bootloaderSegments(options, map, wished);
  const entry = options.kind === 'app' ? map.app.iram : (map.bootloader.iram[0] as number);
  return assemble(segments, header(options, chip, segments.length, entry));
}

function wrong(field: string, value: unknown, what: string): Error {
  return fail('BAD_BUILD', `The image cannot be built: ${what} (${field} is ${JSON.stringify(value) ?? 'missing'}).`, {
    detail: { field, value },
  });
}

function header(options: BuildImageOptions, chip: ChipFamily, count: number, entry: number): Uint8Array {
  const flashSize = options.flashSize ?? 4 * MEGABYTE;
  const code = Math.log2(flashSize / MEGABYTE);
  if (!Number.isInteger(code) || code < 0 || code > 7) {
    throw wrong('flashSize', options.flashSize, 'the flash must have 1 to 128 MB, a power of two');
  }
  const bytes = new Uint8Array(IMAGE_HEADER);
  const view = new DataView(bytes.buffer);
  bytes.set([IMAGE_MAGIC, count, DIO, (code << 4) | (chip.name === 'ESP32' ? 0 : 15)]);
  view.setUint32(4, entry, true);
  bytes[8] = 0xee;
  view.setUint16(12, chip.imageChipId as number, true);
  view.setUint16(15, revision(options, 'minRevision', 0), true);
  view.setUint16(17, revision(options, 'maxRevision', ALL_REVISIONS), true);
  bytes[23] = 1;
  return bytes;
}

function revision(options: BuildImageOptions, field: 'minRevision' | 'maxRevision', other: number): number {
  const value = options[field] ?? other;
  if (Number.isInteger(value) && value >= 0 && value <= 0xffff) return value;
  throw wrong(field, value, 'a revision is major × 100 + minor');
}

function text(
  options: BuildImageOptions,
  field: 'version' | 'project' | 'time' | 'date',
  size: number,
  other: string,
): string {
  const value = options[field] ?? other;
  if (new TextEncoder().encode(value).length < size) return value;
  throw wrong(field, value, `the ${field} has more than ${size - 1} bytes`);
}

function filler(options: BuildImageOptions, length: number): Uint8Array {
  if (options.fill === 'zero') return new Uint8Array(length);
  return appLikeBytes(
    length,
    options.seed ?? seedOf(`${options.project ?? ''}/${options.version ?? ''}/${options.kind}`),
  );
}

function appSegments(options: BuildImageOptions, map: LoadMap, wished: number): Segment[] {
  const mark = encodeDemoMark(options.message ?? '', checkIdentity(options.identity));
  const fixed = IMAGE_HEADER + 4 * SEGMENT_HEADER + 256 + mark.length;
  const content = filler(options, contentLength(wished, fixed));
  const [rom, ram, fast] = split(content.length, [0.15, 0.02, 0.08], map.app.ramLimit);
  const elf = sha256(content);
  const descriptor = encodeAppDescriptor(
    {
      version: text(options, 'version', 32, '0.0.0'),
      project: text(options, 'project', 32, 'keyway-demo'),
      time: text(options, 'time', 16, '00:00:00'),
      date: text(options, 'date', 16, 'Jan  1 2026'),
      idfVersion: DEMO_IDF_VERSION,
      elfSha256: '',
      secureVersion: 0,
    },
    elf,
  );
  const drom = concat(descriptor, mark, content.subarray(0, rom));
  const dram = content.subarray(rom, rom + ram);
  const iram = content.subarray(rom + ram, rom + ram + fast);
  const irom = content.subarray(rom + ram + fast);
  const iromAt = IMAGE_HEADER + 4 * SEGMENT_HEADER + drom.length + dram.length + iram.length;
  return [
    // Flash is mapped in pages of 64 KB: the low half of a mapped address is the low half of the file offset.
    { address: map.app.drom + IMAGE_HEADER + SEGMENT_HEADER, data: drom },
    { address: map.app.dram, data: dram },
    { address: map.app.iram, data: iram },
    { address: map.app.irom + (iromAt & 0xffff), data: irom },
  ];
}

/** @throws BAD_BUILD */
function checkIdentity(identity: DemoIdentity | undefined): DemoIdentity | undefined {
  if (identity === undefined || isDemoIdentity(identity)) return identity;
  throw wrong('identity', identity, 'no firmware looks for such an identity');
}

function bootloaderSegments(options: BuildImageOptions, map: LoadMap, wished: number): Segment[] {
  const version = Number(options.version ?? 1);
  if (!Number.isInteger(version) || version < 0 || version > 0xffffffff) {
    throw wrong('version', options.version, "a bootloader's version is a whole number");
  }
  const mark = encodeDemoMark(options.message ?? '');
  const fixed = IMAGE_HEADER + 3 * SEGMENT_HEADER + 80 + mark.length;
  const content = filler(options, contentLength(wished, fixed));
  if (content.length > map.bootloader.limit) {
    throw wrong('size', options.size, `a bootloader has at most ${map.bootloader.limit} bytes`);
  }
  const [ram, fast] = split(content.length, [0.2, 0.2], map.app.ramLimit);
  const descriptor = encodeBootloaderDescriptor({
    version,
    idfVersion: DEMO_IDF_VERSION,
    dateTime: `${text(options, 'date', 12, 'Jan  1 2026')} ${text(options, 'time', 9, '00:00:00')}`,
    secureVersion: 0,
  });
  const [first, second] = map.bootloader.iram;
  return [
    { address: map.bootloader.dram, data: concat(descriptor, mark, content.subarray(0, ram)) },
    { address: first, data: content.subarray(ram, ram + fast) },
    { address: second, data: content.subarray(ram + fast) },
  ];
}

/** Whole words between `fixed` bytes and the checksum, so that the image gets as long as wished. */
function contentLength(wished: number, fixed: number): number {
  const body = Math.ceil((wished - HASH_BYTES) / 16) * 16 - 4;
  return Math.max(64, (body - fixed) & ~3);
}

/** Word-aligned shares of `total`, none empty, none above `limit` but the first. */
function split(total: number, shares: readonly number[], limit: number): [number, number, number] {
  const parts = shares.map((share, i) => Math.max(16, Math.min(i === 0 ? Infinity : limit, total * share) & ~3));
  return [parts[0] ?? 0, parts[1] ?? 0, parts[2] ?? 0];
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function assemble(segments: readonly Segment[], head: Uint8Array): Uint8Array {
  const end = segments.reduce((sum, { data }) => sum + SEGMENT_HEADER + data.length, head.length);
  const footer = end + 16 - (end % 16);
  const bytes = new Uint8Array(footer + HASH_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(head);
  let at = head.length;
  const placed = segments.map(({ address, data }) => {
    view.setUint32(at, address, true);
    view.setUint32(at + 4, data.length, true);
    const offset = at + SEGMENT_HEADER;
    bytes.set(data, offset);
    at = offset + data.length;
    return { address, offset, length: data.length };
  });
  bytes[footer - 1] = imageChecksum(bytes, placed);
  bytes.set(sha256(bytes.subarray(0, footer)), footer);
  return bytes;
}
