import type { KeywayErrorOptions } from '../../errors/index.ts';
import { fail, type RegistryCode } from '../errors.ts';

/** SQLite's primary result codes (sqlite.org/rescode.html) that mean something to the user. */
const MEANINGS: Readonly<Record<number, readonly [code: RegistryCode, message: string, hint: string]>> = {
  5: [
    'REGISTRY_BUSY',
    'is locked by somebody else',
    'Close the program that has the file open, such as a database browser.',
  ],
  6: [
    'REGISTRY_BUSY',
    'is locked by somebody else',
    'Close the program that has the file open, such as a database browser.',
  ],
  8: [
    'REGISTRY_READ_ONLY',
    'may not be written',
    'Let the user of this process write the file and its folder; check how the disk is mounted.',
  ],
  10: [
    'REGISTRY_IO',
    'could not be read or written: the disk failed',
    'Check the disk and the system’s log; then try again.',
  ],
  11: ['REGISTRY_DAMAGED', 'is damaged', 'Restore a backup.'],
  13: [
    'REGISTRY_FULL',
    'has no room left',
    'Free space on the disk, or raise the limit of the registry; then ask again.',
  ],
  14: ['REGISTRY_PATH', 'cannot be opened', 'Name a file in a folder that exists, or can be made, and may be written.'],
  23: ['REGISTRY_READ_ONLY', 'may not be written', 'Let the user of this process write the file and its folder.'],
  26: ['REGISTRY_DAMAGED', 'is no registry', 'Name another file.'],
};

const ERRNOS: Readonly<Record<string, number>> = {
  ENOSPC: 13,
  EDQUOT: 13,
  EFBIG: 13,
  EROFS: 8,
  EACCES: 8,
  EPERM: 8,
  EIO: 10,
  ENOENT: 14,
  ENOTDIR: 14,
  EEXIST: 14,
  EISDIR: 14,
  ELOOP: 14,
  ENAMETOOLONG: 14,
};

/** SQLITE_CONSTRAINT, of every kind. */
export function isConstraint(error: unknown): boolean {
  return primary(error) === 19;
}

/** SQLITE_IOERR: what the file holds now is known only after it was opened again. */
export function isIoError(error: unknown): boolean {
  return primary(error) === 10;
}

/** An error of SQLite's or of the file system's as one of ours. Ours pass unchanged. */
export function registryError(error: unknown, path: string): Error {
  if (error instanceof Error && error.name === 'KeywayError') return error;
  const meaning = MEANINGS[primary(error)];
  const options: KeywayErrorOptions = { cause: error, detail: { field: 'path', value: path } };
  if (meaning === undefined) {
    const words = error instanceof Error ? error.message : String(error);
    return fail('REGISTRY_FAILED', `The registry met an error it does not know: ${words}.`, {
      ...options,
      hint: 'Nothing of the request was kept. Please report this error.',
    });
  }
  return fail(meaning[0], `The registry ${path} ${meaning[1]}.`, { ...options, hint: meaning[2] });
}

function primary(error: unknown): number {
  if (typeof error !== 'object' || error === null) return -1;
  if ('errcode' in error && typeof error.errcode === 'number') return error.errcode & 0xff;
  return 'code' in error && typeof error.code === 'string' ? (ERRNOS[error.code] ?? -1) : -1;
}
