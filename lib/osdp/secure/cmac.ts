import { Aes } from './aes.ts';

/** AES-128-CMAC (RFC 4493; NIST SP 800-38B). @param key 16 bytes. @returns 16 bytes. */
export function aesCmac(key: Uint8Array, message: Uint8Array): Buffer {
  const aes = new Aes(key);
  const k1 = double(aes.encrypt(Buffer.alloc(16)));
  const whole = message.length > 0 && message.length % 16 === 0;
  const blocks = Math.max(1, Math.ceil(message.length / 16));
  const padded = Buffer.alloc(blocks * 16);
  padded.set(message);
  if (!whole) padded[message.length] = 0x80;
  const last = whole ? k1 : double(k1);
  const at = padded.length - 16;
  for (let i = 0; i < 16; i++) padded[at + i] = (padded[at + i] as number) ^ (last[i] as number);
  const out = aes.cbcEncrypt(Buffer.alloc(16), padded).subarray(at);
  padded.fill(0);
  return out;
}

/** Multiplies by x in GF(2¹²⁸). */
function double(block: Buffer): Buffer {
  const out = Buffer.alloc(16);
  for (let i = 0; i < 16; i++) out[i] = (((block[i] as number) << 1) | ((block[i + 1] ?? 0) >> 7)) & 0xff;
  if ((block[0] as number) & 0x80) out[15] = (out[15] as number) ^ 0x87;
  return out;
}
