import type { PartitionTable } from '../formats/partition-rules.ts';
import type { Platform } from '../platform.ts';
import type { EraseRange, FlashPlan, ImageSet } from '../types.ts';
import { checkErase, checkKeepList, checkTable } from './check.ts';
import { fail, GuardBook } from './errors.ts';
import { checkKeep } from './keep.ts';
import { applyMode, type PlanMode } from './modes.ts';
import { type NvsWish, placeNvs } from './nvs.ts';
import { checkBootloader, checkChip, checkEnd, checkRegions, splitBlankOtadata } from './regions.ts';
import { bytesOf, checkOverlaps, eraseSteps, inOrder, keptPartitions, writeSteps } from './steps.ts';
import { checkAgainstTable, findTable } from './table.ts';

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
   * first sector of every OTA slot, so that the chip boots it whatever it held before. `direct` puts the app into the
   * first OTA slot and writes otadata that chooses it; factory keeps what it has. Both need a partition table.
   */
  readonly mode?: PlanMode | undefined;
  /** Ranges to erase besides; what is written anyway is left out of them. */
  readonly erase?: readonly EraseRange[] | undefined;
  /** NVS partitions to make or to change; their bytes are made while flashing. */
  readonly nvs?: readonly NvsWish[] | undefined;
  /** Labels of partitions that must come out as they went in. */
  readonly keep?: readonly string[] | undefined;
  /** The table on the chip, as read before, for a set that brings none. It is read again before flashing. */
  readonly table?: PartitionTable | undefined;
  /** For a chip that encrypts its flash: refuse it (default), or write through its encryption. */
  readonly encryption?: 'refuse' | 'encrypt' | undefined;
  /** Whether all is written, also what the chip holds already. */
  readonly rewrite?: boolean | undefined;
  readonly platform: Platform;
}

/**
 * Makes the plan: what is erased and written, in which order, what stays. Touches no port.
 * @throws every code of `planErrors` that needs no chip, BAD_PARTITION_TABLE, and what is wrong with an NVS entry.
 */
export async function planFlash(images: ImageSet, options: PlanOptions): Promise<FlashPlan> {
  const guards = new GuardBook(options.force ?? []);
  checkRegions(images.regions);
  const wished = [...images.erase, ...(options.erase ?? [])];
  for (const [i, range] of wished.entries()) checkErase(`erase[${i}]`, range);
  if (options.table !== undefined) checkTable(options.table);
  const brought = findTable(images.regions);
  const table = brought ?? options.table ?? null;
  const changed = applyMode(options.mode, images.regions, table);
  const nvs = placeNvs(options.nvs ?? [], table, guards);
  checkOverlaps('regions', [
    ...changed.regions.map((region) => ({ ...region, size: region.data.length })),
    ...nvs.steps,
  ]);
  const { regions, erase } = splitBlankOtadata(changed.regions, [...changed.erase, ...wished]);
  if (regions.length + erase.length + nvs.steps.length + nvs.unplaced.length === 0) {
    throw fail('EMPTY_PLAN', `"${images.name}" has nothing to write and nothing to erase.`, {
      hint: 'Give at least one file with an offset, or an NVS partition.',
      detail: { field: 'regions', value: 0 },
    });
  }
  const chip = checkChip(regions, options.chip ?? images.chip, guards);
  checkBootloader(regions, chip, guards);
  if (table !== null)
    checkAgainstTable(
      regions.map((one) => ({ ...one, size: one.data.length })),
      table,
      guards,
    );
  checkEnd(regions, [...erase, ...nvs.steps], table, options.flashSize, guards);
  const writes = [...(await writeSteps(regions, options.platform)), ...nvs.steps];
  const steps = inOrder([...eraseSteps(erase, writes), ...writes], table);
  const keep = [...new Set([...checkKeepList(options.keep), ...changed.keep])];
  if (table !== null) checkKeep(keep, table, steps);
  return {
    name: images.name,
    ...(images.version === undefined ? {} : { version: images.version }),
    ...(chip === undefined ? {} : { chip: chip.name }),
    steps,
    keeps: keptPartitions(table, steps),
    bytes: bytesOf(steps),
    notes: guards.notes,
    force: [...guards.force],
    ...(nvs.unplaced.length === 0 ? {} : { unplaced: nvs.unplaced }),
    ...(keep.length === 0 ? {} : { keep }),
    ...(options.encryption === undefined ? {} : { encryption: options.encryption }),
    ...(options.rewrite === true ? { rewrite: true } : {}),
  };
}
