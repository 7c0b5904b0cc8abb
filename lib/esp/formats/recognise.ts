import type { RegionKind } from '../types.ts';
import { espCrc32 } from './crc32.ts';
import { parseImage } from './image.ts';
import { decodeOtadata, OTADATA_BYTES } from './otadata.ts';
import { decodePartitionTable, looksLikePartitionTable } from './partition-binary.ts';
import type { Partition, PartitionTable } from './partition-rules.ts';
import {
  PARTITION_APP,
  PARTITION_DATA,
  SUBTYPE_DATA_NVS,
  SUBTYPE_DATA_NVS_KEYS,
  SUBTYPE_DATA_OTA,
} from './partition-types.ts';

const NVS_PAGE = 0x1000;
/** Nothing but the bootloader and what belongs to it lies below the partition table. */
const LOWEST_APP = 0x8000;

/** The table in the bytes, or null when they hold none that is sound. */
export function tryDecodeTable(bytes: Uint8Array): PartitionTable | null {
  if (!looksLikePartitionTable(bytes)) return null;
  try {
    return decodePartitionTable(bytes);
  } catch {
    return null;
  }
}

/** The partition that an offset lies in. */
export function partitionAt(table: PartitionTable | null, offset: number): Partition | undefined {
  return table?.find((partition) => offset >= partition.offset && offset < partition.offset + partition.size);
}

/**
 * What a run of bytes is: by the partition it lies in where the table is known, else by its content and offset.
 * A guess for messages, names and the order of writing; guards do their own checks.
 */
export function recogniseRegion(offset: number, bytes: Uint8Array, table: PartitionTable | null = null): RegionKind {
  if (looksLikePartitionTable(bytes)) return 'partition-table';
  const partition = partitionAt(table, offset);
  if (partition !== undefined) return kindOfPartition(partition);
  if (bytes[0] === 0xe9) return kindOfImage(offset, bytes);
  if (isOtadata(bytes)) return 'otadata';
  return isNvs(bytes) ? 'nvs' : 'data';
}

function kindOfPartition({ type, subtype }: Partition): RegionKind {
  if (type === PARTITION_APP) return 'app';
  if (type !== PARTITION_DATA) return 'data';
  if (subtype === SUBTYPE_DATA_OTA) return 'otadata';
  if (subtype === SUBTYPE_DATA_NVS_KEYS) return 'nvs-keys';
  return subtype === SUBTYPE_DATA_NVS ? 'nvs' : 'data';
}

function kindOfImage(offset: number, bytes: Uint8Array): RegionKind {
  try {
    const { kind } = parseImage(bytes, { hash: false });
    if (kind !== 'unknown') return kind;
  } catch {
    // Not whole: its place must do.
  }
  return offset < LOWEST_APP ? 'bootloader' : 'app';
}

function isOtadata(bytes: Uint8Array): boolean {
  if (bytes.length !== OTADATA_BYTES) return false;
  const { entries } = decodeOtadata(bytes);
  const rest = [bytes.subarray(32, 0x1000), bytes.subarray(0x1020)];
  return (
    rest.every((run) => run.every((byte) => byte === 0xff)) &&
    entries.some((entry) => entry !== null) &&
    entries.every((entry) => entry === null || entry.crcValid)
  );
}

/** A page header of NVS: version 1 or 2 and the checksum of bytes 4 to 27. */
function isNvs(bytes: Uint8Array): boolean {
  if (bytes.length < NVS_PAGE || bytes.length % NVS_PAGE !== 0) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32);
  return view.getUint8(8) >= 0xfe && view.getUint32(28, true) === espCrc32(bytes.subarray(4, 28));
}
