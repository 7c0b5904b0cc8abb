import { type ChipFamily, chipByImageId, chipByName, chipNames } from '../chips.ts';
import type { PartitionTable } from '../formats/partition-rules.ts';
import type { EraseRange, PlanStep, Region } from '../types.ts';
import { hex } from '../units.ts';
import { checkOffset } from './check.ts';
import { fail, type GuardBook } from './errors.ts';
import { imagesIn } from './images.ts';
import { sectorsOf } from './ranges.ts';

/** @throws BAD_OFFSET, EMPTY_REGION */
export function checkRegions(regions: readonly Region[]): void {
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
export function splitBlankOtadata(
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

/** The family that the plan is for, and whether every image is. @throws UNKNOWN_CHIP, WRONG_CHIP */
export function checkChip(
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
  // Images of the ESP8266 are of another format, without a chip id.
  if (chip?.imageChipId === null) return chip;
  let source = 'the plan';
  for (const { image, name: region } of regions.flatMap(imagesIn)) {
    const own = chipByImageId(image.chipId);
    if (chip === undefined) {
      chip = own;
      source = `"${region}"`;
    } else if (image.chipId !== chip.imageChipId) {
      const name = own?.name ?? `chip id ${image.chipId}`;
      guards.meet('WRONG_CHIP', `"${region}" is for ${name}, ${source} is for ${chip.name}.`, {
        hint: `Build it for ${chip.name}, or choose the files for ${name}.`,
        detail: { field: region, value: name, expected: chip.name },
      });
    }
  }
  return chip;
}

/** @throws BOOTLOADER_OFFSET */
export function checkBootloader(
  items: readonly Pick<PlanStep, 'kind' | 'offset' | 'name'>[],
  chip: { readonly name: string; readonly bootloaderOffset: number } | undefined,
  guards: GuardBook,
): void {
  if (chip === undefined) return;
  for (const { kind, offset, name } of items) {
    if (kind !== 'bootloader' || offset === chip.bootloaderOffset) continue;
    guards.meet(
      'BOOTLOADER_OFFSET',
      `"${name}" is to be written at ${hex(offset)}, but the ${chip.name} looks for its bootloader at ${hex(chip.bootloaderOffset)}.`,
      { hint: `Give it the offset ${hex(chip.bootloaderOffset)}.`, detail: { field: name, value: offset } },
    );
  }
}

/** Nothing may end behind the flash, by its size or by what the bootloader is built for. @throws BEYOND_FLASH */
export function checkEnd(
  regions: readonly Region[],
  others: readonly { readonly offset: number; readonly size: number; readonly name: string }[],
  table: PartitionTable | null,
  flashSize: number | undefined,
  guards: GuardBook,
): void {
  const headers = regions
    .filter(({ kind }) => kind === 'bootloader' || kind === 'merged')
    .map((region) => imagesIn(region)[0]?.image.flashSize)
    .filter((size) => typeof size === 'number');
  const size = flashSize ?? headers[0];
  if (size === undefined) return;
  const says = flashSize === undefined ? 'the bootloader is built for' : 'the flash has';
  const items = [
    ...regions.map(({ name, offset, data }) => ({ name, offset, size: data.length })),
    ...others,
    ...(table ?? []).map((partition) => ({ ...partition, name: `partition ${partition.label}` })),
  ];
  for (const item of items) {
    const end = item.offset + item.size;
    if (end <= size) continue;
    guards.meet('BEYOND_FLASH', `"${item.name}" ends at ${hex(end)}, ${says} ${size / 0x100000} MB (${hex(size)}).`, {
      hint: 'Use a smaller layout or a chip with more flash.',
      detail: { field: item.name, value: end, flashSize: size },
    });
    return;
  }
}
