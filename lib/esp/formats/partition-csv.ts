import { hex, SECTOR } from '../units.ts';
import {
  alignmentOf,
  badTable,
  checkPartitionTable,
  DEFAULT_TABLE_OFFSET,
  MAX_PARTITIONS,
  type Partition,
  type PartitionTable,
  type PartitionTableOptions,
} from './partition-rules.ts';
import {
  PARTITION_BOOTLOADER,
  PARTITION_TABLE,
  subtypeByName,
  subtypeName,
  subtypeNames,
  typeByName,
  typeName,
  typeNames,
} from './partition-types.ts';

export interface PartitionCsvOptions extends PartitionTableOptions {
  /** Where the bootloader lies, for an entry `bootloader, primary` that leaves its offset blank. */
  readonly bootloaderOffset?: number;
}

const FIELDS = ['name', 'type', 'subtype', 'offset', 'size', 'flags'] as const;
/** Far beyond what 95 entries need; keeps nonsense from being parsed for seconds. */
const MAX_TEXT = 1 << 20;

interface Row {
  readonly where: string;
  readonly label: string;
  readonly type: number;
  readonly subtype: number;
  readonly offset: number | null;
  /** Negative: the partition ends at that offset. */
  readonly size: number | null;
  readonly encrypted: boolean;
  readonly readonly: boolean;
}

/**
 * Reads a partition table in ESP-IDF's CSV: `name, type, subtype, offset, size, flags` a line, `#` comments, blank
 * offsets that follow on, hex, K and M suffixes, a negative size that names the end, flags `encrypted:readonly`.
 * @throws BAD_PARTITION_TABLE naming line, field and value
 */
export function parsePartitionCsv(text: string, options: PartitionCsvOptions = {}): PartitionTable {
  if (text.length > MAX_TEXT) {
    throw badTable('the whole', 'text', text.length, `the text has ${text.length} characters, at most ${MAX_TEXT}`);
  }
  const rows: Row[] = [];
  text.split(/\r\n|\r|\n/).forEach((line, index) => {
    const trimmed = line.replace(/^\ufeff/, '').trim();
    if (trimmed === '' || trimmed.startsWith('#')) return;
    rows.push(parseRow(trimmed, `line ${index + 1}`));
    if (rows.length > MAX_PARTITIONS) {
      const what = `it has more than ${MAX_PARTITIONS} entries`;
      throw badTable(`line ${index + 1}`, 'entries', rows.length, what);
    }
  });
  const table = place(rows, options);
  checkPartitionTable(table, options, (index) => rows[index]?.where ?? 'the whole');
  return table;
}

function parseRow(line: string, where: string): Row {
  const fields = line.split(',').map((field) => field.trim());
  const extra = fields.slice(FIELDS.length).find((field) => field !== '');
  if (extra !== undefined) {
    throw badTable(where, 'flags', extra, `"${extra}" stands behind the flags column`, `columns: ${FIELDS.join(', ')}`);
  }
  const [label = '', type = '', subtype = '', offset = '', size = '', flags = ''] = fields;
  const typeNumber = parseType(type, where);
  const words = flags.split(':').filter((flag) => flag !== '');
  for (const flag of words) {
    if (flag === 'encrypted' || flag === 'readonly') continue;
    throw badTable(
      where,
      'flags',
      flag,
      `flag "${flag}" is not known`,
      'flags: encrypted, readonly, joined by a colon',
    );
  }
  const sizeNumber = parseNumber(size, where, 'size', true);
  if (sizeNumber === null && typeNumber !== PARTITION_BOOTLOADER && typeNumber !== PARTITION_TABLE) {
    throw badTable(where, 'size', '', `the size of "${label}" is missing`, 'sizes look like 0x6000, 24K or 1M');
  }
  return {
    where,
    label,
    type: typeNumber,
    subtype: parseSubtype(subtype, typeNumber, where),
    offset: parseNumber(offset, where, 'offset', false),
    size: sizeNumber,
    encrypted: words.includes('encrypted'),
    readonly: words.includes('readonly'),
  };
}

function parseType(text: string, where: string): number {
  const known = typeByName(text) ?? parsePlain(text);
  if (known !== null) return known;
  const what = text === '' ? 'the type is missing' : `type "${text}" is not known`;
  throw badTable(where, 'type', text, what, `types: ${typeNames().join(', ')} or a number`);
}

function parseSubtype(text: string, type: number, where: string): number {
  if (text === '') return 0;
  const known = subtypeByName(type, text) ?? parsePlain(text);
  if (known !== null) return known;
  const names = subtypeNames(type).join(', ');
  const hint = `subtypes of ${typeName(type)}: ${names === '' ? '' : `${names} or `}a number`;
  throw badTable(where, 'subtype', text, `subtype "${text}" of type ${typeName(type)} is not known`, hint);
}

function parsePlain(text: string): number | null {
  return /^(0[xX][0-9a-fA-F]{1,8}|0|[1-9][0-9]{0,9})$/.test(text) ? Number(text) : null;
}

function parseNumber(text: string, where: string, field: string, signed: boolean): number | null {
  if (text === '') return null;
  const match = /^(-?)(.*?)([kKmM]?)$/.exec(text);
  const plain = parsePlain(match?.[2] ?? '');
  if (plain === null || (match?.[1] === '-' && !signed)) {
    throw badTable(where, field, text, `${field} "${text}" is no number`, 'numbers look like 0x9000, 4096, 24K or 1M');
  }
  const unit = { '': 1, k: 1024, m: 1024 * 1024 }[(match?.[3] ?? '').toLowerCase()] ?? 1;
  return match?.[1] === '-' ? -plain * unit : plain * unit;
}

/** Fills blank offsets and sizes in, each behind the entry before it, as ESP-IDF's generator does. */
function place(rows: readonly Row[], options: PartitionCsvOptions): Partition[] {
  const tableOffset = options.tableOffset ?? DEFAULT_TABLE_OFFSET;
  let end = tableOffset + SECTOR;
  return rows.map((row) => {
    const { where, label, type, subtype, encrypted, readonly } = row;
    const fixed = fixedPlace(row, tableOffset, options.bootloaderOffset);
    const alignment = alignmentOf(type);
    const offset = row.offset ?? fixed?.offset ?? Math.ceil(end / alignment) * alignment;
    const given = row.size ?? fixed?.size;
    if (given === undefined) throw badTable(where, 'size', '', `the size of "${label}" is missing`);
    const size = given < 0 ? -given - offset : given;
    if (given < 0 && size <= 0) {
      throw badTable(where, 'size', given, `"${label}" would end at ${hex(-given)}, before its start ${hex(offset)}`);
    }
    if (fixed === undefined) end = offset + size;
    return { label, type, subtype, offset, size, encrypted, readonly };
  });
}

/** Where the primary bootloader and table lie: they are before the first partition and move nothing. */
function fixedPlace(
  row: Row,
  tableOffset: number,
  bootloaderOffset?: number,
): { offset: number; size: number } | undefined {
  if (row.subtype !== 0) return undefined;
  if (row.type === PARTITION_TABLE) return { offset: tableOffset, size: SECTOR };
  if (row.type !== PARTITION_BOOTLOADER) return undefined;
  const offset = row.offset ?? bootloaderOffset;
  if (offset === undefined) {
    const what = `the offset of "${row.label}" is missing`;
    throw badTable(row.where, 'offset', '', what, 'it depends on the chip: state it, or name the chip');
  }
  return { offset, size: tableOffset - offset };
}

/** The table as CSV that `parsePartitionCsv` and ESP-IDF's generator read back to the same table. */
export function formatPartitionCsv(table: PartitionTable): string {
  const rows = table.map((partition) =>
    [
      partition.label,
      typeName(partition.type),
      subtypeName(partition.type, partition.subtype),
      hex(partition.offset),
      formatSize(partition.size),
      [partition.encrypted ? 'encrypted' : '', partition.readonly ? 'readonly' : ''].filter((flag) => flag).join(':'),
    ]
      .join(', ')
      .trimEnd(),
  );
  return ['# Name, Type, SubType, Offset, Size, Flags', ...rows, ''].join('\n');
}

function formatSize(size: number): string {
  if (size % (1024 * 1024) === 0) return `${size / (1024 * 1024)}M`;
  if (size % 1024 === 0) return `${size / 1024}K`;
  return hex(size);
}
