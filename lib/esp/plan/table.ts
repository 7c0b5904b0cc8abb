import { decodePartitionTable, looksLikePartitionTable } from '../formats/partition-binary.ts';
import type { Partition, PartitionTable } from '../formats/partition-rules.ts';
import {
  PARTITION_APP,
  PARTITION_BOOTLOADER,
  PARTITION_DATA,
  PARTITION_TABLE,
  SUBTYPE_DATA_NVS_KEYS,
} from '../formats/partition-types.ts';
import type { FlashPlan, PlanStep, RegionKind } from '../types.ts';
import { hex } from '../units.ts';
import type { GuardBook } from './errors.ts';
import { checkNvsFlag, checkNvsPlace } from './nvs.ts';

interface Bytes {
  readonly offset: number;
  readonly kind: RegionKind | 'erase';
  readonly data: Uint8Array;
}

/** The partition table among the regions; a merged image has it at 0x8000. @throws BAD_PARTITION_TABLE. */
export function findTable(regions: readonly Bytes[]): PartitionTable | null {
  const region = regions.find(({ kind }) => kind === 'partition-table');
  if (region !== undefined) return decodePartitionTable(region.data, { tableOffset: region.offset });
  for (const merged of regions.filter(({ kind }) => kind === 'merged')) {
    const bytes = merged.data.subarray(Math.max(0, 0x8000 - merged.offset), Math.max(0, 0x9000 - merged.offset));
    if (merged.offset <= 0x8000 && looksLikePartitionTable(bytes)) return decodePartitionTable(bytes);
  }
  return null;
}

/** The table that a plan itself writes; null when it brings none. @throws BAD_PARTITION_TABLE. */
export function tableOf(plan: FlashPlan): PartitionTable | null {
  return findTable(plan.steps.flatMap(({ data, ...step }) => (data === undefined ? [] : [{ ...step, data }])));
}

/** Whether a partition holds programs or tables that a plan names by kind, not by partition. */
function isStructural(partition: Partition): boolean {
  return partition.type === PARTITION_BOOTLOADER || partition.type === PARTITION_TABLE;
}

const STRUCTURAL: readonly PlanStep['kind'][] = ['bootloader', 'partition-table', 'merged', 'erase'];

/** Whether a table says where this belongs. */
export function hasHome(step: { readonly kind: PlanStep['kind'] }): boolean {
  return !STRUCTURAL.includes(step.kind);
}

/** What is held against a table: a region that is to be planned or a step of a plan. */
type Placed = Pick<PlanStep, 'offset' | 'size' | 'name' | 'kind' | 'nvs' | 'data'>;

/**
 * Every app and every piece of data must lie inside one partition of the table: an app at its very start, NVS that is
 * made while flashing in exactly its partition, its keys at the start of theirs.
 */
export function checkAgainstTable(items: readonly Placed[], table: PartitionTable, guards: GuardBook): void {
  for (const item of items) {
    if (!hasHome(item)) continue;
    if (item.nvs !== undefined) checkNvsPlace(item, table, guards);
    else {
      if (item.kind === 'nvs') checkNvsFlag(item, table, guards);
      checkHome(item, table, guards);
    }
  }
}

function checkHome(item: Placed, table: PartitionTable, guards: GuardBook): void {
  const wantsApp = item.kind === 'app';
  const wantsStart = wantsApp || (item.kind === 'nvs-keys' && item.data === undefined);
  const home = table.find(
    (partition) =>
      !isStructural(partition) &&
      (partition.type === PARTITION_APP) === wantsApp &&
      item.offset >= partition.offset &&
      item.offset < partition.offset + partition.size,
  );
  const detail = { field: item.name, value: item.offset, size: item.size };
  const isKeys = home?.type === PARTITION_DATA && home.subtype === SUBTYPE_DATA_NVS_KEYS;
  const isWrong = item.kind === 'nvs-keys' && !isKeys;
  if (home === undefined || isWrong || (wantsStart && item.offset !== home.offset)) {
    const what = wantsApp ? 'app partition' : item.kind === 'nvs-keys' ? 'partition for NVS keys' : 'data partition';
    guards.meet('NOT_IN_TABLE', `"${item.name}" at ${hex(item.offset)} is at no ${what} of the table.`, {
      hint: 'Put it where the partition table has a place for it, or change the table.',
      detail,
    });
    return;
  }
  const room = home.offset + home.size - item.offset;
  if (item.size <= room) return;
  guards.meet(
    'DOES_NOT_FIT',
    `"${item.name}" (${item.size} bytes) does not fit into partition "${home.label}", which has room for ${room}.`,
    { hint: 'Make the partition larger or the image smaller.', detail: { ...detail, partition: home.label, room } },
  );
}
