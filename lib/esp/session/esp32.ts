import type { ESPLoader } from 'esptool-js';

/** Efuse words and RTC calibration of the ESP32 (reference manual, "eFuse Controller": BLOCK0; "Low-Power Management"). */
const WORD3 = 0x3ff5_a00c;
const WORD4 = 0x3ff5_a010;
const WORD5 = 0x3ff5_a014;
const CALIBRATION = 0x3ff5_f06c;

/** In how many ticks of the internal oscillator the ROM counts the crystal, and the unit of the oscillator's rate. */
const TICKS = 40;
const OSCILLATOR_HZ = 15_625;
/** Halfway between the two crystals that there are. */
const BETWEEN_HZ = 33e6;

/**
 * The crystal in MHz: 26 or 40. From what the ROM counted of it when it started, which holds whatever the UART runs
 * from; the UART's divider tells it only while no stub runs.
 */
export async function readCrystal(loader: ESPLoader): Promise<26 | 40> {
  const counted = ((await loader.readReg(CALIBRATION)) >>> 7) & 0x1ff_ffff;
  const oscillator = (await loader.readReg(WORD4)) & 0xff;
  return (counted * OSCILLATOR_HZ * oscillator) / TICKS > BETWEEN_HZ ? 40 : 26;
}

/**
 * Where the flash is, as SPI_ATTACH wants it told: 0 for the usual pins, else the pads that are burnt into packages
 * with flash inside, six bits each: CLK, Q, D, CS, HD.
 */
export async function readFlashPads(loader: ESPLoader): Promise<number> {
  const word3 = await loader.readReg(WORD3);
  const word5 = await loader.readReg(WORD5);
  const pad = (at: number): number => (word5 >>> at) & 0x1f;
  return (((word3 >>> 4) & 0x1f) << 24) | (pad(15) << 18) | (pad(10) << 12) | (pad(5) << 6) | pad(0);
}
