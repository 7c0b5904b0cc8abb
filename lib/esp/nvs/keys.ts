import { sameBytes } from '../digest.ts';
import { espCrc32 } from '../formats/crc32.ts';
import type { Platform } from '../platform.ts';
import { fail } from './errors.ts';
import { isBlank, PAGE, viewOf } from './layout.ts';
import type { NvsKeys } from './types.ts';

/** Bytes of an nvs_keys partition. */
export const NVS_KEYS_BYTES = PAGE;
const KEY = 32;
const BOTH = 2 * KEY;

/** Fresh keys from the platform's cryptographic random source. */
export function makeNvsKeys(platform: Platform): NvsKeys {
  return { encryption: platform.random(KEY), tweak: platform.random(KEY) };
}

/** Keys from 64 bytes: encryption key, tweak key. @throws BAD_NVS_KEYS */
export function nvsKeysFrom(bytes: Uint8Array): NvsKeys {
  if (bytes.length !== BOTH) {
    throw badKeys(`have ${bytes.length} bytes`, `Give ${BOTH} bytes: encryption key, then tweak key.`, bytes.length);
  }
  const keys = { encryption: new Uint8Array(bytes.subarray(0, KEY)), tweak: new Uint8Array(bytes.subarray(KEY)) };
  checkKeys(keys);
  return keys;
}

/**
 * The keys of the HMAC scheme: HMAC-SHA256 of two fixed texts under the key that is burnt into the chip's efuse.
 * ESP-IDF Programming Guide, "NVS Encryption", "HMAC peripheral-based scheme".
 * @param key 32 bytes
 * @throws BAD_NVS_KEYS
 */
export async function nvsKeysFromHmac(key: Uint8Array, platform: Platform): Promise<NvsKeys> {
  checkHmacKey(key);
  const seed = (word: readonly number[]): Uint8Array => Uint8Array.from({ length: KEY }, (_, i) => word[i % 4] ?? 0);
  return {
    encryption: await platform.hmacSha256(key, seed([0x5a, 0x5a, 0xbe, 0xae])),
    tweak: await platform.hmacSha256(key, seed([0xa5, 0xa5, 0xde, 0xce])),
  };
}

/** @throws BAD_NVS_KEYS */
export function checkHmacKey(key: Uint8Array): void {
  if (key.length === KEY) return;
  throw badKeys(`cannot be made from ${key.length} bytes`, `The HMAC key has ${KEY} bytes.`, key.length);
}

/** The bytes of an nvs_keys partition: both keys, their CRC-32, the rest blank. @throws BAD_NVS_KEYS */
export function encodeNvsKeys(keys: NvsKeys): Uint8Array {
  checkKeys(keys);
  const bytes = new Uint8Array(NVS_KEYS_BYTES).fill(0xff);
  bytes.set(keys.encryption);
  bytes.set(keys.tweak, KEY);
  viewOf(bytes).setUint32(BOTH, espCrc32(bytes.subarray(0, BOTH)), true);
  return bytes;
}

/** Reads an nvs_keys partition, whole or its first 68 bytes or more. @throws BAD_NVS_KEYS */
export function decodeNvsKeys(bytes: Uint8Array): NvsKeys {
  if (bytes.length < BOTH + 4) {
    throw badKeys(
      `cannot be read from ${bytes.length} bytes`,
      `Give the partition's ${NVS_KEYS_BYTES} bytes.`,
      bytes.length,
    );
  }
  if (isBlank(bytes.subarray(0, BOTH + 4))) {
    throw badKeys('are not there: the partition is blank', 'Write keys first, or let them be made.', bytes.length, 0);
  }
  if (viewOf(bytes).getUint32(BOTH, true) !== espCrc32(bytes.subarray(0, BOTH))) {
    throw badKeys(
      'have a wrong checksum',
      'The partition is damaged, or the chip stores it encrypted.',
      bytes.length,
      BOTH,
    );
  }
  return nvsKeysFrom(bytes.subarray(0, BOTH));
}

/** @throws BAD_NVS_KEYS */
export function checkKeys({ encryption, tweak }: NvsKeys): void {
  if (encryption.length !== KEY || tweak.length !== KEY) {
    const value = `${encryption.length} and ${tweak.length}`;
    throw badKeys(`have ${value} bytes`, `Each has ${KEY} bytes.`, value);
  }
  if (sameBytes(encryption, tweak)) throw badKeys('are equal', 'XTS-AES needs two different keys.', KEY);
}

/** Both keys as AES-XTS takes them. */
export function joinKeys({ encryption, tweak }: NvsKeys): Uint8Array {
  const both = new Uint8Array(BOTH);
  both.set(encryption);
  both.set(tweak, KEY);
  return both;
}

function badKeys(what: string, hint: string, length: number | string, offset?: number): Error {
  return fail('BAD_NVS_KEYS', `The NVS keys ${what}.`, {
    hint,
    detail: { field: 'keys', length, ...(offset === undefined ? {} : { offset }) },
  });
}
