import { fail } from '../errors.ts';
import { aesCmac } from './cmac.ts';

/** The default key, which everybody knows: a reader in install mode takes it. */
export const SCBK_D: Readonly<Uint8Array> = Uint8Array.from({ length: 16 }, (_, i) => 0x30 + i);

/**
 * Whether the key is one that anyone would try: bytes in equal steps (all alike, counting up or down), which holds
 * for the zero key that an unkeyed reader may take, and for the default key.
 */
export function isForbiddenKey(key: Uint8Array): boolean {
  const step = ((key[1] as number) - (key[0] as number)) & 0xff;
  for (let i = 2; i < key.length; i++) {
    if ((((key[i] as number) - (key[i - 1] as number)) & 0xff) !== step) return false;
  }
  return true;
}

/**
 * A copy of the key, fit to be a reader's own.
 * @param key 16 bytes.
 * @throws BAD_OSDP_KEY, FORBIDDEN_KEY; neither carries the key.
 */
export function checkKey(key: Uint8Array, field = 'key'): Buffer {
  if (!(key instanceof Uint8Array) || key.length !== 16) {
    const length = key instanceof Uint8Array ? `${key.length} bytes` : typeof key;
    throw fail('BAD_OSDP_KEY', `The key of a secure channel is ${length}; it must be 16 bytes.`, {
      detail: { field },
    });
  }
  if (isForbiddenKey(key)) {
    throw fail('FORBIDDEN_KEY', 'The key follows a pattern that anyone would try, or is the default key.', {
      hint: 'Use a random key, or one that is derived from a random seed.',
      detail: { field },
    });
  }
  return Buffer.from(key);
}

/** The only derivation so far; stored beside what was derived, so that others can follow. */
export const KDF = 'sp800108-cmac-v1';

/** What a reader's key is made from. */
export interface KeySource {
  /** 16 random bytes, secret. */
  readonly seed: Uint8Array;
  /** 16 random bytes that name the batch; no secret. */
  readonly sessionId: Uint8Array;
  /** The reader's address, 0 … 126. */
  readonly address: number;
  /** 0 … 255; raised when a reader is keyed again, so that it never gets an old key back. Default 0. */
  readonly keyVersion?: number;
}

/**
 * A reader's key by NIST SP 800-108r1 in counter mode with AES-128-CMAC, one block: CMAC(seed, 01 ‖ "OSDP-SCBK" ‖ 00
 * ‖ sessionId ‖ address ‖ keyVersion ‖ 0080).
 *
 * @returns the key, and the version it was made with: a higher one than asked for where that key was a forbidden one.
 * @throws BAD_OSDP_KEY for a seed or session id of another length, BAD_OSDP_ADDRESS, BAD_OSDP_OPTION
 */
export function deriveScbk(source: KeySource): { key: Buffer; keyVersion: number } {
  const { seed, sessionId, address, keyVersion = 0 } = source;
  for (const [field, value] of Object.entries({ seed, sessionId })) {
    if (value.length === 16) continue;
    throw fail('BAD_OSDP_KEY', `The ${field} has ${value.length} bytes; it must have 16.`, { detail: { field } });
  }
  checkAddress(address);
  if (!Number.isInteger(keyVersion) || keyVersion < 0 || keyVersion > 255) {
    throw fail('BAD_OSDP_OPTION', `The key version is ${String(keyVersion)}; it must be from 0 to 255.`, {
      detail: { field: 'keyVersion', value: keyVersion },
    });
  }
  const input = Buffer.concat([
    Buffer.from('\x01OSDP-SCBK\0', 'latin1'),
    sessionId,
    Buffer.from([address, 0, 0, 0x80]),
  ]);
  for (let version = keyVersion; version <= 255; version++) {
    input[28] = version;
    const key = aesCmac(seed, input);
    if (!isForbiddenKey(key)) return { key, keyVersion: version };
  }
  throw fail('FORBIDDEN_KEY', `No key version from ${keyVersion} up gives a key that may be used.`, {
    detail: { field: 'keyVersion', value: keyVersion },
  });
}

/** @throws BAD_OSDP_ADDRESS unless it is 0 … 126. */
export function checkAddress(address: number, field = 'address'): void {
  if (Number.isInteger(address) && address >= 0 && address <= 126) return;
  throw fail('BAD_OSDP_ADDRESS', `${String(address)} is no address of a reader.`, {
    hint: address === 127 ? '127 is the configuration address, which no reader may have.' : 'Use 0 to 126.',
    detail: { field, value: address },
  });
}
