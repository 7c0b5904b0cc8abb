import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { codeOf, isKeywayError } from '../../../errors/index.ts';
import { writeSecretFile } from '../../../vault/index.ts';
import { fail } from './errors.ts';

const NAME_MOST = 120;
/** Names that Windows takes for devices, whatever follows the dot. */
const DEVICES = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Writes an export as a new file, whole or not at all: mode 0600, on the disk when this returns. The folder is made
 * (0700) where it is missing.
 *
 * @param folder an absolute path
 * @param name a plain file name: letters, digits, blanks and `. _ -`, beginning with a letter or digit
 * @returns the file's path
 * @throws BAD_EXPORT_NAME, EXPORT_FOLDER, EXPORT_EXISTS, EXPORT_FILE
 */
export async function writeExport(folder: string, name: string, bytes: Uint8Array): Promise<string> {
  checkExportName(name);
  const place = await checkFolder(folder);
  const path = join(place, name);
  try {
    await writeSecretFile(path, bytes);
  } catch (error) {
    throw fileError(path, error);
  }
  return path;
}

/** @throws BAD_EXPORT_NAME */
export function checkExportName(name: string): void {
  const plain = typeof name === 'string' && /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._-]*$/u.test(name) && !/[ .]$/.test(name);
  if (plain && Buffer.byteLength(name) <= NAME_MOST && !DEVICES.test(name)) return;
  throw fail('BAD_EXPORT_NAME', `${JSON.stringify(String(name).slice(0, 80))} is no name for an export file.`, {
    hint: 'Use letters, digits, blanks, dots, dashes and underscores; the folder is set in the node.',
    detail: { field: 'name' },
  });
}

/** The folder as it really is, so that nobody can turn a link in its path round meanwhile. @throws EXPORT_FOLDER */
async function checkFolder(folder: string): Promise<string> {
  const refuse = (what: string, cause?: unknown): Error =>
    fail('EXPORT_FOLDER', `The folder for exports ${what}.`, {
      hint: 'Name a folder by its full path that only the user of this program may write to (mode 0700).',
      detail: { field: 'folder', value: String(folder).slice(0, 200) },
      ...(cause === undefined ? {} : { cause }),
    });
  if (typeof folder !== 'string' || folder.trim() === '') throw refuse('is not set');
  if (!isAbsolute(folder) || folder.includes('\0')) throw refuse('must be a full path');
  try {
    const there = await stat(folder);
    if (!there.isDirectory()) throw refuse(`is ${folder}, which is a file`);
    // Windows keeps no such bits.
    const open = process.getuid !== undefined && (there.mode & WRITABLE_BY_OTHERS) !== 0;
    if (open) throw refuse(`is ${folder}, which others may write to`);
    return await realpath(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return folder;
    throw isKeywayError(error) ? error : refuse(`is ${folder}: ${codeOf(error)}`, error);
  }
}

function fileError(path: string, error: unknown): Error {
  const cause = error instanceof Error ? error.cause : undefined;
  const reason = codeOf(cause, codeOf(error));
  if (reason === 'EEXIST') {
    return fail('EXPORT_EXISTS', `The file ${path} is there already.`, {
      hint: 'Give the export another name; one that was made stays as it is.',
      detail: { field: 'name', value: path },
    });
  }
  return fail('EXPORT_FILE', `The file ${path} cannot be written: ${reason}.`, {
    hint: 'Check the free space, and whether Node-RED may write there. Nothing was left behind.',
    detail: { field: 'name', value: path },
    cause: error,
  });
}
