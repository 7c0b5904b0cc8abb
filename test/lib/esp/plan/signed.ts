import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export interface BlockOptions {
  /** 2 for RSA, 3 for ECDSA. */
  version?: number;
  curve?: number;
  digest?: Uint8Array;
  crc?: number;
}

/** A signature block of secure boot v2 over these bytes; key and signature are filler. */
export function block(bytes: Uint8Array, { version = 2, curve = 2, digest, crc }: BlockOptions = {}): Uint8Array {
  const out = new Uint8Array(1216);
  out.fill(0x5b, 36, 1196);
  out.set([0xe7, version, version === 3 && curve === 3 ? 1 : 0, 0]);
  const hash = createHash(curve === 3 && version === 3 ? 'sha384' : 'sha256');
  const sum = digest ?? hash.update(bytes).digest();
  out.set(sum, 4);
  if (version === 3) out[4 + sum.length] = curve;
  new DataView(out.buffer).setUint32(1196, crc ?? crc32(out.subarray(0, 1196)), true);
  return out;
}

/** The image padded to a whole sector, and a sector of signature blocks behind it. */
export function signV2(image: Uint8Array, ...blocks: BlockOptions[]): Uint8Array {
  const size = Math.ceil(image.length / 4096) * 4096;
  const out = new Uint8Array(size + 4096).fill(0xff);
  out.set(image);
  const signed = out.subarray(0, size);
  for (const [i, options] of (blocks.length === 0 ? [{}] : blocks).entries()) {
    out.set(block(signed, options), size + i * 1216);
  }
  return out;
}

/** The bytes and the 68 of secure boot v1 behind them. */
export function signV1(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length + 68);
  out.set(bytes);
  return out.fill(0x5b, bytes.length + 4);
}
