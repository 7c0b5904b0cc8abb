import { fail } from '../errors.ts';
import { findModel } from './models/index.ts';
import type { ChipModel } from './models/model.ts';
import type { Connection, SecurityOptions, VirtualChipOptions } from './options.ts';

const MEGABYTE = 0x100000;
const DEFAULT_FLASH = 4 * MEGABYTE;
const DEFAULT_STRAP_DELAY_MS = 5;
const HMAC_KEY_BYTES = 32;

export interface CheckedOptions {
  readonly model: ChipModel;
  readonly mac: Uint8Array;
  readonly flash: Uint8Array;
  readonly security: SecurityOptions;
  readonly revision: { readonly major: number; readonly minor: number };
  readonly package: number;
  readonly psram: number;
  readonly embeddedFlash: number;
  readonly crystal: number;
  readonly connection: Connection;
  readonly strapDelayMs: number;
}

/** @throws BAD_CHIP_MODEL, BAD_MAC, BAD_CHIP_OPTION */
export function checkOptions(options: VirtualChipOptions): CheckedOptions {
  const model = findModel(options.model);
  const mac = parseMac(options.mac);
  const size = options.flashSize ?? sizeFor(options.flash?.length ?? 0);
  if (!Number.isInteger(Math.log2(size)) || size < MEGABYTE || size > 16 * MEGABYTE) {
    throw fail('BAD_CHIP_OPTION', `A flash of ${size} bytes cannot be had.`, {
      hint: 'Use 1, 2, 4, 8 or 16 MB.',
      detail: { field: 'flashSize', value: size },
    });
  }
  const strapDelayMs = options.strapDelayMs ?? DEFAULT_STRAP_DELAY_MS;
  if (!(strapDelayMs >= 0 && strapDelayMs <= 1000)) {
    throw fail('BAD_CHIP_OPTION', `Straps cannot be read ${strapDelayMs} ms after EN rises.`, {
      hint: 'Use 0 to 1000 ms.',
      detail: { field: 'strapDelayMs', value: strapDelayMs },
    });
  }
  const revision = options.revision ?? model.revisions;
  return {
    model,
    mac,
    flash: makeFlash(options.flash, size),
    security: checkSecurity(model, revision, options.security ?? {}),
    revision,
    package: oneOf(model, 'package', options.package ?? model.packages[0] ?? 0, model.packages),
    psram: oneOf(model, 'psram', options.psram ?? 0, model.psramSizes),
    embeddedFlash:
      options.embeddedFlash === true ? oneOf(model, 'embeddedFlash', size, model.embeddedFlash, ' bytes') : 0,
    crystal: oneOf(model, 'crystal', options.crystal ?? 40, model.crystals),
    connection: oneOf(model, 'connection', options.connection ?? 'uart', model.connections),
    strapDelayMs,
  };
}

/** @throws BAD_CHIP_OPTION for what the family cannot be burnt with */
function checkSecurity(
  model: ChipModel,
  revision: { readonly major: number },
  options: Partial<SecurityOptions>,
): SecurityOptions {
  const security = {
    secureBoot: false,
    flashCryptCount: 0,
    secureDownload: false,
    manualEncryptDisabled: false,
    ...options,
  } as const;
  const versions = model.secureBoots.filter((version) => version !== 'v2' || revision.major >= model.secureBootV2From);
  oneOf(model, 'security.secureBoot', security.secureBoot, [false, ...versions]);
  oneOf(model, 'security.secureDownload', security.secureDownload, model.hasSecureDownload ? [false, true] : [false]);
  const { flashCryptCount: count, encryptionKey, hmacKey } = security;
  if (!Number.isInteger(count) || count < 0 || count > model.flashCryptMax) {
    throw fail('BAD_CHIP_OPTION', `The flash encryption counter of ${model.name} cannot be ${count}.`, {
      hint: `Use 0 to ${model.flashCryptMax}.`,
      detail: { field: 'security.flashCryptCount', value: count },
    });
  }
  if (encryptionKey !== undefined) {
    oneOf(model, 'security.encryptionKey', encryptionKey.length, model.encryptionKeyBytes, ' bytes');
  }
  if (hmacKey !== undefined) {
    oneOf(model, 'security.hmacKey', hmacKey.length, model.hasHmac ? [HMAC_KEY_BYTES] : [], ' bytes');
  }
  return security;
}

/** @throws BAD_CHIP_OPTION */
function oneOf<T extends string | number | boolean>(
  model: ChipModel,
  field: string,
  value: T,
  allowed: readonly T[],
  unit = '',
): T {
  if (allowed.includes(value)) return value;
  throw fail('BAD_CHIP_OPTION', `${model.name} cannot have ${field} ${value}${unit}.`, {
    hint: allowed.length === 0 ? 'Leave it out.' : `Use ${allowed.join(', ')}${unit}.`,
    detail: { field, value },
  });
}

/** A content of a size that flash chips have keeps it; anything else gets at least the default. */
function sizeFor(length: number): number {
  if (length >= MEGABYTE && Number.isInteger(Math.log2(length))) return length;
  return Math.max(DEFAULT_FLASH, 2 ** Math.ceil(Math.log2(Math.max(1, length))));
}

function makeFlash(content: Uint8Array | undefined, size: number): Uint8Array {
  if (content?.length === size) return content;
  if (content !== undefined && content.length > size) {
    throw fail('BAD_CHIP_OPTION', `${content.length} bytes do not fit into a flash of ${size} bytes.`, {
      hint: 'Give the chip a larger flash.',
      detail: { field: 'flash', value: content.length },
    });
  }
  const flash = new Uint8Array(size).fill(0xff);
  if (content !== undefined) flash.set(content);
  return flash;
}

/** Six bytes of a unicast MAC. @throws BAD_MAC */
export function parseMac(text: string): Uint8Array {
  const match =
    /^([0-9a-f]{2})(?:[:-]?([0-9a-f]{2}))(?:[:-]?([0-9a-f]{2}))(?:[:-]?([0-9a-f]{2}))(?:[:-]?([0-9a-f]{2}))(?:[:-]?([0-9a-f]{2}))$/i.exec(
      text.trim(),
    );
  const bytes = match === null ? undefined : Uint8Array.from(match.slice(1), (hex) => Number.parseInt(hex, 16));
  if (bytes === undefined || ((bytes[0] as number) & 1) !== 0) {
    throw fail('BAD_MAC', `"${text}" is no MAC address of a chip.`, {
      hint: 'Write six bytes in hex, like 60:55:f9:00:00:01; the first one even.',
      detail: { field: 'mac', value: text },
    });
  }
  return bytes;
}

export function formatMac(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
