import { sameBytes, sha256, toHex } from '../digest.ts';
import { roundUp, SECTOR } from '../units.ts';
import { espCrc32 } from './crc32.ts';
import type { Sha256 } from './image.ts';

/**
 * Signatures behind images (ESP-IDF, "Secure Boot V2", "Signature Block Format"; "Secure Boot" for the first scheme;
 * layouts of `espsecure`). They are recognised, not verified: which keys a chip trusts is burnt into it.
 */

/** One signature block of the second scheme. */
export interface SignatureBlock {
  /** "RSA-3072", "ECDSA-P256"; null for a number that nobody has given a meaning to. */
  readonly algorithm: string | null;
  /** SHA-256 of the image and its padding, hex, as it stands in the block; SHA-384 with ECDSA-P384. */
  readonly digest: string;
  /** Whether that is the digest of these bytes; null for SHA-384, which is not computed here. */
  readonly digestValid: boolean | null;
  /** Whether the block's own checksum is right. */
  readonly crcValid: boolean;
}

export interface ImageSignature {
  readonly scheme: 'v1' | 'v2';
  /** Where it starts in the bytes. */
  readonly offset: number;
  /** Up to three blocks of the second scheme; empty for the first. */
  readonly blocks: readonly SignatureBlock[];
  /** At least one block is whole and of these bytes; the first scheme has nothing that would tell: true. */
  readonly sound: boolean;
}

const V1_BYTES = 68;
const V2_MAGIC = 0xe7;
const V2_BLOCK = 1216;
const V2_BLOCKS = 3;
const V2_CRC_AT = 1196;
const VERSION_RSA = 2;
const VERSION_ECDSA = 3;
const ECDSA_SHA384 = 1;
const CURVES: Readonly<Record<number, string>> = { 1: 'ECDSA-P192', 2: 'ECDSA-P256', 3: 'ECDSA-P384' };

/**
 * The signature behind an image: in the next whole sector (v2), or directly behind it (v1).
 *
 * @param bytes the image with what follows it
 * @param length of the image: checksum and hash included, as `parseImage` gives it
 * @returns null when there is none
 */
export function findSignature(bytes: Uint8Array, length: number, hash: Sha256 = sha256): ImageSignature | null {
  return findV2(bytes, roundUp(length, SECTOR), hash) ?? findV1(bytes, length);
}

function findV2(bytes: Uint8Array, offset: number, hash: Sha256): ImageSignature | null {
  const blocks: Uint8Array[] = [];
  for (let at = offset; blocks.length < V2_BLOCKS && at + V2_BLOCK <= bytes.length; at += V2_BLOCK) {
    const version = bytes[at + 1];
    if (bytes[at] !== V2_MAGIC || (version !== VERSION_RSA && version !== VERSION_ECDSA)) break;
    blocks.push(bytes.subarray(at, at + V2_BLOCK));
  }
  if (blocks.length === 0) return null;
  const computed = hash(bytes.subarray(0, offset));
  const found = blocks.map((block) => readBlock(block, computed));
  return { scheme: 'v2', offset, blocks: found, sound: found.some((one) => one.crcValid && one.digestValid !== false) };
}

function readBlock(block: Uint8Array, computed: Uint8Array): SignatureBlock {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const isRsa = block[1] === VERSION_RSA;
  const isSha384 = !isRsa && block[2] === ECDSA_SHA384;
  const end = isSha384 ? 52 : 36;
  const digest = block.subarray(4, end);
  return {
    algorithm: isRsa ? 'RSA-3072' : (CURVES[view.getUint8(end)] ?? null),
    digest: toHex(digest),
    digestValid: isSha384 ? null : sameBytes(digest, computed),
    crcValid: view.getUint32(V2_CRC_AT, true) === espCrc32(block.subarray(0, V2_CRC_AT), 0),
  };
}

/** Version 0 and 64 bytes of ECDSA: nothing marks them but that they are neither blank nor zero. */
function findV1(bytes: Uint8Array, offset: number): ImageSignature | null {
  const block = bytes.subarray(offset, offset + V1_BYTES);
  if (block.length < V1_BYTES || block.subarray(0, 4).some((byte) => byte !== 0)) return null;
  const halves = [block.subarray(4, 36), block.subarray(36)];
  const empty = halves.some((half) => half.every((byte) => byte === 0) || half.every((byte) => byte === 0xff));
  return empty ? null : { scheme: 'v1', offset, blocks: [], sound: true };
}
