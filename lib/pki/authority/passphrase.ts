import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  type KeyObject,
  randomBytes,
  type ScryptOptions,
  scrypt,
} from 'node:crypto';
import { wipe } from '../../vault/index.ts';
import { OID } from '../der/oids.ts';
import { badDer, childrenOf, contentOf, type Der, numberOf, oidOf, parseDer } from '../der/reader.ts';
import { integer, octets, oid, sequence } from '../der/writer.ts';
import { fail } from '../errors.ts';

/** 16 MiB a guess; OpenSSL reads no file that needs more than 32. */
const COST = { N: 16384, r: 8, p: 4 } as const;
const LEAST = 12;
const MOST = 1024;

/** @throws BAD_PASSPHRASE */
export function checkPassphrase(passphrase: Uint8Array | undefined): Uint8Array {
  if (passphrase === undefined || passphrase.length < LEAST || passphrase.length > MOST) {
    throw fail('BAD_PASSPHRASE', `The passphrase of the root has ${passphrase?.length ?? 0} bytes.`, {
      hint: `Choose one of at least ${LEAST} characters, and keep it apart from this machine.`,
      detail: { field: 'passphrase' },
    });
  }
  return passphrase;
}

const stretch = (passphrase: Uint8Array, salt: Uint8Array, options: ScryptOptions): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });

/**
 * A private key behind a passphrase: EncryptedPrivateKeyInfo (RFC 5958) with PBES2, scrypt (RFC 7914) and AES-256-CBC,
 * which `openssl pkey` reads. The plain one is overwritten.
 */
export async function encryptPrivateKey(pkcs8: Uint8Array, passphrase: Uint8Array): Promise<Uint8Array> {
  const [salt, iv] = [randomBytes(16), randomBytes(16)];
  const key = await stretch(passphrase, salt, { ...COST, maxmem: 64 << 20 });
  try {
    const cipher = createCipheriv('aes-256-cbc', key, iv);
    const encrypted = Buffer.concat([cipher.update(pkcs8), cipher.final()]);
    const stretching = sequence(
      oid(OID.scrypt),
      sequence(octets(salt), integer(COST.N), integer(COST.r), integer(COST.p), integer(key.length)),
    );
    const encryption = sequence(oid(OID.aes256Cbc), octets(iv));
    return sequence(sequence(oid(OID.pbes2), sequence(stretching, encryption)), octets(encrypted));
  } finally {
    wipe(key);
    wipe(pkcs8);
  }
}

/** The key behind a passphrase, in the form that encryptPrivateKey writes. @throws BAD_PASSPHRASE */
export async function decryptPrivateKey(encrypted: Uint8Array, passphrase: Uint8Array | undefined): Promise<KeyObject> {
  try {
    if (passphrase === undefined) throw new Error('none was given');
    const { salt, N, r, p, iv, data } = takeApart(encrypted);
    const key = await stretch(passphrase, salt, { N, r, p, maxmem: 64 << 20 });
    const decipher = createDecipheriv('aes-256-cbc', key, iv);
    const pkcs8 = Buffer.concat([decipher.update(data), decipher.final()]);
    try {
      return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
    } finally {
      wipe(key);
      wipe(pkcs8);
    }
  } catch {
    throw fail('BAD_PASSPHRASE', `The passphrase of the root is ${passphrase === undefined ? 'missing' : 'wrong'}.`, {
      hint: 'Give the passphrase that the root was made or imported with.',
      detail: { field: 'passphrase' },
    });
  }
}

/** @throws BAD_DER, and when it asks for more work than we ever do */
function takeApart(encrypted: Uint8Array): {
  salt: Uint8Array;
  N: number;
  r: number;
  p: number;
  iv: Uint8Array;
  data: Uint8Array;
} {
  const [algorithm, data] = childrenOf(parseDer(encrypted)) as [Der, Der];
  const [, pbes2] = childrenOf(algorithm) as [Der, Der];
  const [stretching, encryption] = childrenOf(pbes2) as [Der, Der];
  const [kdf, terms] = childrenOf(stretching) as [Der, Der];
  const [salt, N, r, p] = childrenOf(terms) as [Der, Der, Der, Der];
  const [cipher, iv] = childrenOf(encryption) as [Der, Der];
  const numbers = { N: numberOf(N, 'N'), r: numberOf(r, 'r'), p: numberOf(p, 'p') };
  const ours = oidOf(kdf) === OID.scrypt && oidOf(cipher) === OID.aes256Cbc;
  if (!ours || numbers.N > COST.N || numbers.r > COST.r || numbers.p > COST.p) throw badDer('Its terms are others', 0);
  return { ...numbers, salt: contentOf(salt), iv: contentOf(iv), data: contentOf(data) };
}
