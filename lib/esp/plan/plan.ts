import { type ChipFamily, chipByImageId, chipByName, chipNames } from '../chips.ts';
import { toHex } from '../digest.ts';
import type { Platform } from '../platform.ts';
import type { EraseRange, FlashPlan, ImageSet, PlanStep, Region } from '../types.ts';
import { hex } from '../units.ts';
import { checkErase, checkOffset } from './check.ts';
import { fail, GuardBook } from './errors.ts';
import { imageIn } from './images.ts';
import { provision } from './provisioning.ts';
import { type Range, sectorsOf, subtract, touch } from './ranges.ts';
import { checkAgainstTable, type FoundTable, findTable } from './table.ts';

/** What to make of a set of images. */
export interface PlanOptions {
  /** The family it is for, however it is spelled; overrides what the set says. */
  readonly chip?: string | undefined;
  /** Bytes of flash, when known. */
  readonly flashSize?: number | undefined;
  /** Guards to override, by code. */
  readonly force?: readonly string[] | undefined;
  /**
   * `as-is` writes what is there where it says. `provisioning` puts the app into `factory`, erases otadata and the
   * first sector of every OTA slot, so that the chip boots it whatever it held before.
   */
  readonly mode?: 'as-is' | 'provisioning' | undefined;
  /** Ranges to erase besides; what is written anyway is left out of them. */
  readonly erase?: readonly EraseRange[] | undefined;
  readonly platform: Platform;
}

/** The order of a run that may be torn at any step: nothing of the new firmware boots before all of it is there. */
const RANK: Readonly<Record<PlanStep['kind'], number>> = {
  erase: 1,
  nvs: 2,
  data: 2,
  'partition-table': 3,
  app: 4,
  otadata: 5,
  merged: 6,
  bootloader: 7,
};

/**
 * Makes the plan: what is erased and written, in which order, what stays. Touches no port.
 * @throws every code of `planErrors` that needs no chip, BAD_PARTITION_TABLE.
 */
export async function planFlash(images: ImageSet, options: PlanOptions): Promise<FlashPlan> {
  const guards = new GuardBook(options.force ?? []);
  checkRegions(images.regions);
  const wished = [...images.erase, ...(options.erase ?? [])];
  for (const [i, range] of wished.entries()) checkErase(`erase[${i}]`, range);
  const found = findTable(images.regions);
  const changed =
    options.mode === 'provisioning'
      ? provision(images.regions, found)
      : { regions: images.regions, erase: [] as readonly EraseRange[] };
  checkOverlaps(changed.regions);
  const { regions, erase } = splitBlankOtadata(changed.regions, [...changed.erase, ...wished]);
  if (regions.length === 0 && erase.length === 0) {
    throw fail('EMPTY_PLAN', `"${images.name}" has nothing to write and nothing to erase.`, {
      hint: 'Give at least one file with an offset.',
      detail: { field: 'regions', value: 0 },
    });
  }
  const chip = checkChip(regions, options.chip ?? images.chip, guards);
  checkBootloader(regions, chip, guards);
  if (found !== null) checkAgainstTable(regions, found.table, guards);
  checkEnd(regions, erase, found, options.flashSize, guards);
  const steps = [...eraseSteps(erase, regions, found), ...(await writeSteps(regions, options.platform))];
  return {
    name: images.name,
    ...(images.version === undefined ? {} : { version: images.version }),
    ...(chip === undefined ? {} : { chip: chip.name }),
    steps,
    keeps: keptPartitions(found, steps),
    bytes: regions.reduce((sum, { data }) => sum + data.length, 0),
    notes: guards.notes,
    force: [...guards.force],
  };
}

/** The plan without its bytes: to be shown, approved, logged. */
export function describePlan(plan: FlashPlan): FlashPlan {
  return { ...plan, steps: plan.steps.map(({ data: _bytes, ...step }) => step) };
}

function checkRegions(regions: readonly Region[]): void {
  for (const [i, { offset, data, name }] of regions.entries()) {
    checkOffset(`regions[${i}].offset`, name, offset, data.length);
    if (data.length === 0) {
      throw fail('EMPTY_REGION', `"${name}" has no bytes.`, {
        hint: 'Check the file: it is empty.',
        detail: { field: `regions[${i}].data`, value: 0, name },
      });
    }
  }
}

/** Otadata that is blank is erased, first of all; so a torn run cannot boot an old slot with a new table. */
function splitBlankOtadata(
  regions: readonly Region[],
  erase: readonly EraseRange[],
): { regions: readonly Region[]; erase: readonly EraseRange[] } {
  const blank = regions.filter(({ kind, data }) => kind === 'otadata' && data.every((byte) => byte === 0xff));
  const asErase = blank.map(({ offset, data, name }) => {
    const { end } = sectorsOf({ offset, size: data.length });
    return { offset, size: end - offset, name };
  });
  return { regions: regions.filter((region) => !blank.includes(region)), erase: [...asErase, ...erase] };
}

function checkOverlaps(regions: readonly Region[]): void {
  const sorted = regions
    .map((region) => ({ region, range: sectorsOf({ offset: region.offset, size: region.data.length }) }))
    .sort((a, b) => a.range.offset - b.range.offset);
  for (const [i, next] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before === undefined || !touch(before.range, next.range)) continue;
    const show = ({ region }: typeof next) =>
      `"${region.name}" (${hex(region.offset)} to ${hex(region.offset + region.data.length)})`;
    throw fail('OVERLAP', `${show(before)} and ${show(next)} overlap.`, {
      hint: 'Give each file a place of its own.',
      detail: { field: 'regions', value: [before.region.name, next.region.name] },
    });
  }
}

function checkChip(
  regions: readonly Region[],
  declared: string | undefined,
  guards: GuardBook,
): ChipFamily | undefined {
  let chip = declared === undefined ? undefined : chipByName(declared);
  if (declared !== undefined && chip === undefined) {
    throw fail('UNKNOWN_CHIP', `"${declared}" is no known chip.`, {
      hint: `Choose from ${chipNames().join(', ')}.`,
      detail: { field: 'chip', value: declared },
    });
  }
  let source = 'the plan';
  for (const region of regions) {
    const found = imageIn(region);
    if (found === null) continue;
    const own = chipByImageId(found.image.chipId);
    if (chip === undefined) {
      chip = own;
      source = `"${region.name}"`;
    } else if (found.image.chipId !== chip.imageChipId) {
      const name = own?.name ?? `chip id ${found.image.chipId}`;
      guards.meet('WRONG_CHIP', `"${region.name}" is for ${name}, ${source} is for ${chip.name}.`, {
        hint: `Build it for ${chip.name}, or choose the files for ${name}.`,
        detail: { field: region.name, value: name, expected: chip.name },
      });
    }
  }
  return chip;
}

function checkBootloader(regions: readonly Region[], chip: ChipFamily | undefined, guards: GuardBook): void {
  if (chip === undefined) return;
  for (const { kind, offset, name } of regions) {
    if (kind !== 'bootloader' || offset === chip.bootloaderOffset) continue;
    guards.meet(
      'BOOTLOADER_OFFSET',
      `"${name}" is to be written at ${hex(offset)}, but the ${chip.name} looks for its bootloader at ${hex(chip.bootloaderOffset)}.`,
      { hint: `Give it the offset ${hex(chip.bootloaderOffset)}.`, detail: { field: name, value: offset } },
    );
  }
}

function checkEnd(
  regions: readonly Region[],
  erase: readonly EraseRange[],
  found: FoundTable | null,
  flashSize: number | undefined,
  guards: GuardBook,
): void {
  const headers = regions
    .filter(({ kind }) => kind === 'bootloader' || kind === 'merged')
    .map((region) => imageIn(region)?.image.flashSize)
    .filter((size) => typeof size === 'number');
  const size = flashSize ?? headers[0];
  if (size === undefined) return;
  const says = flashSize === undefined ? 'the bootloader is built for' : 'the flash has';
  const ends = [
    ...regions.map(({ name, offset, data }) => ({ name, end: offset + data.length })),
    ...erase.map(({ name, offset, size: length }) => ({ name, end: offset + length })),
    ...(found?.table ?? []).map(({ label, offset, size: length }) => ({
      name: `partition ${label}`,
      end: offset + length,
    })),
  ];
  for (const { name, end } of ends) {
    if (end <= size) continue;
    guards.meet('BEYOND_FLASH', `"${name}" ends at ${hex(end)}, ${says} ${size / 0x100000} MB (${hex(size)}).`, {
      hint: 'Use a smaller layout or a chip with more flash.',
      detail: { field: name, value: end, flashSize: size },
    });
    return;
  }
}

function eraseSteps(erase: readonly EraseRange[], regions: readonly Region[], found: FoundTable | null): PlanStep[] {
  const taken: Range[] = regions.map(({ offset, data }) => sectorsOf({ offset, size: data.length }));
  const steps: PlanStep[] = [];
  for (const { offset, size, name } of erase) {
    for (const part of subtract({ offset, end: offset + size }, taken)) {
      steps.push({ action: 'erase', offset: part.offset, size: part.end - part.offset, name, kind: 'erase' });
      taken.push(part);
    }
  }
  const otadata = found?.table.find(({ type, subtype }) => type === 1 && subtype === 0);
  const first = (step: PlanStep) => (otadata !== undefined && touch(sectorsOf(step), sectorsOf(otadata)) ? 0 : 1);
  return steps.sort((a, b) => first(a) - first(b) || a.offset - b.offset);
}

async function writeSteps(regions: readonly Region[], platform: Platform): Promise<PlanStep[]> {
  const steps: PlanStep[] = [];
  for (const { offset, data, name, kind } of regions) {
    const [sha256, md5] = [toHex(await platform.sha256(data)), toHex(await platform.md5(data))];
    steps.push({ action: 'write', offset, size: data.length, name, kind, sha256, md5, data });
  }
  return steps.sort((a, b) => RANK[a.kind] - RANK[b.kind] || a.offset - b.offset);
}

function keptPartitions(found: FoundTable | null, steps: readonly PlanStep[]): FlashPlan['keeps'] {
  return (found?.table ?? [])
    .filter((partition) => !steps.some((step) => touch(sectorsOf(step), sectorsOf(partition))))
    .map(({ label, offset, size }) => ({ name: label, offset, size }));
}
