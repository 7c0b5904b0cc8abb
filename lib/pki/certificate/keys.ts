import { OID } from '../der/oids.ts';
import {
  badDer,
  bitsOf,
  childrenOf,
  type Der,
  expectTag,
  numberOf,
  oidOf,
  readDer,
  TAG,
  whole,
} from '../der/reader.ts';
import { fail } from '../errors.ts';

/** What a public key is. */
export interface PublicKeyInfo {
  readonly kind: 'P-256' | 'RSA' | 'other';
  /** For people: "P-256", "RSA 2048", "P-384", "Ed25519", or the dotted identifier. */
  readonly name: string;
  /** Bits of the modulus of an RSA key. */
  readonly bits?: number;
  /** The whole SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** The content of its BIT STRING. */
  readonly key: Uint8Array;
}

const OTHERS: Readonly<Record<string, string>> = {
  [OID.p384]: 'P-384',
  [OID.p521]: 'P-521',
  [OID.secp256k1]: 'secp256k1',
  [OID.ed25519]: 'Ed25519',
};

/** The 26 bytes before the point of a P-256 key in its one DER form (RFC 5480 §2.1.1, uncompressed). */
const P256_HEAD = Uint8Array.of(
  ...[0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
  ...[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00],
);

function isP256(der: Der): boolean {
  if (der.end - der.start !== 91 || der.bytes[der.start + 26] !== 0x04) return false;
  for (let i = 0; i < 26; i++) if (der.bytes[der.start + i] !== P256_HEAD[i]) return false;
  return true;
}

/** Reads a SubjectPublicKeyInfo. Whether a point lies on its curve is for the import to say. @throws BAD_DER */
export function publicKeyOf(der: Der): PublicKeyInfo {
  if (isP256(der)) {
    const spki = whole(der).slice();
    return { kind: 'P-256', name: 'P-256', spki, key: spki.subarray(26) };
  }
  expectTag(der, TAG.sequence, 'A public key');
  const [algorithm, bits, more] = childrenOf(der, 3);
  if (more !== undefined) throw badDer('A public key has a third part', more.start);
  const [id, parameter] = childrenOf(expectTag(algorithm, TAG.sequence, 'The algorithm of a public key', der.start), 3);
  const type = oidOf(expectTag(id, TAG.oid, 'The algorithm of a public key', der.start));
  const key = bitsOf(bits, 'A public key');
  const spki = whole(der).slice();
  if (type === OID.rsaEncryption) {
    const length = rsaBits(key, parameter);
    return { kind: 'RSA', name: `RSA ${length}`, bits: length, spki, key };
  }
  const curve = type === OID.ecPublicKey && parameter?.tag === TAG.oid ? oidOf(parameter) : type;
  // A P-256 key in another form than the one above: a compressed point, or one of a wrong length.
  const name = curve === OID.p256 ? 'P-256 (not as an uncompressed point)' : (OTHERS[curve] ?? curve);
  return { kind: 'other', name, spki, key };
}

/** RFC 8017 A.1.1: a SEQUENCE of modulus and exponent, under an algorithm whose parameter is NULL. */
function rsaBits(key: Uint8Array, parameter: Der | undefined): number {
  if (parameter?.tag !== TAG.null) throw badDer('The parameter of an RSA key is not NULL', parameter?.start ?? 0);
  const outer = expectTag(readDer(key), TAG.sequence, 'An RSA key');
  const [modulus, exponent, more] = childrenOf(outer, 3);
  const n = expectTag(modulus, TAG.integer, 'The modulus of an RSA key');
  const e = numberOf(expectTag(exponent, TAG.integer, 'The exponent of an RSA key'), 'The exponent of an RSA key');
  if (more !== undefined || outer.end !== key.length || e < 3 || e % 2 === 0)
    throw badDer('An RSA key is malformed', 0);
  const first = n.bytes[n.content] as number;
  const from = first === 0 ? n.content + 1 : n.content;
  if (first >= 0x80 || from >= n.end) throw badDer('The modulus of an RSA key is not positive', n.start);
  return 8 * (n.end - from) - Math.clz32(n.bytes[from] as number) + 24;
}

/** Which keys of devices a namespace takes. */
export type KeyPolicy = 'P-256' | 'P-256 or RSA';

/** RSA for old fleets: at least what is still allowed, at most what is still quick. */
const RSA_LEAST = 2048;
const RSA_MOST = 4096;

/** @throws CSR_KEY_REFUSED */
export function checkKeyPolicy(key: PublicKeyInfo, policy: KeyPolicy): void {
  if (key.kind === 'P-256') return;
  const bits = key.bits ?? 0;
  if (policy === 'P-256 or RSA' && key.kind === 'RSA' && bits >= RSA_LEAST && bits <= RSA_MOST) return;
  throw fail('CSR_KEY_REFUSED', `A key of the kind ${key.name} is not taken here.`, {
    hint: `Make the signing request with a key of the kind P-256${
      policy === 'P-256 or RSA' ? `, or with RSA of ${RSA_LEAST} to ${RSA_MOST} bits` : ''
    }.`,
    detail: { field: 'csr', value: key.name },
  });
}
