import type { DatabaseSync } from 'node:sqlite';
import { fail } from '../errors.ts';

/** SQLITE_BUSY */
const BUSY = 5;

/**
 * Holds a file alone. The lock is the operating system's (SQLite takes it), so it is gone with the process, however
 * that ends, and no file that was left behind stands in the way.
 * @returns the way to give it up
 * @throws STORE_BUSY, STORE_PATH
 */
export async function takeLock(file: string, folder: string): Promise<() => void> {
  const { DatabaseSync: Database } = await sqlite();
  let lock: DatabaseSync | undefined;
  try {
    lock = new Database(file);
    lock.exec('PRAGMA busy_timeout = 0');
    lock.exec('BEGIN EXCLUSIVE');
    return () => lock?.close();
  } catch (error) {
    lock?.close();
    if (error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === BUSY) {
      throw fail('STORE_BUSY', `Another provisioner works in ${folder}.`, {
        hint: 'Give each provisioner a folder of its own, or end the other one.',
        detail: { field: 'folder', value: folder },
        cause: error,
      });
    }
    throw fail('STORE_PATH', `The lock of ${folder} cannot be taken.`, {
      hint: 'The file "lock" in it must be empty, and the folder writable.',
      detail: { field: 'folder', value: folder },
      cause: error,
    });
  }
}

async function sqlite(): Promise<typeof import('node:sqlite')> {
  try {
    return await import('node:sqlite');
  } catch (error) {
    throw fail('STORE_PATH', `Node ${process.versions.node} has no node:sqlite, which locks the store.`, {
      hint: 'Use Node 22.13 or newer.',
      detail: { field: 'node', value: process.versions.node },
      cause: error,
    });
  }
}
