import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';

/** Lives as long as the process: what is derived with it says nothing in any other place or time. */
const processKey = randomBytes(32);

/** HMAC-SHA-256 under a key of this process, with a word that keeps the uses apart. */
export function digest(use: string, bytes: Uint8Array): Buffer {
  return createHmac('sha256', processKey).update(use).update('\0').update(bytes).digest();
}

/**
 * Sixteen hex digits by which people tell secrets apart on a screen. Equal secrets have equal fingerprints within
 * one run of the process; nothing can be tested against a fingerprint elsewhere.
 */
export function fingerprint(bytes: Uint8Array): string {
  return digest('fingerprint', bytes).toString('hex', 0, 8);
}

/** Compares in a time that depends neither on content nor on where the difference is. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return timingSafeEqual(digest('compare', a), digest('compare', b));
}

/** Overwrites. */
export function wipe(bytes: Uint8Array): void {
  bytes.fill(0);
}

/**
 * A copy in memory of its own that does not show its content when it is logged or turned into JSON by mistake.
 * `toString`, reading and slicing work as on any Buffer.
 */
export function secretCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  const text = `[secret, ${bytes.length} bytes]`;
  Object.defineProperty(copy, 'toJSON', { value: () => text });
  Object.defineProperty(copy, inspect.custom, { value: () => text });
  return copy;
}
