import { otaSlots } from '../formats/otadata.ts';
import { PARTITION_APP, PARTITION_DATA, SUBTYPE_DATA_OTA, SUBTYPE_FACTORY } from '../formats/partition-types.ts';
import type { EraseRange, Region } from '../types.ts';
import { SECTOR } from '../units.ts';
import { fail } from './errors.ts';
import type { FoundTable } from './table.ts';

/**
 * Changes a set for provisioning: the app goes into `factory`, and since the bootloader follows otadata and not the
 * slots, otadata is erased, and with it the first sector of every OTA slot.
 * @throws TABLE_MISSING, NO_FACTORY.
 */
export function provision(
  regions: readonly Region[],
  found: FoundTable | null,
): { regions: readonly Region[]; erase: readonly EraseRange[] } {
  if (found === null) {
    throw fail('TABLE_MISSING', 'Provisioning mode needs the partition table among the files.', {
      hint: 'Add the partition table (usually partition-table.bin at 0x8000).',
      detail: { field: 'mode', value: 'provisioning' },
    });
  }
  const { table } = found;
  const factory = table.find(({ type, subtype }) => type === PARTITION_APP && subtype === SUBTYPE_FACTORY);
  const apps = regions.filter(({ kind }) => kind === 'app');
  if (factory === undefined || apps.length > 1) {
    const why =
      factory === undefined ? 'The partition table has no factory partition' : `There are ${apps.length} apps`;
    throw fail('NO_FACTORY', `${why}: provisioning mode puts one app into factory.`, {
      hint: 'Use a table with a factory partition and one app, or flash the files as they are.',
      detail: { field: 'mode', value: 'provisioning', apps: apps.map(({ name }) => name) },
    });
  }
  const erase = [
    ...table
      .filter(({ type, subtype }) => type === PARTITION_DATA && subtype === SUBTYPE_DATA_OTA)
      .map(({ label, offset, size }) => ({ name: label, offset, size })),
    ...otaSlots(table).map(({ label, offset }) => ({ name: label, offset, size: SECTOR })),
  ];
  return {
    regions: regions
      .filter(({ kind }) => kind !== 'otadata')
      .map((region) => (region.kind === 'app' ? { ...region, offset: factory.offset } : region)),
    erase,
  };
}
