import type { SecurityOptions } from '../options.ts';

/** Words at consecutive addresses. */
export function consecutive(address: number, values: readonly number[]): [number, number][] {
  return values.map((value, i) => [address + 4 * i, value >>> 0]);
}

/** Purposes of the six key blocks (ESP32-S3, ESP32-C3). */
const XTS_AES_256 = [2, 3] as const;
const XTS_AES_128 = [4] as const;
const HMAC_UP = 8;
const SECURE_BOOT_DIGEST0 = 9;

/** Whether a flash encryption key is burnt. */
export function hasEncryptionKey({ flashCryptCount, encryptionKey }: SecurityOptions): boolean {
  return flashCryptCount > 0 || encryptionKey !== undefined;
}

/** What the six key blocks of an ESP32-S3 or ESP32-C3 hold; 0 = nothing. */
export function keyPurposes(security: SecurityOptions): number[] {
  const purposes: number[] = [];
  if (hasEncryptionKey(security)) {
    purposes.push(...(security.encryptionKey?.length === 64 ? XTS_AES_256 : XTS_AES_128));
  }
  if (security.hmacKey !== undefined) purposes.push(HMAC_UP);
  const digests = security.secureBoot === false ? 0 : (security.signingDigests?.length ?? 1);
  for (let i = 0; i < digests; i++) purposes.push(SECURE_BOOT_DIGEST0 + i);
  return [...purposes, 0, 0, 0, 0, 0, 0].slice(0, 6);
}

/** The first words of efuse block 0, as ESP32-S3 and ESP32-C3 lay them out. */
export function securityWords(security: SecurityOptions): number[] {
  const [key0, key1, key2, key3, key4, key5] = keyPurposes(security) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return [
    security.manualEncryptDisabled ? 1 << 20 : 0,
    ((security.flashCryptCount & 7) << 18) | (key0 << 24) | (key1 << 28),
    (security.secureBoot === false ? 0 : 1 << 20) | key2 | (key3 << 4) | (key4 << 8) | (key5 << 12),
  ];
}
