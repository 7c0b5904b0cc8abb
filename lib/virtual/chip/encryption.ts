import { randomBytes } from 'node:crypto';
import { fail } from '../errors.ts';
import type { FlashMemory } from './flash.ts';
import { ESP32_CIPHER, type FlashCipher, XTS_CIPHER } from './flash-cipher.ts';
import { hasEncryptionKey } from './models/efuse.ts';
import { type ChipModel, ESP32_CHIP_ID } from './models/model.ts';
import type { SecurityOptions } from './options.ts';

/**
 * The flash encryption block between the processor and the flash: what runs from flash sees it decrypted, what a
 * loader reads or writes is as it is stored, and a loader may ask for a write to pass through the block.
 */
export class FlashEncryption {
  /** Whether code runs from a decrypted view: an odd number of bits of the counter are set. */
  readonly isOn: boolean;
  readonly #flash: FlashMemory;
  readonly #cipher: FlashCipher;
  readonly #key: Uint8Array | undefined;
  readonly #manual: boolean;

  /** @throws BAD_CHIP_OPTION for an XTS key whose halves are the same */
  constructor(model: ChipModel, security: SecurityOptions, flash: FlashMemory) {
    this.isOn = countBits(security.flashCryptCount) % 2 === 1;
    this.#flash = flash;
    this.#cipher = model.imageChipId === ESP32_CHIP_ID ? ESP32_CIPHER : XTS_CIPHER;
    this.#key =
      security.encryptionKey ??
      (hasEncryptionKey(security) ? randomBytes(model.encryptionKeyBytes[0] ?? 32) : undefined);
    if (this.#cipher === XTS_CIPHER) checkHalves(security.encryptionKey);
    this.#manual = !security.manualEncryptDisabled;
  }

  /** Whether a loader may write through the block: there is a key, and the efuse against it is not burnt. */
  get canWrite(): boolean {
    return this.#manual && this.#key !== undefined;
  }

  /** An encrypted write starts at a multiple of this many bytes, and is as many bytes long. */
  get align(): number {
    return this.#cipher.align;
  }

  /** Writes through the block. @returns the time it takes in ms; undefined when the block refuses. */
  program(offset: number, data: Uint8Array): number | undefined {
    const key = this.#key;
    if (key === undefined || !this.canWrite || offset % this.align !== 0 || data.length % this.align !== 0)
      return undefined;
    return this.#flash.program(offset, this.#cipher.encrypt(key, offset, data));
  }

  /** The flash as code that runs from it sees it. */
  view(offset: number, size: number): Uint8Array {
    if (!this.isOn || this.#key === undefined) return this.#flash.read(offset, size);
    const before = offset % BLOCK;
    const end = Math.ceil((offset + size) / BLOCK) * BLOCK;
    const stored = this.#flash.read(offset - before, end - offset + before);
    return this.#cipher.decrypt(this.#key, offset - before, stored).slice(before, before + size);
  }
}

const BLOCK = 16;

/** A write through the block that comes in pieces of any size: whole units are written as they fill up. */
export class EncryptedRun {
  readonly #encryption: FlashEncryption;
  #at: number;
  #rest = new Uint8Array(0);

  constructor(encryption: FlashEncryption, at: number) {
    this.#encryption = encryption;
    this.#at = at;
  }

  /** Bytes that wait for their unit to fill up. */
  get pending(): number {
    return this.#rest.length;
  }

  /** @returns the time it takes in ms; undefined when the block refuses. */
  write(bytes: Uint8Array): number | undefined {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const whole = all.length - (all.length % this.#encryption.align);
    const ms = this.#encryption.program(this.#at, all.subarray(0, whole));
    this.#at += whole;
    this.#rest = all.slice(whole);
    return ms;
  }
}

/** XTS is not defined for it (NIST SP 800-38E), and no chip draws one. */
function checkHalves(key: Uint8Array | undefined): void {
  if (key === undefined) return;
  const half = key.length / 2;
  if (!key.subarray(0, half).every((byte, i) => byte === key[half + i])) return;
  throw fail('BAD_CHIP_OPTION', 'The two halves of security.encryptionKey are the same.', {
    hint: 'Draw the key at random.',
    detail: { field: 'security.encryptionKey' },
  });
}

export function countBits(value: number): number {
  let bits = 0;
  for (let rest = value; rest > 0; rest >>>= 1) bits += rest & 1;
  return bits;
}
