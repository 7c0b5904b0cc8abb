import { open, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { codeOf } from '../../errors/index.ts';
import { fail } from '../errors.ts';
import type { ImageSet } from '../types.ts';
import { type FileEntry, type FileListOptions, readFileList } from './file-list.ts';
import { readFlasherArgs } from './flasher-args.ts';
import { readMergedImage } from './merged.ts';
import type { Load } from './parts.ts';
import { readWebToolsManifest, type WebToolsOptions } from './web-tools.ts';

/** Limits for reading. */
export interface DiskOptions {
  /** Longest file that is read, in bytes. Default 32 MiB. */
  readonly maxBytes?: number;
}

/** Where on disk a set of images lies. Paths are absolute, or relative to the working folder. */
export type ImageSource =
  | ({
      readonly kind: 'files';
      readonly files: readonly FileEntry[];
      /** What relative paths start from. */
      readonly folder?: string;
    } & FileListOptions)
  | ({ readonly kind: 'web-tools'; readonly path: string; readonly chip?: string } & WebToolsOptions)
  | { readonly kind: 'flasher-args'; readonly path: string }
  /** With flasher_args.json, else manifest.json, in it. */
  | ({ readonly kind: 'folder'; readonly path: string; readonly chip?: string } & WebToolsOptions)
  | { readonly kind: 'merged'; readonly path: string; readonly chip?: string };

const MAX_BYTES = 32 << 20;

/** @throws FILE_MISSING, FILE_TOO_BIG */
async function readFile(path: string, named: string, maxBytes: number): Promise<Uint8Array> {
  const detail = { field: 'path', value: named };
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat().then((found) => {
        if (found.isFile()) return found;
        throw fail('FILE_MISSING', `"${named}" is no file.`, { detail });
      });
      if (size > maxBytes) {
        throw fail('FILE_TOO_BIG', `"${named}" has ${size} bytes, at most ${maxBytes} are read.`, {
          detail: { ...detail, size },
        });
      }
      const bytes = new Uint8Array(size);
      let at = 0;
      while (at < size) {
        const { bytesRead } = await file.read(bytes, at, size - at, at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return bytes.subarray(0, at);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw unreadable(cause, named);
  }
}

function unreadable(cause: unknown, named: string): Error {
  const code = codeOf(cause);
  const detail = { field: 'path', value: named };
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return fail('FILE_MISSING', `"${named}" does not exist.`, {
      cause,
      detail,
      hint: 'Check the path; build the firmware first.',
    });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return fail('FILE_MISSING', `"${named}" may not be read.`, {
      cause,
      detail,
      hint: 'Give this user the right to read it.',
    });
  }
  if (cause instanceof Error && code.startsWith('FILE_')) return cause;
  return fail('FILE_MISSING', `"${named}" cannot be read (${code}).`, { cause, detail });
}

/**
 * Reads files of a folder and nothing else: a path or a link that leads out of it is refused.
 * @throws FILE_OUTSIDE, FILE_MISSING, FILE_TOO_BIG
 */
export function folderLoader(folder: string, options: DiskOptions = {}): Load {
  return async (path) => {
    const target = resolve(folder, path);
    let root: string;
    let real: string;
    try {
      root = await realpath(folder);
      real = await realpath(target);
    } catch (cause) {
      throw unreadable(cause, path);
    }
    const inner = relative(root, real);
    if (isAbsolute(path) || inner === '..' || inner.startsWith(`..${sep}`) || isAbsolute(inner)) {
      throw fail('FILE_OUTSIDE', `"${path}" leads out of its folder.`, { detail: { field: 'path', value: path } });
    }
    return readFile(real, path, options.maxBytes ?? MAX_BYTES);
  };
}

/**
 * Reads a set of images from disk.
 * @throws FILE_MISSING, FILE_EMPTY, FILE_TOO_BIG, FILE_OUTSIDE and what the reader of the kind raises
 */
export async function loadImageSet(source: ImageSource, options: DiskOptions = {}): Promise<ImageSet> {
  const maxBytes = options.maxBytes ?? MAX_BYTES;
  if (source.kind === 'files') {
    const { files, folder = '.' } = source;
    return readFileList(files, (path) => readFile(resolve(folder, path), path, maxBytes), source);
  }
  const bytesOf = async (path: string): Promise<Uint8Array> => {
    const bytes = await readFile(path, path, maxBytes);
    if (bytes.length > 0) return bytes;
    throw fail('FILE_EMPTY', `"${path}" is empty.`, { detail: { field: 'path', value: path } });
  };
  const text = async (path: string): Promise<string> => new TextDecoder().decode(await bytesOf(path));
  if (source.kind === 'merged')
    return readMergedImage(await bytesOf(source.path), source.chip, { name: basename(source.path) });
  if (source.kind === 'flasher-args') {
    return readFlasherArgs(await text(source.path), folderLoader(dirname(source.path), options));
  }
  if (source.kind === 'web-tools') {
    const load = folderLoader(dirname(source.path), options);
    return readWebToolsManifest(await text(source.path), source.chip, load, source);
  }
  return loadFolder(source, text, folderLoader(source.path, options));
}

async function loadFolder(
  source: Extract<ImageSource, { kind: 'folder' }>,
  text: (path: string) => Promise<string>,
  load: Load,
): Promise<ImageSet> {
  const args = join(source.path, 'flasher_args.json');
  if (await exists(args)) return { ...(await readFlasherArgs(await text(args), load)), source: 'folder' };
  const manifest = join(source.path, 'manifest.json');
  if (await exists(manifest)) {
    return { ...(await readWebToolsManifest(await text(manifest), source.chip, load, source)), source: 'folder' };
  }
  throw fail('FILE_MISSING', `"${source.path}" has neither flasher_args.json nor manifest.json.`, {
    hint: 'Name the build folder of an ESP-IDF project, or one with an ESP Web Tools manifest.',
    detail: { field: 'path', value: source.path },
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
