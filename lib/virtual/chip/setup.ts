import { fail } from '../errors.ts';
import { findModel } from './models/index.ts';
import type { ChipModel } from './models/model.ts';
import type { SecurityOptions, VirtualChipOptions } from './options.ts';

const MEGABYTE = 0x100000;
const DEFAULT_FLASH = 4 * MEGABYTE;
const DEFAULT_STRAP_DELAY_MS = 5;

export interface CheckedOptions {
  readonly model: ChipModel;
  readonly mac: Uint8Array;
  readonly flash: Uint8Array;
  readonly security: SecurityOptions;
  readonly revision: { readonly major: number; readonly minor: number };
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
  const security = {
    secureBoot: false,
    flashCryptCount: 0,
    secureDownload: false,
    manualEncryptDisabled: false,
    ...options.security,
  };
  return {
    model,
    mac,
    flash: makeFlash(options.flash, size),
    security,
    revision: options.revision ?? model.revisions,
    strapDelayMs,
  };
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
