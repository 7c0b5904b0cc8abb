import { type ChipFamily, chipByImageId, chipByName, chipNames } from '../chips.ts';
import { fail } from '../errors.ts';
import { DEFAULT_TABLE_OFFSET, type PartitionTable } from '../formats/partition-rules.ts';
import { partitionAt, tryDecodeTable } from '../formats/recognise.ts';
import type { EraseRange, ImageSet } from '../types.ts';
import { SECTOR } from '../units.ts';
import { familyName } from './file-list.ts';
import { type BareRegion, completeSet } from './parts.ts';

/** The table need not lie at 0x8000: a bigger bootloader moves it, by whole sectors. */
const LAST_TABLE_OFFSET = 0x20000;
const HEADER = 24;

/** What a merged image does not say itself. */
export interface MergedOptions {
  readonly name?: string;
}

interface Layout {
  readonly family: ChipFamily;
  /** Where the file's first byte belongs in the flash. */
  readonly base: number;
  readonly table: PartitionTable;
  /** Of the table, in the flash. */
  readonly tableOffset: number;
}

/**
 * A set of images from one file that holds a flash from 0, or from the chip's bootloader on. Runs of FF of a sector
 * or more are not sent: their whole sectors are erased, as writing the file would have done. The rest is cut at the
 * borders of partitions, so that each region is one of them.
 * @param chip the family; left out, the bootloader's header tells
 * @throws BAD_IMAGE when it holds no bootloader or no partition table where they must be; FILE_EMPTY, UNKNOWN_CHIP
 */
export function readMergedImage(bytes: Uint8Array, chip?: string, options: MergedOptions = {}): ImageSet {
  if (bytes.length === 0)
    throw fail('FILE_EMPTY', 'The merged image is empty.', { detail: { field: 'merged', value: 0 } });
  const wanted = familyName(chip, 'chip');
  const layout = findLayout(bytes, wanted === undefined ? undefined : chipByName(wanted));
  const runs = dataRuns(bytes, cuts(layout));
  const regions: BareRegion[] = runs.map(([from, to]) => {
    const offset = layout.base + from;
    return { offset, data: bytes.slice(from, to), name: regionName(offset, layout) };
  });
  const set = { name: options.name ?? 'merged image', chip: layout.family.name, source: 'merged' as const };
  return completeSet({ ...set, erase: blankRanges(runs, bytes.length, layout) }, regions);
}

/** The chip that the image header at this offset of the file is for. */
function bootloaderChip(bytes: Uint8Array, at: number): ChipFamily | undefined {
  if (at + HEADER > bytes.length || bytes[at] !== 0xe9) return undefined;
  return chipByImageId((bytes[at + 12] as number) | ((bytes[at + 13] as number) << 8));
}

function findLayout(bytes: Uint8Array, wanted: ChipFamily | undefined): Layout {
  const families = wanted ? [wanted] : chipNames().map((name) => chipByName(name) as ChipFamily);
  const found = families.filter(({ imageChipId }) => imageChipId !== null);
  // A bootloader at its place in a file that starts at 0, or a file that starts with the bootloader.
  for (const family of found) {
    for (const base of new Set([0, family.bootloaderOffset])) {
      if (bootloaderChip(bytes, family.bootloaderOffset - base) !== family) continue;
      const table = findTable(bytes, base);
      if (table) return { family, base, ...table };
    }
  }
  const what = wanted === undefined ? 'a chip' : `an ${wanted.name}`;
  throw fail('BAD_IMAGE', `The file holds no bootloader of ${what} with a partition table behind it.`, {
    hint: 'A merged image starts at 0 or with the bootloader; give a single app as a file with its offset.',
    detail: { offset: 0, field: 'merged', value: bytes[0] },
  });
}

function findTable(bytes: Uint8Array, base: number): { table: PartitionTable; tableOffset: number } | null {
  for (let tableOffset = DEFAULT_TABLE_OFFSET; tableOffset <= LAST_TABLE_OFFSET; tableOffset += SECTOR) {
    const table = tryDecodeTable(bytes.subarray(tableOffset - base, tableOffset - base + SECTOR));
    if (table) return { table, tableOffset };
  }
  return null;
}

/** Offsets in the file where one thing ends and the next begins; sector borders, in order. */
function cuts({ base, table, tableOffset }: Layout): number[] {
  const borders = [tableOffset, tableOffset + SECTOR];
  for (const { offset, size } of table) borders.push(offset, Math.ceil((offset + size) / SECTOR) * SECTOR);
  return borders.map((border) => border - base).sort((a, b) => a - b);
}

/**
 * What is to be written, as [from, to) in the file: every run starts on a sector and is followed by the file's end,
 * a cut, or FF to the end of its sector at least.
 */
function dataRuns(bytes: Uint8Array, borders: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  let last: [number, number] | undefined;
  for (let sector = 0; sector < bytes.length; sector += SECTOR) {
    const end = dataEnd(bytes, sector);
    if (end === sector) continue;
    const follows = last !== undefined && Math.ceil(last[1] / SECTOR) * SECTOR === sector && !borders.includes(sector);
    // A gap that reaches across the border of two sectors counts in full.
    if (last !== undefined && follows && dataStart(bytes, sector) - last[1] < SECTOR) last[1] = end;
    else {
      last = [sector, end];
      runs.push(last);
    }
  }
  return runs;
}

/** Where the data of a sector ends: behind its last byte that is not FF. */
function dataEnd(bytes: Uint8Array, sector: number): number {
  let end = Math.min(sector + SECTOR, bytes.length);
  while (end > sector && bytes[end - 1] === 0xff) end--;
  return end;
}

function dataStart(bytes: Uint8Array, sector: number): number {
  let at = sector;
  while (bytes[at] === 0xff) at++;
  return at;
}

/** Whole sectors of the file that hold nothing, cut where partitions begin. */
function blankRanges(runs: readonly [number, number][], length: number, layout: Layout): EraseRange[] {
  const borders = cuts(layout);
  const ranges: EraseRange[] = [];
  let from = 0;
  for (const [start, end] of [...runs, [Math.ceil(length / SECTOR) * SECTOR, 0] as const]) {
    for (const border of [...borders.filter((at) => at > from && at < start), start]) {
      const offset = layout.base + from;
      if (border > from) ranges.push({ offset, size: border - from, name: `${regionName(offset, layout)}, blank` });
      from = border;
    }
    from = Math.ceil(end / SECTOR) * SECTOR;
  }
  return ranges;
}

function regionName(offset: number, { family, table, tableOffset }: Layout): string {
  if (offset === tableOffset) return 'partition table';
  if (offset === family.bootloaderOffset) return 'bootloader';
  return partitionAt(table, offset)?.label ?? `0x${offset.toString(16)}`;
}
