import { encodeOtadata, otaSlots } from '../formats/otadata.ts';
import type { Partition, PartitionTable } from '../formats/partition-rules.ts';
import { PARTITION_APP, PARTITION_DATA, SUBTYPE_DATA_OTA, SUBTYPE_FACTORY } from '../formats/partition-types.ts';
import type { EraseRange, Region } from '../types.ts';
import { SECTOR } from '../units.ts';
import { fail } from './errors.ts';

/** Where the app goes, and what the bootloader must find so that it starts it. */
export type PlanMode = 'as-is' | 'provisioning' | 'direct';

/** What a mode makes of a set of regions. */
export interface ModeChange {
  readonly regions: readonly Region[];
  readonly erase: readonly EraseRange[];
  /** Labels of partitions that the mode promises to leave alone. */
  readonly keep: readonly string[];
}

/** @throws BAD_PLAN, TABLE_MISSING, NO_FACTORY, NO_SLOT. */
export function applyMode(
  mode: PlanMode | undefined,
  regions: readonly Region[],
  table: PartitionTable | null,
): ModeChange {
  if (mode === undefined || mode === 'as-is') return { regions, erase: [], keep: [] };
  if (mode !== 'provisioning' && mode !== 'direct') {
    throw fail('BAD_PLAN', `"${String(mode)}" is no way to lay out a flash.`, {
      hint: 'Choose from as-is, provisioning, direct.',
      detail: { field: 'mode', value: mode },
    });
  }
  if (table === null) {
    const name = mode === 'direct' ? 'Direct' : 'Provisioning';
    throw fail('TABLE_MISSING', `${name} mode needs the partition table among the files.`, {
      hint: 'Add the partition table (usually partition-table.bin at 0x8000).',
      detail: { field: 'mode', value: mode },
    });
  }
  return mode === 'direct' ? direct(regions, table) : provision(regions, table);
}

const factoryOf = (table: PartitionTable): Partition | undefined =>
  table.find(({ type, subtype }) => type === PARTITION_APP && subtype === SUBTYPE_FACTORY);

const otadataOf = (table: PartitionTable): Partition | undefined =>
  table.find(({ type, subtype }) => type === PARTITION_DATA && subtype === SUBTYPE_DATA_OTA);

/** All but otadata, which the mode decides on, with the app in its partition. */
function placed(regions: readonly Region[], home: Partition): Region[] {
  return regions
    .filter(({ kind }) => kind !== 'otadata')
    .map((region) => (region.kind === 'app' ? { ...region, offset: home.offset } : region));
}

/**
 * The app goes into `factory`, and since the bootloader follows otadata and not the slots, otadata is erased, and with
 * it the first sector of every OTA slot.
 */
function provision(regions: readonly Region[], table: PartitionTable): ModeChange {
  const factory = factoryOf(table);
  const apps = regions.filter(({ kind }) => kind === 'app');
  if (factory === undefined || apps.length > 1) {
    const why =
      factory === undefined ? 'The partition table has no factory partition' : `There are ${apps.length} apps`;
    throw fail('NO_FACTORY', `${why}: provisioning mode puts one app into factory.`, {
      hint: 'Use a table with a factory partition and one app, or flash the files as they are.',
      detail: { field: 'mode', value: 'provisioning', apps: apps.map(({ name }) => name) },
    });
  }
  const erase = [otadataOf(table), ...otaSlots(table)].flatMap((partition) => {
    if (partition === undefined) return [];
    const { label, offset, size, type } = partition;
    return [{ name: label, offset, size: type === PARTITION_APP ? SECTOR : size }];
  });
  return { regions: placed(regions, factory), erase, keep: [] };
}

/**
 * The app goes into the first OTA slot and otadata chooses it, with sequence 1; a factory partition keeps what it has.
 * A table without OTA slots has it in factory.
 */
function direct(regions: readonly Region[], table: PartitionTable): ModeChange {
  const apps = regions.filter(({ kind }) => kind === 'app');
  if (apps.length !== 1) {
    throw noSlot(`There are ${apps.length} apps: direct mode flashes one.`, apps.length);
  }
  const [slots, factory, otadata] = [otaSlots(table), factoryOf(table), otadataOf(table)];
  const home = slots[0] ?? factory;
  if (home === undefined) throw noSlot('The partition table has neither an OTA slot nor a factory partition.', null);
  if (slots.length === 0) {
    const erase = otadata === undefined ? [] : [{ name: otadata.label, offset: otadata.offset, size: otadata.size }];
    return { regions: placed(regions, home), erase, keep: [] };
  }
  if (otadata === undefined && factory !== undefined) {
    const what = `without otadata the bootloader starts "${factory.label}", never "${home.label}"`;
    throw noSlot(`The partition table has no otadata partition: ${what}.`, null);
  }
  const choice = otadata && {
    offset: otadata.offset,
    data: encodeOtadata({ slot: 0, slots: slots.length }),
    name: otadata.label,
    kind: 'otadata' as const,
  };
  return {
    regions: [...placed(regions, home), ...(choice === undefined ? [] : [choice])],
    erase: [],
    keep: factory === undefined ? [] : [factory.label],
  };
}

function noSlot(message: string, apps: number | null): Error {
  return fail('NO_SLOT', message, {
    hint: 'Use one app and a table with otadata and ota_0, or with factory alone; or flash the files as they are.',
    detail: { field: 'mode', value: 'direct', apps },
  });
}
