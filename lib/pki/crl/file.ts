import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Readable for everyone: the broker runs as another user, and a revocation list is public. */
const MODE = 0o644;

/** Puts the text in the place of the file in one step: a broker that reads meanwhile sees the old or the new one, whole. */
export async function writeCrlFile(path: string, text: string): Promise<void> {
  const part = `${path}.${randomBytes(6).toString('hex')}.part`;
  try {
    const file = await open(part, 'wx', MODE);
    try {
      await file.writeFile(text);
      // Whatever the mask of this process makes of the mode.
      await file.chmod(MODE);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

async function syncFolder(path: string): Promise<void> {
  // Where folders cannot be opened (Windows), renames are durable by other means.
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
