import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Signs images for secure boot as ESP-IDF's documents have it; for tests alone, with keys that live as long as they. */
export interface Signer {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** What is burnt into the chip: SHA-256 of the key as it stands in the block. */
  readonly digest: Uint8Array;
}

const WORD = (1n << 32n) - 1n;

export function makeSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
  return { privateKey, publicKey, digest: createHash('sha256').update(keyBytes(publicKey)).digest() };
}

/** Modulus, exponent, R² mod n and −1/n mod 2³²: as the RSA peripheral wants them, last byte first. */
function keyBytes(publicKey: KeyObject): Buffer {
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' });
  const modulus = BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`);
  let inverse = 1n;
  for (let i = 0; i < 5; i++) inverse = (inverse * (2n - modulus * inverse)) & WORD;
  const exponent = Buffer.alloc(4);
  exponent.writeUInt32LE(Number.parseInt(Buffer.from(e, 'base64url').toString('hex'), 16));
  const factor = Buffer.alloc(4);
  factor.writeUInt32LE(Number(-inverse & WORD));
  return Buffer.concat([little(modulus), exponent, little((1n << 6144n) % modulus), factor]);
}

function little(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(768, '0'), 'hex').reverse();
}

/** The image, padded to whole sectors, with a sector of one block a signer. */
export function signV2(image: Uint8Array, ...signers: readonly Signer[]): Uint8Array {
  const signed = Buffer.alloc(Math.ceil(image.length / 4096) * 4096, 0xff);
  signed.set(image);
  const blocks = signers.map(({ privateKey, publicKey }) => {
    const signature = sign('sha256', signed, {
      key: privateKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: 32,
    }).reverse();
    const head = Buffer.from([0xe7, 2, 0, 0]);
    const block = Buffer.concat([head, createHash('sha256').update(signed).digest(), keyBytes(publicKey), signature]);
    const tail = Buffer.alloc(20);
    tail.writeUInt32LE(crc32(block));
    return Buffer.concat([block, tail]);
  });
  const sector = Buffer.alloc(4096, 0xff);
  sector.set(Buffer.concat(blocks));
  return Buffer.concat([signed, sector]);
}

/** Secure boot v1: a P-256 key, and images with version and signature behind them. */
export function makeV1Signer(): { publicKey: Uint8Array; sign(image: Uint8Array): Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  return {
    publicKey: Buffer.concat([Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]),
    sign: (image) =>
      Buffer.concat([image, Buffer.alloc(4), sign('sha256', image, { key: privateKey, dsaEncoding: 'ieee-p1363' })]),
  };
}
