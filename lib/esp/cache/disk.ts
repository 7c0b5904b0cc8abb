import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../digest.ts';
import { nodeSha256 } from '../platform.node.ts';
import type { ImageCache } from './types.ts';

/** How many contents of one place are remembered. */
const A_PLACE = 2;
const DEFAULT_BYTES = 256 << 20;
const IMAGE = /^[0-9a-f]{64}\.bin$/;
/** A file that a process left half-written is nobody's any more after this, in ms. */
const STALE_MS = 60_000;

/**
 * Remembers on disk, across restarts and for several processes at once: contents by their SHA-256, and a small file a
 * chip and offset that names them. The folder is made 0700, files are 0600 and put in place whole; what is damaged is
 * thrown away. The least recently used contents go first.
 * @param options.bytes how much to keep. Default 256 MiB.
 * @throws errors of the file system, which `flash` takes as "not remembered".
 */
export function diskImageCache(folder: string, options: { readonly bytes?: number } = {}): ImageCache {
  const limit = options.bytes ?? DEFAULT_BYTES;
  const imagePath = (sha256: string): string => join(folder, `${sha256}.bin`);

  const put = async (path: string, content: Uint8Array | string): Promise<void> => {
    const temporary = join(folder, `.${randomBytes(8).toString('hex')}.tmp`);
    try {
      await writeFile(temporary, content, { mode: 0o600, flag: 'wx', flush: true });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  };

  const shrink = async (): Promise<void> => {
    const images: { path: string; bytes: number; used: number }[] = [];
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined) continue;
      if (IMAGE.test(name)) images.push({ path, bytes: found.size, used: found.mtimeMs });
      else if (name.endsWith('.tmp') && Date.now() - found.mtimeMs > STALE_MS) await rm(path, { force: true });
    }
    let total = images.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes } of images.sort((a, b) => a.used - b.used)) {
      if (total <= limit) return;
      await rm(path, { force: true });
      total -= bytes;
    }
  };

  const load = async (sha256: string): Promise<Uint8Array | undefined> => {
    const path = imagePath(sha256);
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes === undefined) return undefined;
    if (toHex(nodeSha256(bytes)) !== sha256) {
      await rm(path, { force: true });
      return undefined;
    }
    await touch(path);
    return bytes;
  };

  const namesOf = async (place: string): Promise<string[]> => {
    const text = await readFile(join(folder, place), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => IMAGE.test(`${line}.bin`));
  };

  return {
    candidates: async (mac, offset) => {
      const found: Uint8Array[] = [];
      for (const sha256 of await namesOf(placeOf(mac, offset))) {
        const bytes = await load(sha256);
        if (bytes !== undefined) found.push(bytes);
      }
      return found;
    },
    remember: async (mac, { offset, data }) => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const place = placeOf(mac, offset);
      const sha256 = toHex(nodeSha256(data));
      const before = await namesOf(place);
      if ((await load(sha256)) === undefined) {
        await put(imagePath(sha256), data);
        await shrink();
      }
      if (before[0] === sha256) return;
      const names = [sha256, ...before.filter((name) => name !== sha256)].slice(0, A_PLACE);
      await put(join(folder, place), `${names.join('\n')}\n`);
    },
  };
}

/** Also keeps what is no MAC from naming files elsewhere. */
function placeOf(mac: string, offset: number): string {
  return `${mac.toLowerCase().replace(/[^0-9a-f]/g, '')}-${offset.toString(16)}.txt`;
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}
