import type { ESPLoader } from 'esptool-js';

/** Words 4 and 5 of efuse block 1 (ESP32-S3 reference manual, "eFuse Controller": PSRAM_CAP, PSRAM_CAP_3, PSRAM_VENDOR). */
const WORD4 = 0x6000_7054;
const WORD5 = 0x6000_7058;
/** MB of PSRAM in the package, by their code. */
const SIZES = [0, 8, 2, 16, 4] as const;
const VENDORS = ['', 'AP_3v3', 'AP_1v8'] as const;

/**
 * What the chip has, as esptool-js says it, but for PSRAM: of the three bits of its size esptool-js 0.7.0 reads two,
 * and takes 4 MB for none.
 */
export async function readFeatures(loader: ESPLoader): Promise<string[]> {
  const [word4, word5] = [await loader.readReg(WORD4), await loader.readReg(WORD5)];
  const code = ((word4 >>> 3) & 3) | (((word5 >>> 19) & 1) << 2);
  const others = (await loader.chip.getChipFeatures(loader)).filter((feature) => !feature.includes('PSRAM'));
  if (code === 0) return others;
  const size = SIZES[code];
  const vendor = VENDORS[(word4 >>> 7) & 3] ?? '';
  const what = size === undefined ? 'Unknown Embedded PSRAM' : `Embedded PSRAM ${size}MB`;
  return [...others, vendor === '' ? what : `${what} (${vendor})`];
}
