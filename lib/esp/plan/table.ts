import { decodePartitionTable, looksLikePartitionTable } from '../formats/partition-binary.ts';
import type { Partition, PartitionTable } from '../formats/partition-rules.ts';
import { PARTITION_APP, PARTITION_BOOTLOADER, PARTITION_TABLE } from '../formats/partition-types.ts';
import type { Region } from '../types.ts';
import { hex } from '../units.ts';
import type { GuardBook } from './errors.ts';

export interface FoundTable {
  readonly table: PartitionTable;
  readonly region: Region;
}

/** The partition table among the regions; a merged image has it at 0x8000. @throws BAD_PARTITION_TABLE. */
export function findTable(regions: readonly Region[]): FoundTable | null {
  const region = regions.find(({ kind }) => kind === 'partition-table');
  if (region !== undefined) {
    return { table: decodePartitionTable(region.data, { tableOffset: region.offset }), region };
  }
  for (const merged of regions.filter(({ kind }) => kind === 'merged')) {
    const bytes = merged.data.subarray(Math.max(0, 0x8000 - merged.offset), 0x9000 - merged.offset);
    if (merged.offset <= 0x8000 && looksLikePartitionTable(bytes)) {
      return { table: decodePartitionTable(bytes), region: merged };
    }
  }
  return null;
}

/** Whether a partition holds programs or tables that a plan names by kind, not by partition. */
function isStructural(partition: Partition): boolean {
  return partition.type === PARTITION_BOOTLOADER || partition.type === PARTITION_TABLE;
}

/** Every app and every piece of data must lie inside one partition of the table: an app at its very start. */
export function checkAgainstTable(regions: readonly Region[], table: PartitionTable, guards: GuardBook): void {
  for (const region of regions) {
    if (['bootloader', 'partition-table', 'merged'].includes(region.kind)) continue;
    const wantsApp = region.kind === 'app';
    const home = table.find(
      (partition) =>
        !isStructural(partition) &&
        (partition.type === PARTITION_APP) === wantsApp &&
        region.offset >= partition.offset &&
        region.offset < partition.offset + partition.size,
    );
    const detail = { field: region.name, value: region.offset, size: region.data.length };
    if (home === undefined || (wantsApp && region.offset !== home.offset)) {
      const what = wantsApp ? 'app partition' : 'data partition';
      guards.meet('NOT_IN_TABLE', `"${region.name}" at ${hex(region.offset)} is at no ${what} of the table.`, {
        hint: 'Put it where the partition table has a place for it, or change the table.',
        detail,
      });
      continue;
    }
    const room = home.offset + home.size - region.offset;
    if (region.data.length > room) {
      guards.meet(
        'DOES_NOT_FIT',
        `"${region.name}" (${region.data.length} bytes) does not fit into partition "${home.label}", which has room for ${room}.`,
        { hint: 'Make the partition larger or the image smaller.', detail: { ...detail, partition: home.label, room } },
      );
    }
  }
}
