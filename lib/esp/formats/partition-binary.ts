import { md5, sameBytes, toHex } from '../digest.ts';
import { hex } from '../units.ts';
import {
  badTable,
  checkPartitionTable,
  type Partition,
  type PartitionTable,
  type PartitionTableOptions,
} from './partition-rules.ts';

/** Length of a table in flash, padded with FF; it has a 4 KB sector to itself. */
export const PARTITION_TABLE_BYTES = 0xc00;
const ENTRY = 32;
const MAGIC = 0x50aa;
const MD5_MAGIC = 0xebeb;
const LABEL_AT = 12;
const LABEL_BYTES = 16;
const FLAG_ENCRYPTED = 1;
const FLAG_READONLY = 2;

export interface DecodeTableOptions extends PartitionTableOptions {
  /** Whether a table without its MD5 entry is taken too (CONFIG_PARTITION_TABLE_MD5 off). Default false. */
  readonly withoutMd5?: boolean;
}

/**
 * The table as it lies in flash: 0xC00 bytes with its MD5 entry, byte for byte what ESP-IDF's generator makes.
 * @throws BAD_PARTITION_TABLE
 */
export function encodePartitionTable(table: PartitionTable, options: PartitionTableOptions = {}): Uint8Array {
  checkPartitionTable(table, options);
  const bytes = new Uint8Array(PARTITION_TABLE_BYTES).fill(0xff);
  const view = new DataView(bytes.buffer);
  table.forEach((partition, index) => {
    const at = index * ENTRY;
    view.setUint16(at, MAGIC, true);
    bytes[at + 2] = partition.type;
    bytes[at + 3] = partition.subtype;
    view.setUint32(at + 4, partition.offset, true);
    view.setUint32(at + 8, partition.size, true);
    bytes.fill(0, at + LABEL_AT, at + ENTRY);
    bytes.set(new TextEncoder().encode(partition.label), at + LABEL_AT);
    const flags = (partition.encrypted ? FLAG_ENCRYPTED : 0) | (partition.readonly ? FLAG_READONLY : 0);
    view.setUint32(at + 28, flags, true);
  });
  const end = table.length * ENTRY;
  view.setUint16(end, MD5_MAGIC, true);
  bytes.set(md5(bytes.subarray(0, end)), end + 16);
  return bytes;
}

/** Whether the bytes start as a partition table does. Says nothing about the rest. */
export function looksLikePartitionTable(bytes: Uint8Array): boolean {
  return bytes.length >= ENTRY && bytes[0] === 0xaa && bytes[1] === 0x50;
}

/**
 * Reads a table as it lies in flash; what stands behind its 0xC00 bytes (a signature, the rest of the sector) is
 * left alone, and so are flag bits that nobody has defined yet.
 * @throws BAD_PARTITION_TABLE naming the offset in the bytes, the field and the value
 */
export function decodePartitionTable(bytes: Uint8Array, options: DecodeTableOptions = {}): PartitionTable {
  if (bytes.length < ENTRY) {
    throw badTable('offset 0x0', 'length', bytes.length, `${bytes.length} bytes hold no entry of ${ENTRY}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const limit = Math.min(bytes.length, PARTITION_TABLE_BYTES);
  const table: Partition[] = [];
  let checked = false;
  let ended = false;
  for (let at = 0; at + ENTRY <= limit && !ended; at += ENTRY) {
    const magic = view.getUint16(at, true);
    if (magic === MD5_MAGIC && !checked) {
      checkMd5(bytes, at);
      checked = true;
    } else if (magic === 0xffff && isBlank(bytes, at)) ended = true;
    else if (magic === MAGIC && !checked) table.push(decodeEntry(bytes, view, at));
    else {
      const what = checked ? 'an entry stands behind the MD5' : `an entry starts with ${hex(magic)}, not ${hex(MAGIC)}`;
      throw badTable(`offset ${hex(at)}`, 'magic', magic, what, 'these bytes are no partition table, or a damaged one');
    }
  }
  if (!checked && options.withoutMd5 !== true) {
    throw badTable('the whole', 'md5', null, 'its MD5 entry is missing', 'a bootloader refuses such a table');
  }
  checkPartitionTable(table, options, (index) => `offset ${hex(index * ENTRY)}`);
  return table;
}

function isBlank(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + ENTRY; i++) if (bytes[i] !== 0xff) return false;
  return true;
}

function checkMd5(bytes: Uint8Array, at: number): void {
  const stored = bytes.subarray(at + 16, at + ENTRY);
  const computed = md5(bytes.subarray(0, at));
  if (sameBytes(stored, computed)) return;
  const what = `its MD5 is ${toHex(stored)}, its entries have ${toHex(computed)}`;
  throw badTable(`offset ${hex(at)}`, 'md5', toHex(stored), what, 'the table is damaged: make or read it again');
}

function decodeEntry(bytes: Uint8Array, view: DataView, at: number): Partition {
  const name = bytes.subarray(at + LABEL_AT, at + LABEL_AT + LABEL_BYTES);
  const end = name.indexOf(0);
  const flags = view.getUint32(at + 28, true);
  return {
    label: new TextDecoder('utf-8', { ignoreBOM: true }).decode(end < 0 ? name : name.subarray(0, end)),
    type: bytes[at + 2] as number,
    subtype: bytes[at + 3] as number,
    offset: view.getUint32(at + 4, true),
    size: view.getUint32(at + 8, true),
    encrypted: (flags & FLAG_ENCRYPTED) !== 0,
    readonly: (flags & FLAG_READONLY) !== 0,
  };
}
