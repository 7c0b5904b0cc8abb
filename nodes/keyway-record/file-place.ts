import { lstat, mkdir, realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { codeOf, isKeywayError } from '../../lib/errors/index.ts';
import { fail } from '../shared/errors.ts';

/** Where the files of records lie, below Node-RED's user folder. */
const FOLDER = 'records';

/**
 * The file that a name stands for. A relative one lies in the folder `records` of Node-RED's user folder, whoever
 * named it; another path is taken only when a person typed it into the node (`typed`).
 *
 * @throws FILE_NOT_ALLOWED
 */
export async function placeFor(name: string, typed: boolean, userDir: string | undefined): Promise<string> {
  if (/\p{Cc}/u.test(name)) throw notAllowed(name, 'it holds control characters');
  if (isAbsolute(name)) {
    if (typed) return resolve(name);
    throw notAllowed(name, 'it is an absolute path that was not typed into the node');
  }
  if (userDir === undefined || userDir === '') throw notAllowed(name, 'Node-RED names no user folder');
  const folder = join(resolve(userDir), FOLDER);
  const path = resolve(folder, name);
  if (!isBelow(path, folder)) throw notAllowed(name, `it leads out of the folder ${FOLDER}`);
  // A symbolic link below the folder may lead out of it too: nothing is made before that is known.
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const root = await realpath(folder);
    const above = await existing(dirname(path));
    if (above !== root && !isBelow(above, root)) throw leavesByLink(name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    if ((await lstat(path).catch(() => undefined))?.isSymbolicLink() === true) throw leavesByLink(name);
    return path;
  } catch (error) {
    throw isKeywayError(error) ? error : notAllowed(name, `its folder cannot be made (${codeOf(error)})`, error);
  }
}

/** Where the deepest folder of a path that is there really lies. */
async function existing(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    return await existing(dirname(path));
  }
}

function leavesByLink(name: string): Error {
  return notAllowed(name, `a link in its path leads out of the folder ${FOLDER}`);
}

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function notAllowed(name: string, why: string, cause?: unknown): Error {
  return fail('FILE_NOT_ALLOWED', `The file "${name.slice(0, 120)}" is not written: ${why}.`, {
    hint: `Name a file below the folder ${FOLDER} of Node-RED's user folder, or type the whole path into the node.`,
    detail: { field: 'file', value: name },
    ...(cause === undefined ? {} : { cause }),
  });
}
