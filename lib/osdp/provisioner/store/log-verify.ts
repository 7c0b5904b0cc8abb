import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../../errors/index.ts';
import type { Keystore } from '../../../vault/index.ts';
import { fail } from '../errors.ts';
import { LOG_NAME } from './device-log.ts';
import { storeError } from './folder.ts';
import { isChained, type LogProblem, readChain } from './log-chain.ts';
import { HEAD_NAME, readHead } from './log-head.ts';
import { KEY_NAME, keyGone, unsealLogKey } from './log-key.ts';

/** What came of it. */
export interface LogVerdict {
  readonly holds: boolean;
  /** The number of the last entry. */
  readonly entries: number;
  /** Of the last entry: HMAC-SHA-256, hex. Kept elsewhere, it shows later that the log still contains this one. */
  readonly mac: string;
  /** Milliseconds since 1970, of the last entry that fits; 0 when there is none. */
  readonly newest: number;
  /** The first entry that does not fit. */
  readonly problem?: LogProblem;
}

/** The log's files; undefined where there is none. */
export interface LogFiles {
  readonly log: Buffer | undefined;
  readonly head: Buffer | undefined;
  readonly key: Buffer | undefined;
}

const LOOKS_MOST = 20;

/**
 * Whether the log in a store is what was written: see `DeviceLog` for what is seen and what is not. Reads alone, and
 * needs no lock: a provisioner may work on the store meanwhile.
 * @throws LOG_NOT_CHAINED, STORE_DAMAGED, STORE_PATH, STORE_…; KEYSTORE_WRONG_KEY, KEYSTORE_DAMAGED, KEYSTORE_DEMO
 */
export async function verifyDeviceLog(folder: string, keystore: Keystore): Promise<LogVerdict> {
  const read = (name: string): Promise<Buffer | undefined> =>
    readFile(join(folder, name)).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw storeError(error, `${name} cannot be read`, 'STORE_PATH');
    });
  const key = await read(KEY_NAME);
  let head = await read(HEAD_NAME);
  for (let looks = 1; ; looks++) {
    const log = await read(LOG_NAME);
    const then = await read(HEAD_NAME);
    // Else entries were written in between.
    if (looks >= LOOKS_MOST || same(head, then)) return judgeLog({ log, head, key }, keystore);
    head = then;
  }
}

/** @throws as `verifyDeviceLog` */
export function judgeLog({ log, head, key: record }: LogFiles, keystore: Keystore): LogVerdict {
  const bytes = log ?? Buffer.alloc(0);
  if (record === undefined) {
    if (isChained(bytes)) throw keyGone();
    throw fail('LOG_NOT_CHAINED', 'There is no chained log in the store.', {
      hint: 'Name the folder of the store. A log of an older version is chained from the next start of the provisioner on.',
      detail: { field: 'file', value: KEY_NAME },
    });
  }
  const key = unsealLogKey(keystore, record);
  const { problem, place, newest } = readChain(key, bytes, readHead(key, head ?? Buffer.alloc(0)));
  const holds = problem === undefined;
  return { holds, entries: place.n, mac: place.mac.toString('hex'), newest, ...(problem && { problem }) };
}

function same(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}
