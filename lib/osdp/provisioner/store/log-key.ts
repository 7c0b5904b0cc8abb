import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { type Keystore, wipe } from '../../../vault/index.ts';
import { fail } from '../errors.ts';
import type { StoreFolder } from './folder.ts';
import { GENESIS } from './log-chain.ts';
import { HEAD_NAME, HeadFile, placeFile } from './log-head.ts';
import { readKeyFile, replaceKeyFile } from './seal.ts';

/** The key of the chain, sealed by the keystore. Its end is not that of a plan's key file. */
export const KEY_NAME = 'device.log.chain';
const PURPOSE = 'provisioner-log';
const OWNER = 'device.log';

/**
 * The chain's key; sealed anew when the keystore has another one. Where there is none, the chain begins: first its
 * head is on the disk, then its key.
 * @param chained whether the log has lines of a chain already
 * @throws STORE_DAMAGED; STORE_…, KEYSTORE_…
 */
export async function openLogKey(folder: StoreFolder, keystore: Keystore, chained: boolean): Promise<KeyObject> {
  if ((await folder.list()).includes(KEY_NAME)) {
    const record = await readKeyFile(folder, KEY_NAME);
    const key = unsealLogKey(keystore, record);
    const rewrapped = keystore.rewrap(PURPOSE, record, OWNER);
    if (rewrapped !== record) await replaceKeyFile(folder, KEY_NAME, rewrapped);
    return key;
  }
  if (chained) throw keyGone();
  const bytes = randomBytes(32);
  try {
    const key = createSecretKey(bytes);
    await HeadFile.make(folder, key, GENESIS);
    await placeFile(folder, KEY_NAME, keystore.seal(PURPOSE, bytes, OWNER));
    return key;
  } finally {
    wipe(bytes);
  }
}

/** @throws KEYSTORE_WRONG_KEY, KEYSTORE_DAMAGED, KEYSTORE_DEMO, KEYSTORE_CLOSED */
export function unsealLogKey(keystore: Keystore, record: Uint8Array): KeyObject {
  const bytes = keystore.unseal(PURPOSE, record, OWNER);
  try {
    return createSecretKey(bytes);
  } finally {
    wipe(bytes);
  }
}

/** The log is chained, and nobody can say any more whether it is what was written. */
export function keyGone(): Error {
  return fail('STORE_DAMAGED', `The log in the store is chained, and the key of its chain, ${KEY_NAME}, is gone.`, {
    hint: `Restore it from a backup; or keep device.log elsewhere, and move it and ${HEAD_NAME} away: then a new log begins.`,
    detail: { field: 'file', value: KEY_NAME },
  });
}
