import { fail } from '../errors.ts';
import { hex, SECTOR } from '../units.ts';
import {
  PARTITION_APP,
  PARTITION_BOOTLOADER,
  PARTITION_DATA,
  PARTITION_TABLE,
  SUBTYPE_DATA_OTA,
  typeName,
} from './partition-types.ts';

/** One entry of a partition table. Offsets and sizes in bytes. */
export interface Partition {
  /** At most 16 bytes of UTF-8. */
  readonly label: string;
  readonly type: number;
  readonly subtype: number;
  readonly offset: number;
  readonly size: number;
  readonly encrypted: boolean;
  readonly readonly: boolean;
}

/** In the order of the entries, which need not be the order of the offsets. */
export type PartitionTable = readonly Partition[];

export interface PartitionTableOptions {
  /** Where the table itself lies; partitions start one sector behind it. Default 0x8000. */
  readonly tableOffset?: number;
  /** Size of the flash in bytes; given, every partition must end inside it. */
  readonly flashSize?: number;
}

export const DEFAULT_TABLE_OFFSET = 0x8000;
/** Entries that fit beside the MD5 entry into 0xC00 bytes. */
export const MAX_PARTITIONS = 95;
const APP_ALIGNMENT = 0x10000;
const OTADATA_SIZE = 0x2000;
const LABEL_BYTES = 16;

/** What an offset of this type must be a multiple of. */
export const alignmentOf = (type: number): number => (type === PARTITION_APP ? APP_ALIGNMENT : SECTOR);

/** Where an entry stands, for messages: "line 3" of a CSV, "offset 0x20" of a binary, else "entry 2". */
export type Where = (index: number) => string;
const entryNumber: Where = (index) => `entry ${index + 1}`;

/** A coded error that names the place, the field and the value. */
export function badTable(where: string, field: string, value: unknown, what: string, hint?: string): Error {
  return fail('BAD_PARTITION_TABLE', `Partition table, ${where}: ${what}.`, {
    detail: { where, field, value },
    ...(hint === undefined ? {} : { hint }),
  });
}

/**
 * Holds a table against the rules of ESP-IDF's generator and bootloader: labels, ranges, alignment, sizes, unique
 * labels, one otadata, no overlap, nothing over the table itself, nothing beyond the flash.
 * @throws BAD_PARTITION_TABLE
 */
export function checkPartitionTable(
  table: PartitionTable,
  options: PartitionTableOptions = {},
  where: Where = entryNumber,
): void {
  if (table.length === 0) throw badTable('the whole', 'entries', 0, 'it has no entries');
  if (table.length > MAX_PARTITIONS) {
    const what = `it has ${table.length} entries, at most ${MAX_PARTITIONS} fit`;
    throw badTable(where(MAX_PARTITIONS), 'entries', table.length, what);
  }
  table.forEach((partition, index) => {
    checkPartition(partition, where(index), options);
  });
  checkTogether(table, where);
}

function checkPartition(partition: Partition, where: string, options: PartitionTableOptions): void {
  const { label, type, subtype, offset, size } = partition;
  checkLabel(label, where);
  checkRange(where, 'type', type, 0, 0xfe);
  checkRange(where, 'subtype', subtype, 0, 0xfe);
  checkRange(where, 'offset', offset, 0, 0xffffffff);
  checkRange(where, 'size', size, 1, 0xffffffff);
  const alignment = alignmentOf(type);
  if (offset % alignment !== 0) {
    const what = `"${label}" starts at ${hex(offset)}, which is no multiple of ${hex(alignment)}`;
    throw badTable(
      where,
      'offset',
      offset,
      what,
      `${typeName(type)} partitions start at multiples of ${hex(alignment)}`,
    );
  }
  if (type === PARTITION_APP && size % SECTOR !== 0) {
    const what = `app "${label}" is ${hex(size)} long, which is no multiple of ${hex(SECTOR)}`;
    throw badTable(where, 'size', size, what);
  }
  const isOtadata = type === PARTITION_DATA && subtype === SUBTYPE_DATA_OTA;
  if (isOtadata && size !== OTADATA_SIZE) {
    throw badTable(where, 'size', size, `otadata "${label}" is ${hex(size)} long, it must be ${hex(OTADATA_SIZE)}`);
  }
  if (partition.readonly && (type === PARTITION_APP || isOtadata)) {
    throw badTable(where, 'flags', 'readonly', `"${label}" is written by the chip, it cannot be read-only`);
  }
  const first = (options.tableOffset ?? DEFAULT_TABLE_OFFSET) + SECTOR;
  if (offset < first && type !== PARTITION_BOOTLOADER && type !== PARTITION_TABLE) {
    const what = `"${label}" starts at ${hex(offset)}, below the first free offset ${hex(first)}`;
    throw badTable(where, 'offset', offset, what, 'the partition table and the bootloader lie there');
  }
  const end = offset + size;
  if (end > (options.flashSize ?? 2 ** 32)) {
    const what = `"${label}" ends at ${hex(end)}, beyond the flash of ${hex(options.flashSize ?? 2 ** 32)} bytes`;
    throw badTable(where, 'size', size, what, 'use a smaller table or a larger flash');
  }
}

function checkLabel(label: string, where: string): void {
  if (label === '') throw badTable(where, 'label', label, 'the name is empty');
  const bytes = new TextEncoder().encode(label).length;
  if (bytes > LABEL_BYTES) {
    throw badTable(where, 'label', label, `the name "${label}" has ${bytes} bytes, at most ${LABEL_BYTES} fit`);
  }
  // A name must survive the way to CSV and back.
  if (/[\p{Cc}\p{Cs},"$\ufffd]|^[\s#\ufeff]|\s$/u.test(label)) {
    const what = `the name "${label}" has a comma, quote, control character or a space or # at its edge`;
    throw badTable(where, 'label', label, what);
  }
}

function checkRange(where: string, field: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw badTable(where, field, value, `${field} ${value} is not between ${hex(low)} and ${hex(high)}`);
}

function checkTogether(table: PartitionTable, where: Where): void {
  const labels = new Set<string>();
  let otadata: string | undefined;
  table.forEach((partition, index) => {
    const { label } = partition;
    if (labels.has(label)) throw badTable(where(index), 'label', label, `the name "${label}" is there twice`);
    labels.add(label);
    if (partition.type !== PARTITION_DATA || partition.subtype !== SUBTYPE_DATA_OTA) return;
    if (otadata !== undefined) {
      throw badTable(where(index), 'subtype', 'ota', `"${label}" is a second otadata beside "${otadata}"`);
    }
    otadata = label;
  });
  const order = table.map((_, index) => index);
  order.sort((a, b) => (table[a] as Partition).offset - (table[b] as Partition).offset);
  let last: Partition | undefined;
  for (const index of order) {
    const next = table[index] as Partition;
    if (last && next.offset < last.offset + last.size) {
      const what = `"${next.label}" at ${hex(next.offset)} overlaps "${last.label}", which ends at ${hex(last.offset + last.size)}`;
      throw badTable(where(index), 'offset', next.offset, what);
    }
    last = next;
  }
}
