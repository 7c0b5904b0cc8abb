import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, type FileHandle, link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, isKeywayError } from '../../errors/index.ts';
import { wipe } from '../bytes.ts';
import { fail } from '../errors.ts';
import { KEY_TEXT_MOST, newKeyText, readKeyText } from './key.ts';

/** Bits of a mode that let others than the owner in. */
const OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
/** File systems that know no hard links answer so. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/**
 * Writes a file whole or not at all: 0600, its folder made 0700, on the disk when this returns.
 * @param options.replace whether a file of that name gives way; default false
 * @throws KEYSTORE_FILE
 */
export async function writeSecretFile(
  path: string,
  bytes: Uint8Array,
  options: { readonly replace?: boolean } = {},
): Promise<void> {
  const file = resolve(path);
  const folder = dirname(file);
  const temporary = join(folder, `.${basename(file)}.${randomBytes(8).toString('hex')}.tmp`);
  try {
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (made !== undefined) await chmod(folder, 0o700);
    await create(temporary, bytes);
    try {
      if (options.replace === true) await rename(temporary, file);
      else await linkOrCreate(temporary, file, bytes);
    } finally {
      await rm(temporary, { force: true });
    }
    await syncFolder(folder);
  } catch (error) {
    throw fileError(path, error, 'written');
  }
}

/** A new name for the file, which must be free: a rename would push another one aside. */
async function linkOrCreate(temporary: string, file: string, bytes: Uint8Array): Promise<void> {
  try {
    await link(temporary, file);
  } catch (error) {
    if (!NO_LINKS.includes(codeOf(error))) throw error;
    await create(file, bytes);
  }
}

async function create(path: string, bytes: Uint8Array): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
  const file = await open(path, flags, 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows has no handle of a folder that could be synced.
  const folder = await open(path, constants.O_RDONLY).catch(() => undefined);
  if (folder === undefined) return;
  try {
    await folder.sync();
  } catch {
    // Some file systems refuse; the file itself is on the disk.
  } finally {
    await folder.close();
  }
}

/**
 * Makes a file with a new key for a keystore. One that exists is never overwritten: with it all that it sealed would
 * be lost.
 * @param options.demo a key for demonstrations, whose records a keystore for real use refuses; default false
 * @throws KEYSTORE_FILE
 */
export async function makeKeyFile(
  path: string,
  options: { readonly demo?: boolean } = {},
): Promise<{ readonly keyId: string; readonly demo: boolean }> {
  const demo = options.demo === true;
  const text = newKeyText(demo);
  try {
    await writeSecretFile(path, text);
    const key = readKeyText(Buffer.from(text), path);
    wipe(key.bytes);
    return { keyId: key.id, demo };
  } finally {
    wipe(text);
  }
}

/**
 * The content of a key file.
 * @param guarded whether file and folder must be closed to other users; not for systemd, which guards by other means
 * @throws KEYSTORE_KEY_MISSING, KEYSTORE_PERMISSIONS, KEYSTORE_FILE
 */
export async function readKeyFile(path: string, guarded: boolean): Promise<Buffer> {
  let file: FileHandle | undefined;
  try {
    // A pipe would be waited for.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const { mode, size, uid } = await file.stat();
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw fileError(path, undefined, 'read');
    if (guarded) await checkGuarded(path, mode, uid);
    const text = Buffer.alloc(Math.min(size, KEY_TEXT_MOST + 1));
    await file.read(text, 0, text.length, 0);
    return text;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      throw fail('KEYSTORE_KEY_MISSING', `There is no key file ${path}.`, {
        hint: 'Make one with `openssl rand -hex 32` and the mode 0600, or let Keyway make it, and keep a copy of it.',
        detail: { field: 'source', value: path },
        cause: error,
      });
    }
    throw fileError(path, error, 'read');
  } finally {
    await file?.close();
  }
}

async function checkGuarded(path: string, mode: number, owner: number): Promise<void> {
  const self = process.getuid?.();
  // Windows keeps no such bits.
  if (self === undefined) return;
  if ((mode & OTHERS) !== 0 || (owner !== self && owner !== 0)) {
    throw tooOpen(path, `The key file ${path}`, `chmod 600 ${path}`);
  }
  const folder = dirname(resolve(path));
  const around = await stat(folder);
  // Who may write into the folder may put another file in the place of this one.
  if ((around.mode & WRITABLE_BY_OTHERS) !== 0 && (around.mode & STICKY) === 0) {
    throw tooOpen(folder, `The folder ${folder} of the key file`, `chmod 700 ${folder}`);
  }
}

function tooOpen(value: string, what: string, command: string): Error {
  return fail('KEYSTORE_PERMISSIONS', `${what} is open to other users.`, {
    hint: `Close it: \`${command}\`. If somebody else could read the key, make a new one and re-wrap.`,
    detail: { field: 'source', value },
  });
}

function fileError(path: string, error: unknown, what: 'read' | 'written'): Error {
  if (isKeywayError(error)) return error;
  const taken = codeOf(error) === 'EEXIST';
  return fail(
    'KEYSTORE_FILE',
    taken ? `${path} exists already.` : `${path} cannot be ${what} (${codeOf(error, '?')}).`,
    {
      hint: taken
        ? 'Choose another name, or move it away if nothing was sealed with it.'
        : 'The path must be a file, and the folder writable by the user that runs this.',
      detail: { field: 'path', value: path },
      ...(error === undefined ? {} : { cause: error }),
    },
  );
}
