import { buildImage } from '../../../../lib/esp/formats/build-image.ts';
import { encodeOtadata } from '../../../../lib/esp/formats/otadata.ts';
import { encodePartitionTable } from '../../../../lib/esp/formats/partition-binary.ts';
import { parsePartitionCsv } from '../../../../lib/esp/formats/partition-csv.ts';
import type { ImageSet, Region, RegionKind } from '../../../../lib/esp/types.ts';

export const TABLE_CSV = `# Name, Type, SubType, Offset, Size
nvs,      data, nvs,     0x9000,   0x6000
otadata,  data, ota,     0xf000,   0x2000
phy_init, data, phy,     0x11000,  0x1000
factory,  app,  factory, 0x20000,  0x100000
ota_0,    app,  ota_0,   0x120000, 0x100000
ota_1,    app,  ota_1,   0x220000, 0x100000
`;

export const tableBytes = encodePartitionTable(parsePartitionCsv(TABLE_CSV));
export const bootloader = buildImage({ kind: 'bootloader', chip: 'ESP32-C3', size: 20_000 });
export const app = buildImage({ kind: 'app', chip: 'ESP32-C3', project: 'blink', version: '1.2.3', size: 60_000 });

export function region(offset: number, data: Uint8Array, name: string, kind: RegionKind = 'data'): Region {
  return { offset, data, name, kind };
}

export function bytes(length: number, value = 0x5a): Uint8Array {
  return new Uint8Array(length).fill(value);
}

export function imageSet(regions: Region[], more: Partial<ImageSet> = {}): ImageSet {
  return { name: 'test set', source: 'files', regions, erase: [], ...more };
}

/** Bootloader, table, data and app for an ESP32-C3, in an order that is not the one to write in. */
export function wholeSet(): ImageSet {
  return imageSet(
    [
      region(0, bootloader, 'bootloader.bin', 'bootloader'),
      region(0x20000, app, 'app.bin', 'app'),
      region(0x8000, tableBytes, 'partition-table.bin', 'partition-table'),
      region(0x9000, bytes(0x6000), 'nvs.bin', 'nvs'),
      region(0xf000, bytes(0x2000, 0xff), 'ota_data_initial.bin', 'otadata'),
    ],
    { chip: 'esp32c3' },
  );
}

export const otaSlot0 = encodeOtadata({ slot: 0, slots: 2 });
