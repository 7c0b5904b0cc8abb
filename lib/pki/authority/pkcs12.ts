import { createPrivateKey, type KeyObject, pbkdf2Sync } from 'node:crypto';
import forge from 'node-forge';
import { isKeywayError } from '../../errors/index.ts';
import { type Certificate, parseCertificate } from '../certificate/inspect.ts';
import { fail } from '../errors.ts';
import { plain } from '../platform.node.ts';

/** No file of keys and certificates is larger; forge reads no byte of one that is. */
const MOST = 256 << 10;
/** Rounds of key stretching that a file may ask for: OpenSSL writes 2048, others up to 100000. */
const MOST_ROUNDS = 1_000_000;
const MOST_VALUES = 20_000;
const MOST_CERTIFICATES = 20;

/**
 * Reads a PKCS#12 file (RFC 7292): one key and certificates. Legacy ciphers (3DES, RC2) are read too.
 * @throws BAD_PKCS12, BAD_CERTIFICATE
 */
export function readPkcs12(
  bytes: Uint8Array,
  passphrase: Uint8Array = new Uint8Array(0),
): { key: KeyObject; certificates: Certificate[] } {
  if (bytes.length > MOST) throw bad(`It has ${bytes.length} bytes, more than ${MOST}.`);
  try {
    const outer = forge.asn1.fromDer(binary(bytes), false);
    checkRounds(outer);
    const text = Buffer.from(passphrase).toString('utf8');
    const file = stretchedNatively(() => forge.pkcs12.pkcs12FromAsn1(outer, false, text));
    const bags = file.safeContents.flatMap(({ safeBags }) => safeBags);
    const keys = bags.filter(
      ({ type }) => type === forge.pki.oids.pkcs8ShroudedKeyBag || type === forge.pki.oids.keyBag,
    );
    const certificates = bags.filter(({ type }) => type === forge.pki.oids.certBag);
    const key = keys[0];
    if (key === undefined || keys.length > 1) throw bad(`It holds ${keys.length} keys in place of one.`);
    if (certificates.length > MOST_CERTIFICATES) throw bad(`It holds ${certificates.length} certificates.`);
    return { key: keyOf(key), certificates: certificates.map(certificateOf) };
  } catch (error) {
    if (isKeywayError(error)) throw error;
    // What forge says may quote from within; its kind is enough.
    throw bad('Its passphrase is wrong, or it is damaged.');
  }
}

/**
 * forge's own PBKDF2 takes seconds for what is usual today, and the text of a passphrase as Latin-1, where whoever
 * writes such files takes UTF-8. All of it happens at once: nobody else meets the other one.
 */
function stretchedNatively<T>(work: () => T): T {
  const held = forge.pkcs5 as { pbkdf2: unknown };
  const own = held.pbkdf2;
  held.pbkdf2 = (text: string, salt: string, rounds: number, length: number, digest: { algorithm: string } | null) => {
    const hash = (digest?.algorithm ?? 'sha1').toLowerCase().replace('sha-', 'sha');
    return pbkdf2Sync(text, Buffer.from(salt, 'latin1'), rounds, length, hash).toString('latin1');
  };
  try {
    return work();
  } finally {
    held.pbkdf2 = own;
  }
}

function keyOf(bag: forge.pkcs12.Bag): KeyObject {
  // An RSA key forge has taken apart; of any other it leaves the structure.
  const info = bag.key ? forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(bag.key)) : bag.asn1;
  const der = plain(Buffer.from(forge.asn1.toDer(info).getBytes(), 'latin1'));
  try {
    return createPrivateKey({ key: der as Buffer, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}

function certificateOf(bag: forge.pkcs12.Bag): Certificate {
  const structure = bag.cert ? forge.pki.certificateToAsn1(bag.cert) : bag.asn1;
  return parseCertificate(plain(Buffer.from(forge.asn1.toDer(structure).getBytes(), 'latin1')));
}

const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/**
 * A hostile file may ask for two thousand million rounds. They stand as an INTEGER behind a salt, in the data of the MAC
 * and in every algorithm with a password, also within the OCTET STRINGs that hold structures.
 */
function checkRounds(outer: forge.asn1.Asn1): void {
  const left = [outer];
  for (let count = 0; left.length > 0; count++) {
    if (count > MOST_VALUES) throw bad('It holds too many values.');
    const { type, value } = left.pop() as forge.asn1.Asn1;
    if (!Array.isArray(value)) {
      const inner = type === forge.asn1.Type.OCTETSTRING && value.startsWith('0') ? structureOf(value) : undefined;
      if (inner !== undefined) left.push(inner);
      continue;
    }
    left.push(...value);
    for (const [i, one] of value.entries()) {
      const salted = value[i - 1]?.type === forge.asn1.Type.OCTETSTRING && one.type === forge.asn1.Type.INTEGER;
      if (salted && roundsOf(one) > MOST_ROUNDS) {
        throw bad(`It asks for more than ${MOST_ROUNDS} rounds of key stretching.`);
      }
    }
  }
}

function roundsOf({ value }: forge.asn1.Asn1): number {
  if (typeof value !== 'string' || value.length > 4) return Number.POSITIVE_INFINITY;
  return Number.parseInt(Buffer.from(value, 'latin1').toString('hex'), 16);
}

function structureOf(text: string): forge.asn1.Asn1 | undefined {
  try {
    return forge.asn1.fromDer(text, false);
  } catch {
    return undefined;
  }
}

function bad(what: string): Error {
  return fail('BAD_PKCS12', `The PKCS#12 file cannot be read. ${what}`, {
    hint: 'Check file and passphrase: `openssl pkcs12 -info -noout -in FILE` shows whether they fit.',
    detail: { field: 'pkcs12' },
  });
}
