import type { PublicKeyInfo } from './certificate/keys.ts';
import type { CsrSignature } from './csr/parse.ts';
import { childrenOf, contentOf, expectTag, parseDer, TAG } from './der/reader.ts';
import { sequence, unsigned } from './der/writer.ts';

/** A private key that can sign; P-256. */
export interface SigningKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** ECDSA with SHA-256 over `bytes`, as DER (RFC 3279 §2.2.3). */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
  /** The key itself, PKCS#8 DER: a secret. Overwrite it after use. */
  exportPrivateKey(): Promise<Uint8Array>;
}

/** The cryptography that differs between browser and Node. */
export interface PkiPlatform {
  /** A new P-256 key, whose private part can be exported. */
  generateKey(): Promise<SigningKey>;
  /** Whether `signature` over `bytes` was made with this key. False for anything that is malformed. */
  verify(key: PublicKeyInfo, algorithm: CsrSignature, signature: Uint8Array, bytes: Uint8Array): Promise<boolean>;
  sha256(bytes: Uint8Array): Promise<Uint8Array>;
}

type Plain = Uint8Array<ArrayBuffer>;
type WebKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;

/** WebCrypto: for browsers; it also runs in Node. */
export const webPki: PkiPlatform = {
  generateKey: async () => {
    const { subtle } = crypto;
    const pair = (await subtle.generateKey(P256, true, ['sign', 'verify'])) as {
      readonly privateKey: WebKey;
      readonly publicKey: WebKey;
    };
    return {
      spki: new Uint8Array(await subtle.exportKey('spki', pair.publicKey)),
      sign: async (bytes) => {
        const raw = await subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, bytes as Plain);
        return derSignature(new Uint8Array(raw));
      },
      exportPrivateKey: async () => new Uint8Array(await subtle.exportKey('pkcs8', pair.privateKey)),
    };
  },
  verify: async (key, { scheme, hash }, signature, bytes) => {
    const { subtle } = crypto;
    try {
      if (scheme === 'ECDSA') {
        if (key.kind !== 'P-256') return false;
        const imported = await subtle.importKey('spki', key.spki as Plain, P256, false, ['verify']);
        return await subtle.verify({ name: 'ECDSA', hash }, imported, rawSignature(signature) as Plain, bytes as Plain);
      }
      if (key.kind !== 'RSA') return false;
      const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash };
      const imported = await subtle.importKey('spki', key.spki as Plain, algorithm, false, ['verify']);
      return await subtle.verify(algorithm.name, imported, signature as Plain, bytes as Plain);
    } catch {
      return false;
    }
  },
  sha256: async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Plain)),
};

/** r and s of 32 bytes each, as WebCrypto has them → the SEQUENCE that certificates hold. */
function derSignature(raw: Uint8Array): Uint8Array {
  return sequence(unsigned(raw.subarray(0, 32)), unsigned(raw.subarray(32)));
}

function rawSignature(der: Uint8Array): Uint8Array {
  const raw = new Uint8Array(64);
  const numbers = childrenOf(expectTag(parseDer(der, { bytes: 128, depth: 1 }), TAG.sequence, 'A signature'), 3);
  for (const [i, number] of numbers.entries()) {
    const bytes = contentOf(expectTag(number, TAG.integer, 'A part of a signature'));
    const plain = bytes[0] === 0 ? bytes.subarray(1) : bytes;
    raw.set(plain, 32 * (i + 1) - plain.length);
  }
  return raw;
}
