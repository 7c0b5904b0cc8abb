import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { fail } from '../errors.ts';

/**
 * A journal is a row of records: length of the content (u32), CRC-32 (u32), number (u32), all little-endian, and the
 * content, JSON in UTF-8. The CRC covers number and content and begins with the file's salt, which the first record
 * tells: bytes that an older file left on the disk are never taken for records of this one.
 */
const HEAD_BYTES = 12;
const KIND = 'keyway-provisioner-journal';
const VERSION = 1;
/** Far beyond every record of ours. */
const CONTENT_MOST = 1 << 20;

/** Where a record's content lies. */
export interface Found {
  readonly at: number;
  readonly content: Buffer;
}

export interface Scan {
  /** Without the first one. */
  readonly records: readonly Found[];
  /** Bytes up to the end of the last whole record. */
  readonly good: number;
  readonly salt: number;
}

/** Bytes before the content of a record. */
export const RECORD_HEAD = HEAD_BYTES;

/** The first record of a new file. */
export function firstRecord(): { bytes: Buffer; salt: number } {
  const salt = randomBytes(8).toString('hex');
  const content = Buffer.from(JSON.stringify({ kind: KIND, version: VERSION, salt }));
  return { bytes: encodeRecord(content, 0, 0), salt: saltOf(salt) };
}

export function encodeRecord(content: Uint8Array, number: number, salt: number): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + content.length);
  bytes.writeUInt32LE(content.length, 0);
  bytes.writeUInt32LE(number, 8);
  bytes.set(content, HEAD_BYTES);
  bytes.writeUInt32LE(crc32(bytes.subarray(8), salt), 4);
  return bytes;
}

/**
 * Reads a journal up to the first record that is not whole: what follows was being written when the power went.
 * @throws STORE_DAMAGED, STORE_NEWER: its first record, which was on the disk before the file got its name
 */
export function scanRecords(bytes: Buffer, name: string): Scan {
  const first = recordAt(bytes, 0, 0, 0);
  const { version, salt } = first === undefined ? { version: undefined, salt: '' } : headOf(first, name);
  if (first === undefined || version === undefined) {
    throw fail('STORE_DAMAGED', `${name} in the store is no journal of a provisioner, or its beginning is damaged.`, {
      hint: 'Restore it with the key file beside it from a backup, or move both away: then the slot is empty.',
      detail: { field: 'file', value: name },
    });
  }
  const seed = saltOf(salt);
  const records: Found[] = [];
  let at = HEAD_BYTES + first.length;
  for (;;) {
    const content = recordAt(bytes, at, records.length + 1, seed);
    if (content === undefined) return { records, good: at, salt: seed };
    records.push({ at: at + HEAD_BYTES, content });
    at += HEAD_BYTES + content.length;
  }
}

function recordAt(bytes: Buffer, at: number, number: number, salt: number): Buffer | undefined {
  if (at + HEAD_BYTES > bytes.length) return undefined;
  const length = bytes.readUInt32LE(at);
  const end = at + HEAD_BYTES + length;
  if (length === 0 || length > CONTENT_MOST || end > bytes.length || bytes.readUInt32LE(at + 8) !== number) {
    return undefined;
  }
  if (crc32(bytes.subarray(at + 8, end), salt) !== bytes.readUInt32LE(at + 4)) return undefined;
  return bytes.subarray(at + HEAD_BYTES, end);
}

function headOf(content: Buffer, name: string): { version: number | undefined; salt: string } {
  const { kind, version, salt } = JSON.parse(content.toString()) as Record<string, unknown>;
  if (kind === KIND && typeof version === 'number' && version > VERSION) {
    throw fail('STORE_NEWER', `${name} in the store has version ${version}; this release knows ${VERSION}.`, {
      hint: 'Update Keyway.',
      detail: { field: 'file', value: name, version },
    });
  }
  const ours = kind === KIND && version === VERSION && typeof salt === 'string';
  return { version: ours ? VERSION : undefined, salt: ours ? salt : '' };
}

function saltOf(text: string): number {
  return crc32(Buffer.from(text, 'latin1'));
}
