import type { FlashCommands } from './loader.ts';

/** Where a family keeps its watchdogs. Espressif, technical reference manuals, "Watchdog timers". */
interface Watchdogs {
  readonly config0: number;
  readonly config1: number;
  readonly protect: number;
  readonly superConfig: number;
  readonly superProtect: number;
  readonly superKey: number;
  /** Bit of `superConfig` by which the super watchdog feeds itself. */
  readonly autoFeed: number;
}

const KEY = 0x50d8_3aa1;
const SUPER_KEY = 0x8f1d_312a;

const at = (base: number, offsets: readonly [number, number, number, number, number]) => ({
  config0: base + offsets[0],
  config1: base + offsets[1],
  protect: base + offsets[2],
  superConfig: base + offsets[3],
  superProtect: base + offsets[4],
});
const inRtc = (...offsets: [number, number, number, number, number]): Watchdogs => ({
  ...at(0x6000_8000, offsets),
  superKey: SUPER_KEY,
  autoFeed: 0x8000_0000,
});
const lowPower = (base: number, ...offsets: [number, number, number, number, number]): Watchdogs => ({
  ...at(base, offsets),
  superKey: KEY,
  autoFeed: 1 << 18,
});

/** The families that have a USB-Serial/JTAG controller, whose ROM leaves the watchdogs running. */
const WATCHDOGS: Readonly<Record<string, Watchdogs>> = {
  'ESP32-S3': inRtc(0x98, 0x9c, 0xb0, 0xb4, 0xb8),
  'ESP32-C3': inRtc(0x90, 0x94, 0xa8, 0xac, 0xb0),
  'ESP32-C5': lowPower(0x600b_1c00, 0x00, 0x04, 0x18, 0x1c, 0x20),
  'ESP32-C6': lowPower(0x600b_1c00, 0x00, 0x04, 0x18, 0x1c, 0x20),
  'ESP32-C61': lowPower(0x600b_1c00, 0x00, 0x04, 0x18, 0x1c, 0x20),
  'ESP32-H2': lowPower(0x600b_1c00, 0x00, 0x04, 0x1c, 0x20, 0x24),
  'ESP32-P4': lowPower(0x5011_6000, 0x00, 0x04, 0x18, 0x1c, 0x20),
};
/** On these the watchdog does not get the chip out of its loader. */
const NO_RESET = ['ESP32-C6', 'ESP32-H2'];

/** Enable, stage 0 resets the system and the RTC domain, with the lengths of the reset signals. */
const RESET_NOW = 0x8000_0000 + (5 << 28) + (1 << 8) + 2;
/** Ticks of the slow clock: some 15 ms. */
const RESET_TICKS = 2000;

/** Puts the watchdogs out of action that would restart the chip in the middle of the work. */
export async function disableWatchdogs(commands: FlashCommands, chip: string, signal?: AbortSignal): Promise<void> {
  const dogs = WATCHDOGS[chip];
  if (dogs === undefined) return;
  await commands.writeRegister(dogs.protect, KEY, undefined, signal);
  await commands.writeRegister(dogs.config0, 0, undefined, signal);
  await commands.writeRegister(dogs.protect, 0, undefined, signal);
  await commands.writeRegister(dogs.superProtect, dogs.superKey, undefined, signal);
  await commands.writeRegister(dogs.superConfig, dogs.autoFeed, dogs.autoFeed, signal);
  await commands.writeRegister(dogs.superProtect, 0, undefined, signal);
}

/** Whether the family can be restarted by its watchdog. */
export function hasWatchdogReset(chip: string): boolean {
  return chip in WATCHDOGS && !NO_RESET.includes(chip);
}

/** Lets the watchdog restart the chip within some 15 ms: where the control lines leave it in its loader. */
export async function resetByWatchdog(commands: FlashCommands, chip: string): Promise<void> {
  const dogs = WATCHDOGS[chip];
  if (dogs === undefined) return;
  await commands.writeRegister(dogs.protect, KEY);
  await commands.writeRegister(dogs.config1, RESET_TICKS);
  await commands.writeRegister(dogs.config0, RESET_NOW);
  await commands.writeRegister(dogs.protect, 0);
}
