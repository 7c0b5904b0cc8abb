import { constants, readSync } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { codeOf, isKeywayError } from '../../../errors/index.ts';
import { fail } from '../errors.ts';
import { takeLock } from './lock.ts';

/** One open file of the store. */
export interface StoreFile {
  read(): Promise<Buffer>;
  /** Synchronous, for a few hundred bytes that were written a moment ago. */
  readAt(at: number, length: number): Buffer;
  write(at: number, bytes: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Content and size are on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The folder of the store, as far as it is used: tests put one in its place that loses power. */
export interface StoreFolder {
  /** For messages. */
  readonly path: string;
  list(): Promise<readonly string[]>;
  /** A new file, mode 0600; one of that name must not exist. */
  create(name: string): Promise<StoreFile>;
  open(name: string): Promise<StoreFile>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** New, renamed and removed names are on the disk. */
  sync(): Promise<void>;
  /** Gives up the lock. */
  close(): Promise<void>;
}

/** Bits of a mode that let others than the owner in. */
const OTHERS = 0o077;
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;

/**
 * Makes the folder (0700) where it is missing, and locks it against a second provisioner until it is closed or the
 * process ends in whatever way.
 * @throws STORE_BUSY, STORE_PATH, STORE_READ_ONLY, STORE_FULL, STORE_IO, SQLITE_MISSING
 */
export async function openFolder(path: string): Promise<StoreFolder> {
  const folder = resolve(path);
  try {
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (made !== undefined) await chmod(folder, 0o700);
    await checkGuarded(folder);
    await (await open(join(folder, 'lock'), constants.O_RDWR | constants.O_CREAT | NO_FOLLOW, 0o600)).close();
  } catch (error) {
    throw storeError(error, `The folder ${folder} cannot be opened`, 'STORE_PATH');
  }
  const unlock = await takeLock(join(folder, 'lock'), folder);
  return new DiskFolder(folder, unlock);
}

async function checkGuarded(folder: string): Promise<void> {
  const { mode, uid } = await stat(folder);
  const self = process.getuid?.();
  // Windows keeps no such bits.
  if (self === undefined || ((mode & OTHERS) === 0 && (uid === self || self === 0))) return;
  throw fail('STORE_PATH', `The folder ${folder} is open to other users of this machine.`, {
    hint: `Close it: \`chmod 700 ${folder}\`, and let it belong to the user that runs the provisioner.`,
    detail: { field: 'folder', value: folder },
  });
}

/** What the disk said, in our words. */
export function storeError(error: unknown, what: string, fallback: 'STORE_IO' | 'STORE_PATH' = 'STORE_IO'): Error {
  if (isKeywayError(error)) return error;
  const errno = codeOf(error, '?');
  const cause = { detail: { errno }, cause: error };
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT':
      return fail('STORE_FULL', `${what}: the disk is full.`, { hint: 'Make room; it goes on by itself.', ...cause });
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return fail('STORE_READ_ONLY', `${what}: it may not be written (${errno}).`, {
        hint: 'Mount it writable, and let it belong to the user that runs the provisioner.',
        ...cause,
      });
    default:
      return fail(fallback, `${what} (${errno}).`, { hint: 'Look after the disk.', ...cause });
  }
}

class DiskFolder implements StoreFolder {
  readonly path: string;
  readonly #unlock: () => void;

  constructor(path: string, unlock: () => void) {
    this.path = path;
    this.#unlock = unlock;
  }

  list(): Promise<readonly string[]> {
    return readdir(this.path);
  }

  async create(name: string): Promise<StoreFile> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW;
    return new DiskFile(await open(join(this.path, name), flags, 0o600));
  }

  async open(name: string): Promise<StoreFile> {
    return new DiskFile(await open(join(this.path, name), constants.O_RDWR | NO_FOLLOW));
  }

  rename(from: string, to: string): Promise<void> {
    return rename(join(this.path, from), join(this.path, to));
  }

  remove(name: string): Promise<void> {
    return rm(join(this.path, name));
  }

  async sync(): Promise<void> {
    // Windows has no handle of a folder that could be synced.
    const folder = await open(this.path, constants.O_RDONLY).catch((error: unknown) => {
      if (process.platform === 'win32') return undefined;
      throw error;
    });
    if (folder === undefined) return;
    try {
      await folder.sync();
    } catch (error) {
      // Some file systems know no such thing.
      if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'ENOTSUP') throw error;
    } finally {
      await folder.close();
    }
  }

  async close(): Promise<void> {
    this.#unlock();
  }
}

class DiskFile implements StoreFile {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async read(): Promise<Buffer> {
    const { size } = await this.#file.stat();
    const bytes = Buffer.alloc(size);
    let got = 0;
    while (got < size) {
      const { bytesRead } = await this.#file.read(bytes, got, size - got, got);
      if (bytesRead === 0) break;
      got += bytesRead;
    }
    return bytes.subarray(0, got);
  }

  readAt(at: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    const got = readSync(this.#file.fd, bytes, 0, length, at);
    return bytes.subarray(0, got);
  }

  async write(at: number, bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, at + done);
      done += bytesWritten;
    }
  }

  truncate(size: number): Promise<void> {
    return this.#file.truncate(size);
  }

  sync(): Promise<void> {
    return this.#file.datasync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
