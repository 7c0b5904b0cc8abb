import { isKeywayError } from '../../errors/index.ts';
import {
  chooseBootSlot,
  DEFAULT_TABLE_OFFSET,
  decodePartitionTable,
  type EspImage,
  OTADATA_BYTES,
  PARTITION_APP,
  PARTITION_DATA,
  PARTITION_TABLE_BYTES,
  type Partition,
  type PartitionTable,
  SUBTYPE_DATA_OTA,
  SUBTYPE_FACTORY,
  SUBTYPE_OTA_FIRST,
  subtypeName,
} from '../../esp/index.ts';
import type { ChipContext } from '../chip/context.ts';
import { loadApp } from './app-stage.ts';
import { hasOneCore } from './cores.ts';
import { type BootEnd, type BootScript, hex } from './script.ts';

/** Frequencies of an image header, in MHz. */
const SPEEDS: Readonly<Record<number, number>> = { 15: 80, 0: 40, 1: 26, 2: 20 };

/**
 * ESP-IDF's second-stage bootloader: partition table, otadata, then the app that they choose, or the next one that
 * holds a sound image (bootloader_utility.c).
 */
export function runBootloader(context: ChipContext, image: EspImage, script: BootScript): BootEnd {
  const { flash, encryption, model, revision } = context;
  const idf = image.bootloader?.idfVersion ?? 'unknown';
  const flashSize = image.flashSize ?? flash.size;
  script.wait(18);
  script.log('I', 'boot', `ESP-IDF ${idf} 2nd stage bootloader`);
  if (image.bootloader !== null) script.log('I', 'boot', `compile time ${image.bootloader.dateTime}`);
  if (!hasOneCore(model)) script.log('I', 'boot', 'Multicore bootloader');
  script.log('I', 'boot', `chip revision: v${revision.major}.${revision.minor}`);
  script.log('I', `boot.${model.id}`, `SPI Speed      : ${SPEEDS[image.flashFrequency] ?? SPEEDS[0]}MHz`);
  script.log('I', `boot.${model.id}`, `SPI Mode       : ${image.flashMode ?? 'DIO'}`);
  script.log('I', `boot.${model.id}`, `SPI Flash Size : ${flashSize / 0x100000}MB`);
  if (flashSize > flash.size) {
    script.log('W', `boot.${model.id}`, `Flash chip has ${flash.size / 0x100000}MB, less than the header says`);
  }
  script.log('I', 'boot', 'Enabling RNG early entropy source...');
  const table = readTable(context, script, Math.min(flashSize, flash.size));
  if (table === null) {
    script.log('E', 'boot', 'Failed to verify partition table');
    script.log('E', 'boot', 'load partition table error!');
    return 'software';
  }
  printTable(table, script);
  const otadata = table.find(({ type, subtype }) => type === PARTITION_DATA && subtype === SUBTYPE_DATA_OTA);
  const select =
    otadata === undefined || otadata.size < OTADATA_BYTES ? null : encryption.view(otadata.offset, otadata.size);
  const choice = chooseBootSlot(table, select);
  if (choice.reason === 'blank' && choice.order.length > 0) {
    script.log('I', 'boot', 'Defaulting to factory image');
  } else if (choice.reason === 'damaged') {
    script.log('E', 'boot', 'ota data partition invalid, falling back to factory');
  }
  for (const partition of choice.order) {
    const app = loadApp(context, table, partition, script);
    if (app !== null) return app(script);
    script.log('E', 'boot', `${describe(partition)} is not bootable`);
  }
  script.log('E', 'boot', 'No bootable app partitions in the partition table');
  return 'software';
}

function readTable({ encryption }: ChipContext, script: BootScript, flashSize: number): PartitionTable | null {
  const bytes = encryption.view(DEFAULT_TABLE_OFFSET, PARTITION_TABLE_BYTES);
  try {
    const table = decodePartitionTable(bytes);
    const beyond = table.findIndex(({ offset, size }) => offset + size > flashSize);
    const entry = table[beyond];
    if (entry === undefined) return table;
    const where = `offset ${hex(entry.offset)} size ${hex(entry.size)}`;
    script.log('E', 'flash_parts', `partition ${beyond} invalid - ${where} exceeds flash chip size ${hex(flashSize)}`);
  } catch (error) {
    if (!isKeywayError(error)) throw error;
    script.log('E', 'flash_parts', error.message);
  }
  return null;
}

function printTable(table: PartitionTable, script: BootScript): void {
  script.log('I', 'boot', 'Partition Table:');
  script.log('I', 'boot', '## Label            Usage          Type ST Offset   Length');
  for (const [index, { label, type, subtype, offset, size }] of table.entries()) {
    const two = (value: number): string => value.toString(16).padStart(2, '0');
    const eight = (value: number): string => value.toString(16).padStart(8, '0');
    const where = `${two(type)} ${two(subtype)} ${eight(offset)} ${eight(size)}`;
    script.log(
      'I',
      'boot',
      `${String(index).padStart(2)} ${label.padEnd(16)} ${usage(type, subtype).padEnd(16)} ${where}`,
    );
  }
  script.log('I', 'boot', 'End of partition table');
}

function usage(type: number, subtype: number): string {
  if (type === PARTITION_APP) {
    if (subtype === SUBTYPE_FACTORY) return 'factory app';
    return subtype >= SUBTYPE_OTA_FIRST ? 'OTA app' : 'Unknown app';
  }
  if (type !== PARTITION_DATA) return 'Unknown data';
  const names: Readonly<Record<string, string>> = {
    ota: 'OTA data',
    phy: 'RF data',
    nvs: 'WiFi data',
    nvs_keys: 'NVS keys',
  };
  return names[subtypeName(type, subtype)] ?? 'Unknown data';
}

function describe({ subtype }: Partition): string {
  return subtype === SUBTYPE_FACTORY
    ? 'Factory app partition'
    : `OTA app partition slot ${subtype - SUBTYPE_OTA_FIRST}`;
}
