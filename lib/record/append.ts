import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, isKeywayError } from '../errors/index.ts';
import { type Cell, formatRow, parseRow, unguard } from './csv.ts';
import { fail } from './errors.ts';
import { completeRow, rowText, scanRows } from './scan.ts';

/** A record as it is appended: its columns in their order. */
export type FlatRecord = Readonly<Record<string, Cell>>;

/** What is to be written, and whether still. */
export interface AppendOptions {
  /** The columns, in order; those that the record lacks are blank. Default: those of the record. */
  columns?: readonly string[];
  /** Ends the wait for other writers; a write that has begun is finished. */
  signal?: AbortSignal;
}

/** What came of it. */
export interface Appended {
  /** The file, as an absolute path. */
  readonly path: string;
  /** The file is new. */
  readonly created: boolean;
  /** The last row of the file had been torn, and was completed with blanks. */
  readonly repaired: boolean;
  /** Bytes of the file now. */
  readonly size: number;
}

/** A file that ended in a complete row when this process last wrote it. */
interface Known {
  readonly columns: readonly string[];
  readonly size: number;
  readonly changed: number;
  readonly inode: number;
}

const REMEMBERED = 100;
const known = new Map<string, Known>();
const queues = new Map<string, Promise<unknown>>();

/**
 * Appends a record as one row of a CSV file (RFC 4180, UTF-8), and returns when the disk has it. A new file gets a
 * header and the mode 0600, a new folder 0700. A row that a power cut tore is completed first; complete rows are never
 * touched. The file's order of columns holds; all writers of this process wait for each other.
 *
 * @throws BAD_RECORD, RECORD_COLUMNS, RECORD_FILE; the reason of `signal`. Nothing of the row is left in the file then.
 */
export async function appendRecord(path: string, record: FlatRecord, options: AppendOptions = {}): Promise<Appended> {
  const columns = columnsOf(record, options.columns);
  // What cannot be written is refused before a file is made for it.
  formatRow(columns.map((column) => ({ column, value: record[column] })));
  const file = await placeOf(resolve(path));
  const before = queues.get(file);
  const work = (before ?? Promise.resolve()).then(async () => {
    options.signal?.throwIfAborted();
    return await appendTo(file, record, columns);
  });
  const settled = work.catch(() => undefined);
  queues.set(file, settled);
  void settled.then(() => {
    if (queues.get(file) === settled) queues.delete(file);
  });
  return await work;
}

function columnsOf(record: FlatRecord, chosen: readonly string[] | undefined): readonly string[] {
  if (record === null || typeof record !== 'object' || Array.isArray(record) || ArrayBuffer.isView(record)) {
    throw fail('BAD_RECORD', 'The record is no object.', {
      hint: 'A record is an object with a text or a number for each column, as a flash node makes it in msg.record.',
      detail: { field: 'record' },
    });
  }
  const columns = chosen ?? Object.keys(record);
  if (columns.length === 0 || columns.includes('') || new Set(columns).size !== columns.length) {
    throw fail('BAD_RECORD', 'The record has no columns, one without a name, or one twice.', {
      hint: 'Give each column a name of its own.',
      detail: { field: 'record', columns },
    });
  }
  return columns;
}

/** One spelling a file. Its folder is made where it is missing. */
async function placeOf(path: string): Promise<string> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return await realpath(path).catch(async () => join(await realpath(dirname(path)), basename(path)));
  } catch (error) {
    throw fileError(path, error);
  }
}

async function appendTo(path: string, record: FlatRecord, columns: readonly string[]): Promise<Appended> {
  const there = await stat(path).catch(() => undefined);
  // Opening a pipe would wait for somebody at its other end.
  if (there !== undefined && !there.isFile()) throw fileError(path, undefined);
  let file: FileHandle | undefined;
  try {
    const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT;
    file = await open(path, flags, 0o600);
    const done = await appendRow(file, path, record, columns);
    await file.close();
    if (there === undefined) await syncFolder(dirname(path));
    return { ...done, created: there === undefined };
  } catch (error) {
    known.delete(path);
    await file?.close().catch(() => undefined);
    throw isKeywayError(error) ? error : fileError(path, error);
  }
}

async function appendRow(
  file: FileHandle,
  path: string,
  record: FlatRecord,
  columns: readonly string[],
): Promise<Omit<Appended, 'created'>> {
  const state = (await remembered(file, path)) ?? (await examine(file, path, columns));
  checkColumns(path, state.columns, columns);
  const row = formatRow(state.columns.map((column) => ({ column, value: record[column] })));
  if (state.kept < state.size) await file.truncate(state.kept);
  try {
    await writeAll(file, Buffer.concat([state.before, Buffer.from(row)]));
    await file.datasync();
  } catch (error) {
    // Half a row is worse than none.
    await file.truncate(state.kept).catch(() => undefined);
    throw error;
  }
  const after = await file.stat();
  if (known.size >= REMEMBERED) known.clear();
  known.set(path, { columns: state.columns, size: after.size, changed: after.mtimeMs, inode: after.ino });
  return { path, repaired: state.torn, size: after.size };
}

/** Where and after what the next row goes. */
interface State {
  readonly columns: readonly string[];
  readonly size: number;
  /** Bytes that stay: less than `size` where a power cut left zeros or half a character. */
  readonly kept: number;
  /** The header of a new file, or what makes a torn row whole. */
  readonly before: Uint8Array;
  readonly torn: boolean;
}

const NOTHING = new Uint8Array();

/** A file that nobody else wrote to since need not be read again. */
async function remembered(file: FileHandle, path: string): Promise<State | undefined> {
  const last = known.get(path);
  if (last === undefined) return undefined;
  const { size, mtimeMs, ino } = await file.stat();
  if (size !== last.size || mtimeMs !== last.changed || ino !== last.inode) return undefined;
  return { columns: last.columns, size, kept: size, before: NOTHING, torn: false };
}

async function examine(file: FileHandle, path: string, columns: readonly string[]): Promise<State> {
  const { size, header, end, torn, quoted } = await scanRows(file);
  if (header === null) {
    const line = Buffer.from(formatRow(columns.map((column) => ({ column, value: column }))));
    if (!line.subarray(0, torn.length).equals(torn)) {
      const found = parseRow(rowText(torn)).map(unguard);
      checkColumns(path, found, columns);
      return examined(found);
    }
    return { columns, size, kept: torn.length, before: line.subarray(torn.length), torn: torn.length > 0 };
  }
  return examined(parseRow(header).map(unguard));

  function examined(found: readonly string[]): State {
    if (torn.length === 0) return { columns: found, size, kept: end, before: NOTHING, torn: false };
    const { kept, rest } = completeRow(torn, quoted, found.length);
    return { columns: found, size, kept: end + kept, before: rest, torn: true };
  }
}

function checkColumns(path: string, found: readonly string[], wanted: readonly string[]): void {
  const missing = wanted.filter((column) => !found.includes(column));
  const extra = found.filter((column) => !wanted.includes(column));
  if (missing.length === 0 && extra.length === 0 && found.length === wanted.length) return;
  const lacks = missing.length === 0 ? '' : ` It lacks ${missing.join(', ')}.`;
  const has = extra.length === 0 ? '' : ` It has ${extra.map((name) => name.slice(0, 40)).join(', ')} besides.`;
  throw fail('RECORD_COLUMNS', `The file ${path} has other columns than the record.${lacks}${has}`, {
    hint: 'Name another file, or move this one away: a new one begins with the right header.',
    detail: { field: 'file', value: path, missing, extra },
  });
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at)).bytesWritten;
}

/** So that the name of a new file outlives a power cut too. Not every system lets a folder be opened. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

function fileError(path: string, cause: unknown): Error {
  const reason = cause === undefined ? 'it is no plain file' : codeOf(cause);
  return fail('RECORD_FILE', `The file ${path} cannot be written: ${reason}.`, {
    hint: 'Check the path, the free space, and whether Node-RED may write there.',
    detail: { field: 'file', value: path },
    ...(cause === undefined ? {} : { cause }),
  });
}
