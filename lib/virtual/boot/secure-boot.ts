import { randomBytes } from 'node:crypto';
import { type EspImage, parseImage } from '../../esp/index.ts';
import type { FlashEncryption } from '../chip/encryption.ts';
import type { FlashMemory } from '../chip/flash.ts';
import { type ChipModel, ESP32_CHIP_ID } from '../chip/models/model.ts';
import type { SecurityOptions } from '../chip/options.ts';
import { fail } from '../errors.ts';
import {
  bootloaderDigest,
  checkV1App,
  checkV2,
  signersOf,
  V1_DIGEST_BYTES,
  V1_IV_BYTES,
  type Verdict,
} from './signature.ts';

const V1_BYTES = V1_IV_BYTES + V1_DIGEST_BYTES;
/** Most a second-stage bootloader may take up: it ends where the partition table begins. */
export const PARTITION_TABLE_AT = 0x8000;

/** What secure boot has burnt into the chip, and what comes of an image under it. */
export class SecureBoot {
  readonly version: false | 'v1' | 'v2';
  /** Trusted keys of version 2. */
  readonly digests: readonly Uint8Array[];
  readonly #encryption: FlashEncryption;
  readonly #key: Uint8Array;
  readonly #appKey: Uint8Array | undefined;
  readonly #blocks: number;

  /** @throws BAD_CHIP_OPTION for keys of a wrong length */
  constructor(model: ChipModel, security: SecurityOptions, flash: FlashMemory, encryption: FlashEncryption) {
    this.version = security.secureBoot;
    this.#encryption = encryption;
    this.#blocks = model.imageChipId === ESP32_CHIP_ID ? 1 : 3;
    const { signingDigests = [], secureBootKey, appSigningKey } = security;
    for (const digest of signingDigests) checkLength('security.signingDigests', digest, 32);
    if (signingDigests.length > this.#blocks) throw tooMany(model, signingDigests.length, this.#blocks);
    if (secureBootKey !== undefined) checkLength('security.secureBootKey', secureBootKey, 32);
    if (appSigningKey !== undefined) checkLength('security.appSigningKey', appSigningKey, 64);
    this.#key = secureBootKey ?? randomBytes(32);
    this.#appKey = appSigningKey;
    const bytes = encryption.view(model.bootloaderOffset, PARTITION_TABLE_AT - model.bootloaderOffset);
    const first = this.version === false ? null : tryParse(bytes);
    this.digests =
      security.signingDigests ?? (this.version === 'v2' && first !== null ? signersOf(bytes, first, this.#blocks) : []);
    if (this.version === 'v1' && secureBootKey === undefined && first !== null) {
      const iv = randomBytes(V1_IV_BYTES);
      const stored = Buffer.concat([iv, bootloaderDigest(this.#key, iv, bytes, first)]);
      flash.bytes.fill(0xff, 0, V1_BYTES);
      if (!encryption.isOn || encryption.program(0, stored) === undefined) flash.program(0, stored);
    }
  }

  /** The ROM's look at the bootloader. `bytes` start with it. */
  checkBootloader(bytes: Uint8Array, image: EspImage): Verdict {
    if (this.version === false) return NOTHING;
    if (this.version === 'v2') return checkV2(bytes, image, this.digests, this.#blocks);
    const stored = this.#encryption.view(0, V1_BYTES);
    const iv = stored.subarray(0, V1_IV_BYTES);
    const valid = bootloaderDigest(this.#key, iv, bytes, image).equals(stored.subarray(V1_IV_BYTES));
    return { valid, lines: valid ? [] : ['secure boot check fail'] };
  }

  /** The bootloader's look at an app. `bytes` start with it. */
  checkApp(bytes: Uint8Array, image: EspImage): Verdict {
    if (this.version === false) return NOTHING;
    if (this.version === 'v1') return checkV1App(bytes, image, this.#appKey);
    return checkV2(bytes, image, this.digests, this.#blocks);
  }
}

const NOTHING: Verdict = { valid: true, lines: [] };

function tryParse(bytes: Uint8Array): EspImage | null {
  try {
    return parseImage(bytes, { hash: false });
  } catch {
    return null;
  }
}

function checkLength(field: string, bytes: Uint8Array, expected: number): void {
  if (bytes.length === expected) return;
  throw fail('BAD_CHIP_OPTION', `${field} takes ${expected} bytes, not ${bytes.length}.`, {
    detail: { field, value: bytes.length },
  });
}

function tooMany({ name }: ChipModel, count: number, most: number): Error {
  return fail('BAD_CHIP_OPTION', `${count} key digests cannot be burnt into an ${name}.`, {
    hint: `Give ${most} at most.`,
    detail: { field: 'security.signingDigests', value: count },
  });
}
