import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type Keystore, wipe } from '../../../vault/index.ts';
import { fail } from '../errors.ts';
import { type StoreFolder, storeError } from './folder.ts';

/**
 * A seed lies in the journal under a random key of its slot alone (AES-256-GCM, NIST SP 800-38D). That key lies in a
 * file of its own, sealed by the keystore. Once that file is overwritten, nothing opens the seed any more, whatever
 * copies of the journal there are.
 */
export interface SealedSeed {
  /** Nonce 12, ciphertext 16, tag 16. In the journal. */
  readonly sealed: Buffer;
  /** The slot's key, sealed by the keystore. In the key file. */
  readonly keyRecord: Uint8Array;
}

const PURPOSE = 'provisioner-slot';
const SEED_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @param owner what the seed belongs to: place and session */
export function sealSeed(keystore: Keystore, seed: Uint8Array, owner: string): SealedSeed {
  const key = randomBytes(32);
  try {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(owner));
    const sealed = Buffer.concat([nonce, cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
    return { sealed, keyRecord: keystore.seal(PURPOSE, key, owner) };
  } finally {
    wipe(key);
  }
}

/**
 * The seed, in a copy that the caller overwrites.
 * @throws STORE_DAMAGED; KEYSTORE_WRONG_KEY, KEYSTORE_DAMAGED, KEYSTORE_DEMO, KEYSTORE_CLOSED
 */
export function openSeed(keystore: Keystore, { sealed, keyRecord }: SealedSeed, owner: string): Buffer {
  const key = keystore.unseal(PURPOSE, keyRecord, owner);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(owner));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const seed = decipher.update(sealed.subarray(NONCE_BYTES, NONCE_BYTES + SEED_BYTES));
    try {
      decipher.final();
      return Buffer.from(seed);
    } finally {
      wipe(seed);
    }
  } catch (error) {
    throw fail('STORE_DAMAGED', 'The sealed seed does not open with the key that lies beside it.', {
      hint: 'Restore journal and key file of the slot from the same backup.',
      detail: { owner },
      cause: error,
    });
  } finally {
    wipe(key);
  }
}

/** The key record under the keystore's current key. @throws as openSeed */
export function rewrapKey(keystore: Keystore, keyRecord: Uint8Array, owner: string): Uint8Array {
  return keystore.rewrap(PURPOSE, keyRecord, owner);
}

/** Writes a key file that must not exist. The folder is not synced. */
export async function writeKeyFile(folder: StoreFolder, name: string, keyRecord: Uint8Array): Promise<void> {
  const file = await folder.create(name);
  try {
    await file.write(0, keyRecord);
    await file.sync();
  } finally {
    await file.close();
  }
}

export async function readKeyFile(folder: StoreFolder, name: string): Promise<Buffer> {
  try {
    const file = await folder.open(name);
    try {
      return await file.read();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw storeError(error, `${name} cannot be read`);
  }
}

/** Puts another record in the place of one, and overwrites the old one where it lay. */
export async function replaceKeyFile(folder: StoreFolder, name: string, keyRecord: Uint8Array): Promise<void> {
  const old = await folder.open(name);
  try {
    const { length } = await old.read();
    await folder.remove(`${name}.tmp`).catch(() => undefined);
    await writeKeyFile(folder, `${name}.tmp`, keyRecord);
    await folder.rename(`${name}.tmp`, name);
    await folder.sync();
    await old.write(0, randomBytes(length));
    await old.sync();
  } finally {
    await old.close();
  }
}

/** Overwrites a file where it lies, and removes it. The folder is not synced. */
export async function shred(folder: StoreFolder, name: string): Promise<void> {
  const file = await folder.open(name);
  try {
    const { length } = await file.read();
    await file.write(0, randomBytes(length));
    await file.sync();
  } finally {
    await file.close();
  }
  await folder.remove(name);
}
