import forge from 'node-forge/lib/forge.js';
import 'node-forge/lib/hmac.js';
import 'node-forge/lib/md5.js';
import 'node-forge/lib/sha256.js';

/**
 * MD5 (RFC 1321) and SHA-256 (FIPS 180-4) of bytes at hand, at once and anywhere: the formats need them
 * synchronously, and a browser page outside a secure context has no WebCrypto. For checksums of public bytes only.
 */
export const md5 = (bytes: Uint8Array): Uint8Array => digest(forge.md5.create(), bytes);
export const sha256 = (bytes: Uint8Array): Uint8Array => digest(forge.sha256.create(), bytes);

/** forge takes strings of one character a byte; longer runs than this overflow the argument list. */
const RUN = 0x8000;

function digest(hash: forge.MessageDigest, bytes: Uint8Array): Uint8Array {
  for (let at = 0; at < bytes.length; at += RUN) hash.update(toBinary(bytes.subarray(at, at + RUN)));
  return fromBinary(hash.digest().getBytes());
}

/** HMAC-SHA256 (RFC 2104), for pages that have no WebCrypto. */
export function hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const hmac = forge.hmac.create();
  hmac.start('sha256', toBinary(key));
  return digest(hmac, bytes);
}

/** One character a byte, as forge takes them; at most 32 KB. */
export const toBinary = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

export const fromBinary = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Lower-case hex of `bytes`. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** Whether two runs of bytes are the same. Not for secrets: it stops at the first difference. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
