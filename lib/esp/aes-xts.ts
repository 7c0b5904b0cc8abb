import forge from 'node-forge/lib/forge.js';
import 'node-forge/lib/aes.js';
import { fromBinary, toBinary } from './digest.ts';

const BLOCK = 16;
const KEY = 32;

/**
 * XTS-AES-256 (IEEE 1619) of one data unit of whole blocks, anywhere: WebCrypto has no XTS. The shape is that of
 * `Platform.aesXts`.
 */
export function aesXts(key: Uint8Array, tweak: Uint8Array, data: Uint8Array, way: 'encrypt' | 'decrypt'): Uint8Array {
  const masks = fromBinary(blocks('encrypt', key.subarray(KEY), tweak));
  const stream = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += BLOCK) {
    stream.set(masks, at);
    double(masks);
  }
  const mixed = stream.map((mask, i) => mask ^ (data[i] as number));
  const done = fromBinary(blocks(way, key.subarray(0, KEY), mixed));
  return done.map((byte, i) => byte ^ (stream[i] as number));
}

/** AES-256 block by block, without padding. */
function blocks(way: 'encrypt' | 'decrypt', key: Uint8Array, data: Uint8Array): string {
  const make = way === 'encrypt' ? forge.cipher.createCipher : forge.cipher.createDecipher;
  const cipher = make('AES-ECB', toBinary(key));
  cipher.start({});
  cipher.update(forge.util.createBuffer(toBinary(data)));
  cipher.finish(() => true);
  return cipher.output.getBytes();
}

/** Times x in GF(2¹²⁸), least significant byte first. */
function double(block: Uint8Array): void {
  let carry = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = block[i] as number;
    block[i] = (byte << 1) | carry;
    carry = byte >> 7;
  }
  if (carry === 1) block[0] = (block[0] as number) ^ 0x87;
}
