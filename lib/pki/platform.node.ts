import { createHash, createPublicKey, generateKeyPair, type KeyObject, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';
import type { PublicKeyInfo } from './certificate/keys.ts';
import type { CsrSignature } from './csr/parse.ts';
import type { PkiPlatform, SigningKey } from './platform.ts';

const HASHES = { 'SHA-256': 'sha256', 'SHA-384': 'sha384', 'SHA-512': 'sha512' } as const;
const generate = promisify(generateKeyPair);

export const plain = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);

/** A P-256 key of node:crypto as a SigningKey. */
export function signingKey(privateKey: KeyObject): SigningKey {
  return {
    spki: plain(createPublicKey(privateKey).export({ type: 'spki', format: 'der' })),
    sign: async (bytes) => plain(sign('sha256', bytes, privateKey)),
    exportPrivateKey: async () => plain(privateKey.export({ type: 'pkcs8', format: 'der' })),
  };
}

/** PkiPlatform.verify, at once. */
export function verifyNow(
  key: PublicKeyInfo,
  algorithm: CsrSignature,
  signature: Uint8Array,
  bytes: Uint8Array,
): boolean {
  if (key.kind !== (algorithm.scheme === 'ECDSA' ? 'P-256' : 'RSA')) return false;
  try {
    const imported = createPublicKey({ key: key.spki as Buffer, format: 'der', type: 'spki' });
    return verify(HASHES[algorithm.hash], bytes, imported, signature);
  } catch {
    // A point that is not on the curve, a signature that is no pair of numbers.
    return false;
  }
}

/** node:crypto. */
export const nodePki: PkiPlatform = {
  generateKey: async () => signingKey((await generate('ec', { namedCurve: 'P-256' })).privateKey),
  verify: async (...what) => verifyNow(...what),
  sha256: async (bytes) => plain(createHash('sha256').update(bytes).digest()),
};
