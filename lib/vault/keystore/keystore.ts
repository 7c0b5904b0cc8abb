import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { secretCopy, wipe } from '../bytes.ts';
import { fail } from '../errors.ts';
import { derive, type MasterKey } from './key.ts';
import { type KeystoreSource, loadKey } from './sources.ts';

/** Which key, and which ones before it. */
export interface KeystoreOptions {
  /** The key that seals from now on. */
  readonly source: KeystoreSource;
  /** Keys from before a rotation, which still unseal until everything is re-wrapped. */
  readonly previous?: readonly KeystoreSource[];
}

/**
 * Seals what must lie on a disk: AES-256-GCM (NIST SP 800-38D) under a key of its own for each purpose, derived by
 * HKDF-SHA256. `purpose` and `owner` (what the record belongs to, such as its name) are bound in: a record that is put
 * in the place of another one does not open.
 */
export interface Keystore {
  /** 16 hex digits: which key seals. Not secret. */
  readonly keyId: string;
  readonly demo: boolean;
  /** @throws KEYSTORE_CLOSED */
  seal(purpose: string, bytes: Uint8Array, owner: string): Uint8Array;
  /**
   * The bytes that were sealed, in a copy that the caller overwrites.
   * @throws KEYSTORE_WRONG_KEY, KEYSTORE_DAMAGED, KEYSTORE_DEMO, KEYSTORE_CLOSED
   */
  unseal(purpose: string, sealed: Uint8Array, owner: string): Buffer;
  /**
   * The record under the key that seals now; the same bytes when it is under that one already.
   * @throws as unseal
   */
  rewrap(purpose: string, sealed: Uint8Array, owner: string): Uint8Array;
  /** The id of the key that a record was sealed with. @throws KEYSTORE_DAMAGED */
  keyIdOf(sealed: Uint8Array): string;
  /** Overwrites the keys. */
  close(): void;
}

/** magic 2, version 1, flags 1, key id 8, nonce 12; then the ciphertext, then the tag of 16. */
const MAGIC = Buffer.from('KS', 'latin1');
const VERSION = 1;
const FLAG_DEMO = 1;
const ID_AT = 4;
const NONCE_AT = 12;
const BODY_AT = 24;
const TAG_BYTES = 16;

/**
 * Opens the keystore. A variable of the environment is read once and removed from the environment.
 * @throws KEYSTORE_KEY_MISSING, KEYSTORE_KEY_BAD, KEYSTORE_PERMISSIONS, KEYSTORE_FILE
 */
export async function openKeystore(options: KeystoreOptions): Promise<Keystore> {
  const keys: MasterKey[] = [];
  try {
    keys.push(await loadKey(options.source));
    for (const source of options.previous ?? []) keys.push(await loadKey(source));
  } catch (error) {
    for (const { bytes } of keys) wipe(bytes);
    throw error;
  }
  return new OpenKeystore(keys);
}

class OpenKeystore implements Keystore {
  readonly keyId: string;
  readonly demo: boolean;
  readonly #current: MasterKey;
  readonly #keys: Map<string, MasterKey>;
  /** By key id and purpose. */
  readonly #derived = new Map<string, Buffer>();
  #closed = false;

  constructor(keys: readonly MasterKey[]) {
    this.#current = keys[0] as MasterKey;
    this.keyId = this.#current.id;
    this.demo = this.#current.demo;
    this.#keys = new Map([...keys].reverse().map((key) => [key.id, key]));
  }

  seal(purpose: string, bytes: Uint8Array, owner: string): Uint8Array {
    const key = this.#derive(this.#current, purpose);
    const head = Buffer.concat([
      MAGIC,
      Buffer.of(VERSION, this.demo ? FLAG_DEMO : 0),
      Buffer.from(this.keyId, 'hex'),
      randomBytes(BODY_AT - NONCE_AT),
    ]);
    const cipher = createCipheriv('aes-256-gcm', key, head.subarray(NONCE_AT), { authTagLength: TAG_BYTES });
    cipher.setAAD(boundIn(head, purpose, owner));
    const sealed = Buffer.concat([head, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
    return new Uint8Array(sealed.buffer, sealed.byteOffset, sealed.length);
  }

  unseal(purpose: string, sealed: Uint8Array, owner: string): Buffer {
    const record = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
    const id = this.keyIdOf(sealed);
    const demo = ((record[3] as number) & FLAG_DEMO) !== 0;
    if (demo && !this.demo) {
      throw fail('KEYSTORE_DEMO', 'This was sealed by a keystore for demonstrations.', {
        hint: 'Make a new authority and new credentials with a key of your own: those of a demonstration are not kept safe.',
        detail: { keyId: id },
      });
    }
    const master = this.#keys.get(id);
    if (master === undefined) {
      this.#open();
      throw fail(
        'KEYSTORE_WRONG_KEY',
        `This was sealed with the key ${id}; open is ${[...this.#keys.keys()].join(', ')}.`,
        {
          hint: 'Start with the key that it was sealed with, or name it among the previous ones.',
          detail: { keyId: id, open: [...this.#keys.keys()] },
        },
      );
    }
    const key = this.#derive(master, purpose);
    const head = record.subarray(0, BODY_AT);
    const decipher = createDecipheriv('aes-256-gcm', key, record.subarray(NONCE_AT, BODY_AT), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(boundIn(head, purpose, owner));
    decipher.setAuthTag(record.subarray(-TAG_BYTES));
    const opened = decipher.update(record.subarray(BODY_AT, -TAG_BYTES));
    try {
      decipher.final();
      return secretCopy(opened);
    } catch (error) {
      throw damaged('It was changed, or belongs to something else', error);
    } finally {
      wipe(opened);
    }
  }

  rewrap(purpose: string, sealed: Uint8Array, owner: string): Uint8Array {
    const bytes = this.unseal(purpose, sealed, owner);
    try {
      return this.keyIdOf(sealed) === this.keyId ? sealed : this.seal(purpose, bytes, owner);
    } finally {
      wipe(bytes);
    }
  }

  keyIdOf(sealed: Uint8Array): string {
    const record = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
    if (record.length < BODY_AT + TAG_BYTES) throw damaged(`It has ${record.length} bytes`);
    if (!record.subarray(0, 2).equals(MAGIC) || record[2] !== VERSION || (record[3] as number) > FLAG_DEMO) {
      throw damaged('It is none of ours, or of a later version');
    }
    return record.toString('hex', ID_AT, NONCE_AT);
  }

  close(): void {
    this.#closed = true;
    for (const { bytes } of this.#keys.values()) wipe(bytes);
    for (const key of this.#derived.values()) wipe(key);
    this.#derived.clear();
  }

  #open(): void {
    if (this.#closed) throw fail('KEYSTORE_CLOSED', 'The keystore is closed.', { hint: 'Open it again.' });
  }

  #derive(master: MasterKey, purpose: string): Buffer {
    this.#open();
    const name = `${master.id} ${purpose}`;
    let key = this.#derived.get(name);
    if (key === undefined) {
      key = derive(master.bytes, `seal ${purpose}`);
      this.#derived.set(name, key);
    }
    return key;
  }
}

/** What is authenticated beside the ciphertext; lengths keep the parts apart. */
function boundIn(head: Uint8Array, purpose: string, owner: string): Buffer {
  const parts = [purpose, owner].map((text) => Buffer.from(text, 'utf8'));
  const lengths = Buffer.alloc(8);
  for (const [i, part] of parts.entries()) lengths.writeUInt32BE(part.length, 4 * i);
  return Buffer.concat([head, lengths, ...parts]);
}

function damaged(what: string, cause?: unknown): Error {
  return fail('KEYSTORE_DAMAGED', `A record of the keystore cannot be opened. ${what}.`, {
    hint: 'Restore it from a backup.',
    ...(cause === undefined ? {} : { cause }),
  });
}
