import { createCipheriv, createDecipheriv } from 'node:crypto';

/**
 * How the families encrypt their flash (ESP-IDF, "Flash Encryption"; ESP32 Technical Reference Manual, "Flash
 * Encryption"; ESP32-S3 and ESP32-C3, "External Memory Encryption and Decryption").
 */
export interface FlashCipher {
  /** Encrypted writes start at a multiple of this many bytes, and are as many bytes long. */
  readonly align: 16 | 32;
  /** Bytes as the flash stores them. `offset` and length are multiples of 16. */
  encrypt(key: Uint8Array, offset: number, data: Uint8Array): Uint8Array;
  decrypt(key: Uint8Array, offset: number, data: Uint8Array): Uint8Array;
}

const BLOCK = 16;
const MASK_256 = (1n << 256n) - 1n;
/** Which bits of the key each bit of the block's number is XORed into. */
const TWEAK_1 = 0x0000200004000080000004000080001000000200004000080000040000800010n;
const TWEAK_2 = 0x0000000000000000200000000000000010000000000000002000000000000001n;
const TWEAK_2_BITS = 0x000000000000007fe00000000000000ff000000000000007e00000000000000fn;
/** Bytes that share a key on ESP32. */
const KEY_SPAN = 32;

/**
 * ESP32: AES-256 the other way round (it decrypts to store), each block with its bytes reversed; every 32 bytes of
 * flash have a key of their own, the chip's with the address in it. All bits take part (FLASH_CRYPT_CONFIG 0xF).
 */
export const ESP32_CIPHER: FlashCipher = {
  align: 32,
  encrypt: (key, offset, data) => esp32(key, offset, data, createDecipheriv),
  decrypt: (key, offset, data) => esp32(key, offset, data, createCipheriv),
};

function esp32(
  key: Uint8Array,
  offset: number,
  data: Uint8Array,
  make: typeof createCipheriv | typeof createDecipheriv,
): Uint8Array {
  const chipKey = BigInt(`0x${Buffer.from(key).toString('hex')}`);
  const out = new Uint8Array(data.length);
  for (let at = 0; at < data.length; ) {
    const address = offset + at;
    const end = Math.min(data.length, at + KEY_SPAN - (address % KEY_SPAN));
    const number = BigInt(address >>> 5);
    const tweak = ((TWEAK_1 * number) & MASK_256) | ((TWEAK_2 * number) & TWEAK_2_BITS);
    const blockKey = Buffer.from((chipKey ^ tweak).toString(16).padStart(64, '0'), 'hex');
    const cipher = make('aes-256-ecb', blockKey, null).setAutoPadding(false);
    for (; at < end; at += BLOCK) {
      out.set(cipher.update(Uint8Array.from(data.subarray(at, at + BLOCK)).reverse()).reverse(), at);
    }
  }
  return out;
}

/** Bytes that share a tweak with XTS. */
const XTS_UNIT = 128;

/**
 * ESP32-S3, ESP32-C3: XTS-AES (IEEE 1619) in units of 128 bytes whose bytes are reversed, the tweak being the unit's
 * address. The key is 32 bytes (XTS-AES-128) or 64 (XTS-AES-256).
 */
export const XTS_CIPHER: FlashCipher = {
  align: 16,
  encrypt: (key, offset, data) => xts(key, offset, data, createCipheriv),
  decrypt: (key, offset, data) => xts(key, offset, data, createDecipheriv),
};

function xts(
  key: Uint8Array,
  offset: number,
  data: Uint8Array,
  make: typeof createCipheriv | typeof createDecipheriv,
): Uint8Array {
  const name = key.length === 32 ? 'aes-128-xts' : 'aes-256-xts';
  const before = offset % XTS_UNIT;
  const padded = new Uint8Array(Math.ceil((before + data.length) / XTS_UNIT) * XTS_UNIT);
  padded.set(data, before);
  for (let at = 0; at < padded.length; at += XTS_UNIT) {
    const tweak = Buffer.alloc(BLOCK);
    tweak.writeUInt32LE(offset - before + at);
    const unit = make(name, key, tweak).update(padded.slice(at, at + XTS_UNIT).reverse());
    padded.set(unit.reverse(), at);
  }
  return padded.slice(before, before + data.length);
}
