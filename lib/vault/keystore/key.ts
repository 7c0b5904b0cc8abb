import { hkdfSync, randomBytes } from 'node:crypto';
import { secretCopy, wipe } from '../bytes.ts';
import { fail } from '../errors.ts';

/** The key of a keystore. */
export interface MasterKey {
  /** 16 hex digits, not secret: says which key sealed a record. */
  readonly id: string;
  /** For demonstrations: what it seals, a keystore for real use refuses. */
  readonly demo: boolean;
  readonly bytes: Buffer;
}

const REAL = 'keyway-key-1:';
const DEMO = 'keyway-demo-key-1:';
const KEY_BYTES = 32;
/** 32 random bytes have fewer different values once in 10^18; typed and repeated ones often. */
const LEAST_DIFFERENT = 16;
/** What a text of a key can have at most, blanks around it included. */
export const KEY_TEXT_MOST = 256;

/** 32 bytes under HKDF-SHA256 (RFC 5869) for one use, so that no two uses share a key. */
export function derive(key: Uint8Array, use: string, length = KEY_BYTES): Buffer {
  return secretCopy(new Uint8Array(hkdfSync('sha256', key, 'keyway/keystore/1', use, length)));
}

/** The line of a new key file, as bytes. */
export function newKeyText(demo: boolean): Buffer {
  const key = randomBytes(KEY_BYTES);
  const text = Buffer.from(`${demo ? DEMO : REAL}${key.toString('base64url')}\n`, 'latin1');
  wipe(key);
  return text;
}

/**
 * Reads the text of a key: the line that `makeKeyFile` writes, or 32 bytes as hex or base64. The text is overwritten.
 * @param where it comes from, for the message
 * @throws KEYSTORE_KEY_BAD
 */
export function readKeyText(text: Buffer, where: string): MasterKey {
  try {
    if (text.length > KEY_TEXT_MOST) throw bad(where);
    const line = text.toString('latin1').trim();
    const demo = line.startsWith(DEMO);
    const key = bytesOf(demo ? line.slice(DEMO.length) : line.startsWith(REAL) ? line.slice(REAL.length) : line);
    if (key === undefined || new Set(key).size < LEAST_DIFFERENT) throw bad(where);
    const bytes = secretCopy(key);
    wipe(key);
    return { id: derive(bytes, 'key id', 8).toString('hex'), demo, bytes };
  } finally {
    wipe(text);
  }
}

function bytesOf(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (/^[A-Za-z0-9_-]{43}$/.test(text)) return Buffer.from(text, 'base64url');
  if (/^[A-Za-z0-9+/]{43}=$/.test(text)) return Buffer.from(text, 'base64');
  return undefined;
}

function bad(where: string): Error {
  return fail('KEYSTORE_KEY_BAD', `What ${where} holds is no key of a keystore.`, {
    hint: 'It must be 32 random bytes as hex or base64 in one line: `openssl rand -hex 32` prints one.',
    detail: { field: 'source' },
  });
}
