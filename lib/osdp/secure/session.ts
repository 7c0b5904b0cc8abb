import {
  type Check,
  carriesMac,
  encodeFrame,
  type Frame,
  type FrameFields,
  putCheck,
  type Sequence,
} from '../frame/frame.ts';
import { Aes, pad, unpad } from './aes.ts';

/** The keys of one session, from the reader's key and the panel's random number (Annex D.4). */
export class SessionKeys {
  readonly #enc: Aes;
  readonly #mac1: Aes;
  readonly #mac2: Aes;

  /** @param scbk 16 bytes. @param rndA 8 bytes, of which six count. */
  constructor(scbk: Uint8Array, rndA: Uint8Array) {
    const base = new Aes(scbk);
    const derive = (kind: number): Aes => {
      const block = Buffer.alloc(16);
      block[0] = 1;
      block[1] = kind;
      block.set(rndA.subarray(0, 6), 2);
      const key = base.encrypt(block);
      const aes = new Aes(key, kind === 0x82);
      key.fill(0);
      return aes;
    };
    this.#enc = derive(0x82);
    this.#mac1 = derive(0x01);
    this.#mac2 = derive(0x02);
  }

  /** What the reader proves its key with. */
  clientCryptogram(rndA: Uint8Array, rndB: Uint8Array): Buffer {
    return this.#enc.encrypt(Buffer.concat([rndA, rndB]));
  }

  /** What the panel proves its key with. */
  serverCryptogram(rndA: Uint8Array, rndB: Uint8Array): Buffer {
    return this.#enc.encrypt(Buffer.concat([rndB, rndA]));
  }

  /** The first value of the chain of MACs. */
  initialRmac(serverCryptogram: Uint8Array): Buffer {
    return this.#mac2.encrypt(this.#mac1.encrypt(serverCryptogram));
  }

  /** The whole MAC, of which four bytes go on the wire. @param icv the last MAC of the other direction. */
  mac(icv: Uint8Array, bytes: Uint8Array): Buffer {
    const padded = bytes.length % 16 === 0 ? bytes : pad(bytes);
    const last = padded.length - 16;
    const before = last === 0 ? icv : this.#mac1.cbcEncrypt(icv, padded.subarray(0, last)).subarray(last - 16);
    return this.#mac2.cbcEncrypt(before, padded.subarray(last));
  }

  encrypt(icv: Uint8Array, data: Uint8Array): Buffer {
    return this.#enc.cbcEncrypt(inverse(icv), pad(data));
  }

  /** Undefined when the length or the padding is wrong. */
  decrypt(icv: Uint8Array, data: Uint8Array): Buffer | undefined {
    if (data.length === 0) return Buffer.alloc(0);
    if (data.length % 16 !== 0) return undefined;
    return unpad(this.#enc.cbcDecrypt(inverse(icv), data));
  }
}

function inverse(icv: Uint8Array): Buffer {
  const out = Buffer.alloc(16);
  for (let i = 0; i < 16; i++) out[i] = ~(icv[i] as number);
  return out;
}

/** What is sent inside a session. */
export interface Sealable {
  readonly address: number;
  readonly reply: boolean;
  readonly sequence: Sequence;
  readonly check: Check;
  readonly code: number;
  readonly data: Uint8Array;
  /** Send even no data encrypted, as some older stacks do. Default false. */
  readonly encryptEmpty?: boolean;
}

/** A sealed frame and its whole MAC, which the next message of the other direction builds on. */
export interface Sealed {
  readonly raw: Uint8Array;
  readonly mac: Buffer;
}

/** Encrypts, frames and signs. @param icv the last MAC of the other direction. @throws FRAME_TOO_LONG */
export function seal(keys: SessionKeys, icv: Uint8Array, message: Sealable): Sealed {
  const encrypted = message.data.length > 0 || message.encryptEmpty === true;
  const type = (message.reply ? 0x16 : 0x15) + (encrypted ? 2 : 0);
  const fields: FrameFields = {
    address: message.address,
    reply: message.reply,
    sequence: message.sequence,
    check: message.check,
    security: { type, data: new Uint8Array() },
    code: message.code,
    data: encrypted ? keys.encrypt(icv, message.data) : message.data,
  };
  const raw = encodeFrame(fields);
  const macAt = raw.length - 4 - (message.check === 'crc' ? 2 : 1);
  const mac = keys.mac(icv, raw.subarray(0, macAt));
  raw.set(mac.subarray(0, 4), macAt);
  putCheck(raw, message.check);
  return { raw, mac };
}

/** What a sealed frame holds, or why it cannot be believed. */
export type Opened =
  | { readonly ok: true; readonly code: number; readonly data: Uint8Array; readonly mac: Buffer }
  | { readonly ok: false; readonly why: 'plain' | 'mac' | 'padding' };

/** Verifies and decrypts. @param icv the last MAC of the other direction. */
export function open(keys: SessionKeys, icv: Uint8Array, frame: Frame): Opened {
  const type = frame.security?.type ?? 0;
  const kinds = frame.reply ? [0x16, 0x18] : [0x15, 0x17];
  if (!carriesMac(type) || !kinds.includes(type) || frame.mac === undefined) return { ok: false, why: 'plain' };
  const macAt = frame.raw.length - 4 - (frame.check === 'crc' ? 2 : 1);
  const mac = keys.mac(icv, frame.raw.subarray(0, macAt));
  let difference = 0;
  for (let i = 0; i < 4; i++) difference |= (mac[i] as number) ^ (frame.mac[i] as number);
  if (difference !== 0) return { ok: false, why: 'mac' };
  if (type < 0x17) return { ok: true, code: frame.code, data: frame.data, mac };
  const data = keys.decrypt(icv, frame.data);
  return data === undefined ? { ok: false, why: 'padding' } : { ok: true, code: frame.code, data, mac };
}
