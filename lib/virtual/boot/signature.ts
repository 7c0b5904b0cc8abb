import { constants, createCipheriv, createHash, createPublicKey, verify } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { EspImage } from '../../esp/index.ts';
import { SECTOR, word } from '../chip/protocol.ts';

/**
 * Secure boot's signatures and digests, as ESP-IDF documents them ("Secure Boot v2", "Secure Boot" of ESP32) and
 * espsecure makes them.
 */

const BLOCK_BYTES = 1216;
const BLOCK_MAGIC = 0xe7;
const VERSION_RSA = 2;
/** Within a block: SHA-256 of the image, public key, signature, CRC. */
const AT = { digest: 4, modulus: 36, exponent: 420, keyEnd: 812, signature: 812, crc: 1196 } as const;
const MODULUS_BYTES = 384;

/** What came of a check, and what ROM code says on the way. */
export interface Verdict {
  readonly valid: boolean;
  readonly lines: readonly string[];
}

/**
 * Secure boot v2: RSA-3072-PSS blocks in the sector after the image, of which one must be good and by a trusted key.
 *
 * @param bytes from the image's first byte on, the signature sector included.
 * @param trusted SHA-256 digests of the keys burnt into the chip.
 * @param blocks how many blocks the chip looks at: 1 or 3.
 */
export function checkV2(bytes: Uint8Array, image: EspImage, trusted: readonly Uint8Array[], blocks: number): Verdict {
  const lines: string[] = [];
  const signed = bytes.subarray(0, signatureOffset(image));
  const sector = bytes.subarray(signed.length, signed.length + SECTOR);
  const digest = createHash('sha256').update(signed).digest();
  for (let i = 0; i < blocks; i++) {
    const block = sector.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
    if (block.length < BLOCK_BYTES || block[0] !== BLOCK_MAGIC || block[1] !== VERSION_RSA) {
      if (i === 0) {
        const found = (block[0] ?? 0xff).toString(16);
        lines.push(
          `No signature block magic byte found at signature sector (found 0x${found} not 0xe7). Image not V2 signed?`,
        );
      }
      break;
    }
    const stored = word(block, AT.crc);
    const computed = crc32(block.subarray(0, AT.crc));
    if (stored !== computed) {
      const ends = (value: number): string => `0x${(value & 0xffff).toString(16)}`;
      lines.push(`Sig block ${i} invalid: Stored CRC ends ${ends(stored)}, calculated CRC ends ${ends(computed)}`);
    } else if (!digest.equals(block.subarray(AT.digest, AT.modulus))) {
      lines.push(`Sig block ${i} invalid: Image digest does not match`);
    } else if (trusted.some((key) => keyDigest(block).equals(key))) {
      if (verifyPss(signed, block)) return { valid: true, lines: [] };
      lines.push('Signature Check Failed');
    }
  }
  return { valid: false, lines };
}

/** Digests of the keys that signed an image: what a chip burns that trusts its first bootloader. */
export function signersOf(bytes: Uint8Array, image: EspImage, blocks: number): Uint8Array[] {
  const at = signatureOffset(image);
  return Array.from({ length: blocks }, (_, i) => bytes.subarray(at + i * BLOCK_BYTES, at + (i + 1) * BLOCK_BYTES))
    .filter((block) => block.length === BLOCK_BYTES && block[0] === BLOCK_MAGIC && block[1] === VERSION_RSA)
    .map(keyDigest);
}

function signatureOffset({ length }: EspImage): number {
  return Math.ceil(length / SECTOR) * SECTOR;
}

function keyDigest(block: Uint8Array): Buffer {
  return createHash('sha256').update(block.subarray(AT.modulus, AT.keyEnd)).digest();
}

/** Numbers stand in the block with their last byte first. */
function verifyPss(signed: Uint8Array, block: Uint8Array): boolean {
  const exponent = Buffer.alloc(4);
  exponent.writeUInt32BE(word(block, AT.exponent));
  const modulus = Buffer.from(block.subarray(AT.modulus, AT.modulus + MODULUS_BYTES)).reverse();
  const jwk = { kty: 'RSA', n: modulus.toString('base64url'), e: exponent.toString('base64url') };
  try {
    return verify(
      'sha256',
      signed,
      {
        key: createPublicKey({ key: jwk, format: 'jwk' }),
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: 32,
      },
      Buffer.from(block.subarray(AT.signature, AT.crc)).reverse(),
    );
  } catch {
    // A number that is no modulus verifies nothing.
    return false;
  }
}

/** Secure boot v1: what stands at offset 0. */
export const V1_IV_BYTES = 128;
export const V1_DIGEST_BYTES = 64;
const ENGINE_BLOCK = 128;
const HASH_BYTES = 32;

/** Secure boot v1: the digest of a bootloader that the chip's engine computes with the key in efuse block 2. */
export function bootloaderDigest(key: Uint8Array, iv: Uint8Array, bytes: Uint8Array, image: EspImage): Buffer {
  const beyond = image.length % ENGINE_BLOCK;
  // The engine reads blocks of 128 bytes, and stops short of the block in which only the end of the SHA-256 lies.
  const end = image.hash !== null && beyond <= HASH_BYTES ? image.length - beyond : image.length;
  const input = Buffer.alloc(V1_IV_BYTES + Math.ceil(end / ENGINE_BLOCK) * ENGINE_BLOCK, 0xff);
  input.set(iv);
  input.set(bytes.subarray(0, end), V1_IV_BYTES);
  const reversed = reverseEach(input, 16);
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  const words = reverseEach(reverseEach(cipher.update(reversed), 16), 4);
  return reverseEach(createHash('sha512').update(words).digest(), 4);
}

function reverseEach(bytes: Uint8Array, size: number): Buffer {
  const out = Buffer.from(bytes);
  for (let at = 0; at < out.length; at += size) out.subarray(at, at + size).reverse();
  return out;
}

/** Secure boot v1: version 0 and an ECDSA signature (r, s) behind the image. `key` is X and Y of a point on P-256. */
export function checkV1App(bytes: Uint8Array, { length }: EspImage, key: Uint8Array | undefined): Verdict {
  const block = bytes.subarray(length, length + 68);
  if (block.length < 68 || word(block, 0) !== 0) {
    return {
      valid: false,
      lines: [`image has invalid signature version field 0x${word(block, 0).toString(16).padStart(8, '0')}`],
    };
  }
  if (key === undefined) return { valid: true, lines: [] };
  const coordinate = (from: number): string => Buffer.from(key.subarray(from, from + 32)).toString('base64url');
  const jwk = { kty: 'EC', crv: 'P-256', x: coordinate(0), y: coordinate(32) };
  const valid = verify(
    'sha256',
    bytes.subarray(0, length),
    { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
    block.subarray(4),
  );
  return { valid, lines: valid ? [] : ['Signature verification failed'] };
}
