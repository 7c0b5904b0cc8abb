import { type Cipheriv, createCipheriv, createDecipheriv, type Decipheriv } from 'node:crypto';

/** AES-128 on single blocks: one cipher a key for its whole life, since making one costs more than a message. */
export class Aes {
  readonly #encrypt: Cipheriv;
  readonly #decrypt: Decipheriv | undefined;

  /** @param key 16 bytes; not kept. @param decrypts whether `cbcDecrypt` will be asked for. */
  constructor(key: Uint8Array, decrypts = false) {
    this.#encrypt = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
    this.#decrypt = decrypts ? createDecipheriv('aes-128-ecb', key, null).setAutoPadding(false) : undefined;
  }

  /** Any number of whole blocks, each by itself. */
  encrypt(blocks: Uint8Array): Buffer {
    return this.#encrypt.update(blocks);
  }

  cbcEncrypt(iv: Uint8Array, data: Uint8Array): Buffer {
    const out = Buffer.alloc(data.length);
    const block = Buffer.from(iv);
    for (let at = 0; at < data.length; at += 16) {
      for (let i = 0; i < 16; i++) block[i] = (block[i] as number) ^ (data[at + i] as number);
      this.encrypt(block).copy(block);
      block.copy(out, at);
    }
    return out;
  }

  cbcDecrypt(iv: Uint8Array, data: Uint8Array): Buffer {
    if (this.#decrypt === undefined) throw new Error('This cipher was made to encrypt only.');
    const out = this.#decrypt.update(data);
    for (let at = 0; at < out.length; at++) {
      out[at] = (out[at] as number) ^ ((at < 16 ? iv[at] : data[at - 16]) as number);
    }
    return out;
  }
}

/** ISO 7816-4: 80 00 …, always at least one byte. */
export function pad(data: Uint8Array): Buffer {
  const out = Buffer.alloc((Math.floor(data.length / 16) + 1) * 16);
  out.set(data);
  out[data.length] = 0x80;
  return out;
}

/** Takes the padding off; undefined when there is none. */
export function unpad(data: Buffer): Buffer | undefined {
  let end = data.length - 1;
  while (end >= 0 && data[end] === 0) end--;
  return end >= 0 && data[end] === 0x80 && data.length - end <= 16 ? data.subarray(0, end) : undefined;
}
