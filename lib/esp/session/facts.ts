import type { ESPLoader } from 'esptool-js';
import { chipByName } from '../chips.ts';
import type { ChipFacts } from '../types.ts';
import type { Channel } from './channel.ts';
import { fail } from './errors.ts';
import { readCrystal, readFlashPads } from './esp32.ts';
import { readFeatures } from './esp32s3.ts';
import type { EsptoolSession } from './esptool.ts';
import { Op, words } from './protocol.ts';
import { readRevision } from './revision.ts';
import { readSecurity } from './security.ts';
import type { Timing } from './timing.ts';

/** Reads what there is to know of the chip. The loader or the stub answers, esptool-js has detected the family. */
export async function readFacts(
  esptool: EsptoolSession,
  channel: Channel,
  stubRunning: boolean,
  timing: Timing,
  signal?: AbortSignal,
): Promise<ChipFacts> {
  const security = await esptool.ask(signal, (loader) => agreed('security state', () => readSecurity(loader)));
  const base = await esptool.ask(signal, async (loader) => ({
    name: loader.chip.CHIP_NAME,
    imageChipId: chipByName(loader.chip.CHIP_NAME)?.imageChipId ?? null,
    bootloaderOffset: loader.chip.BOOTLOADER_FLASH_OFFSET,
  }));
  if (security.secureDownload) {
    // Registers cannot be read in secure download mode.
    return {
      ...base,
      description: base.name,
      revision: null,
      mac: null,
      features: [],
      crystalMHz: null,
      flash: null,
      security,
    };
  }
  const more = await esptool.ask(signal, (loader) => agreed('efuses', () => readEfuses(loader)));
  const isOldest = base.name === 'ESP8266';
  if (!stubRunning && isOldest) {
    // Its ROM has no command to attach the flash chip: beginning a write of nothing does it.
    await channel.command(Op.FLASH_BEGIN, words(0, 0, 0x400, 0), { timeoutMs: timing.commandMs, signal });
  } else if (!stubRunning) {
    // The ROM answers for the flash chip only once it is attached; it takes two words where the stub takes one.
    const pads =
      base.name === 'ESP32'
        ? await esptool.ask(signal, (loader) => agreed('flash pads', () => readFlashPads(loader)))
        : 0;
    await channel.command(Op.SPI_ATTACH, words(pads, 0), { timeoutMs: timing.commandMs, signal });
  }
  const flash = await esptool.ask(signal, (loader) => agreed('flash id', () => readFlashId(loader)));
  if (!stubRunning && !isOldest && flash !== null && flash.size !== null) {
    // Without it the ROM refuses what lies beyond the size it assumes. Id, size, block, sector, page, status mask.
    const parameters = words(0, flash.size, 0x10000, 0x1000, 0x100, 0xffff);
    await channel.command(Op.SPI_SET_PARAMS, parameters, { timeoutMs: timing.commandMs, signal });
  }
  return { ...base, ...more, flash, security };
}

/** How often a fact is asked for until two answers in a row agree. */
const ASKED_AT_MOST = 5;

/**
 * A reply carries no checksum, and what it says decides what is written and whose certificate a board gets: it counts
 * once it was given twice in a row. @throws READ_CORRUPT
 */
async function agreed<T>(what: string, read: () => Promise<T>): Promise<T> {
  let last = await read();
  for (let asked = 2; asked <= ASKED_AT_MOST; asked++) {
    const next = await read();
    if (JSON.stringify(next) === JSON.stringify(last)) return next;
    last = next;
  }
  throw fail('READ_CORRUPT', `The chip's ${what} read differently ${ASKED_AT_MOST} times.`, {
    hint: 'The line is noisy: try another cable or port.',
    detail: { what },
  });
}

async function readEfuses(
  loader: ESPLoader,
): Promise<Pick<ChipFacts, 'description' | 'revision' | 'features' | 'crystalMHz'> & { mac: string }> {
  const name = loader.chip.CHIP_NAME;
  return {
    ...(await readRevision(loader, await loader.chip.getChipDescription(loader))),
    features: await (name === 'ESP32-S3' ? readFeatures(loader) : loader.chip.getChipFeatures(loader)),
    crystalMHz: await (name === 'ESP32' ? readCrystal(loader) : loader.chip.getCrystalFreq(loader)),
    mac: (await loader.chip.readMac(loader)).toLowerCase(),
  };
}

async function readFlashId(loader: ESPLoader): Promise<ChipFacts['flash']> {
  const id = (await loader.readFlashId()) & 0xff_ffff;
  if (id === 0 || id === 0xff_ffff) return null;
  const size = (id >>> 16) & 0xff;
  return {
    manufacturer: id & 0xff,
    device: ((id & 0xff00) | size) >>> 0,
    size: sizeInBytes(loader.DETECTED_FLASH_SIZES[size]),
  };
}

/** "4MB" → 4194304. */
function sizeInBytes(text: string | undefined): number | null {
  const match = /^(\d+)(KB|MB)$/.exec(text ?? '');
  if (match === null) return null;
  return Number(match[1]) * (match[2] === 'MB' ? 1024 * 1024 : 1024);
}
