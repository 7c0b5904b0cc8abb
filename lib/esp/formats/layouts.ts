import { chipByName } from '../chips.ts';
import { fail } from '../errors.ts';
import type { EraseRange, ImageSet, Region } from '../types.ts';
import { SECTOR } from '../units.ts';
import { buildImage } from './build-image.ts';
import type { DemoIdentity } from './demo-mark.ts';
import { encodeOtadata, otaSlots } from './otadata.ts';
import { encodePartitionTable } from './partition-binary.ts';
import { parsePartitionCsv } from './partition-csv.ts';
import { DEFAULT_TABLE_OFFSET, type Partition, type PartitionTable } from './partition-rules.ts';
import { PARTITION_DATA, SUBTYPE_DATA_OTA } from './partition-types.ts';

/** The same text as firmware/partitions/provisioning-4mb.csv, at hand where there are no files. */
export const PROVISIONING_4MB_CSV = `\
# Provisioning layout for 4 MB of flash: the bootstrap app lives in factory, releases go to the two OTA slots.
# Name, Type, SubType, Offset, Size, Flags
nvs, data, nvs, 0x9000, 24K,
nvs_keys, data, nvs_keys, 0xf000, 4K, encrypted
otadata, data, ota, 0x10000, 8K,
phy_init, data, phy, 0x12000, 4K,
factory, app, factory, 0x20000, 1152K,
ota_0, app, ota_0, 0x140000, 1408K,
ota_1, app, ota_1, 0x2a0000, 1408K,
`;

/**
 * What must be erased so that the bootloader starts factory: it follows otadata, and from a slot that was selected
 * once it may fall back to another slot that still holds an image. So otadata, and the first sector of every slot.
 */
export function factoryErase(table: PartitionTable): EraseRange[] {
  const otadata = table.filter(({ type, subtype }) => type === PARTITION_DATA && subtype === SUBTYPE_DATA_OTA);
  return [
    ...otadata.map(({ offset, size, label }) => ({ offset, size, name: label })),
    ...otaSlots(table).map(({ offset, label }) => ({ offset, size: SECTOR, name: `${label}, first sector` })),
  ];
}

export interface DemoSetOptions {
  /** Default "1.0.0". */
  readonly version?: string;
  /** Default "keyway-demo". */
  readonly project?: string;
  /** Of the app, in bytes. Default 192 KB. */
  readonly size?: number;
  readonly fill?: 'app-like' | 'zero';
  readonly seed?: number;
  /** What the app prints when it runs on the virtual bench, a log line a line. */
  readonly message?: string;
  /** The identity that the app looks for in NVS then, and says what it found. Default: none. */
  readonly identity?: DemoIdentity;
}

const DEMO_APP_BYTES = 192 * 1024;
const DEMO_BOOTLOADER_BYTES = 20 * 1024;

function find(table: PartitionTable, label: string): Partition {
  const partition = table.find((entry) => entry.label === label);
  if (partition === undefined) throw fail('BAD_BUILD', `The demo layout has no partition "${label}".`);
  return partition;
}

/**
 * A whole set of demo images for a chip, in the provisioning layout: bootloader, partition table and app.
 * `factory`: the app in factory, otadata and the first sector of every OTA slot erased. `ota`: the app in ota_0 and
 * otadata that selects it; factory is left as it is.
 * @throws UNKNOWN_CHIP, BAD_BUILD
 */
export function demoImageSet(
  chip: string,
  layout: 'factory' | 'ota' = 'factory',
  options: DemoSetOptions = {},
): ImageSet {
  const { version = '1.0.0', project = 'keyway-demo', size = DEMO_APP_BYTES } = options;
  const bootloader = buildImage({ kind: 'bootloader', chip, size: DEMO_BOOTLOADER_BYTES });
  const family = chipByName(chip);
  const table = parsePartitionCsv(PROVISIONING_4MB_CSV, { flashSize: 4 << 20 });
  const slot = find(table, layout === 'factory' ? 'factory' : 'ota_0');
  const app = buildImage({
    message: `Hello from ${project} ${version}`,
    ...options,
    kind: 'app',
    chip,
    version,
    project,
    size,
  });
  if (app.length > slot.size) {
    throw fail('BAD_BUILD', `The app has ${app.length} bytes, partition "${slot.label}" holds ${slot.size}.`, {
      detail: { field: 'size', value: size },
    });
  }
  const regions: Region[] = [
    { offset: family?.bootloaderOffset ?? 0, data: bootloader, name: 'bootloader', kind: 'bootloader' },
    {
      offset: DEFAULT_TABLE_OFFSET,
      data: encodePartitionTable(table),
      name: 'partition table',
      kind: 'partition-table',
    },
    { offset: slot.offset, data: app, name: slot.label, kind: 'app' },
  ];
  if (layout === 'ota') {
    const data = encodeOtadata({ slot: 0, slots: otaSlots(table).length });
    regions.push({ offset: find(table, 'otadata').offset, data, name: 'otadata', kind: 'otadata' });
  }
  const set = { name: project, version, chip: family?.name ?? chip, source: 'built' as const, regions };
  return { ...set, erase: layout === 'factory' ? factoryErase(table) : [] };
}
