import { consecutive, securityWords } from './efuse.ts';
import type { ChipIdentity, ChipModel } from './model.ts';

const EFUSE = 0x60007000;
const BLOCK1 = EFUSE + 0x44;
const BLOCK2 = EFUSE + 0x5c;
const FLASH_VENDOR_GD = 2;
const PSRAM_VENDOR_AP_3V3 = 1;
const MEGABYTE = 0x100000;

/** ESP32-S3. Registers and efuse fields: ESP32-S3 Technical Reference Manual, chapters eFuse and SPI. */
export const esp32s3: ChipModel = {
  id: 'esp32s3',
  name: 'ESP32-S3',
  imageChipId: 9,
  magic: 0x00000009,
  syncValue: 0x20120707,
  bootloaderOffset: 0,
  ram: [
    [0x3fc88000, 0x3fd00000],
    [0x40370000, 0x403e0000],
    [0x50000000, 0x50002000],
    [0x600fe000, 0x60100000],
  ],
  ramBlock: 0x1800,
  flashBlock: 0x400,
  romFlashSize: 0x200000,
  romBeginSizes: [20],
  securityInfoSize: 20,
  apiVersion: 0,
  spi: {
    base: 0x60002000,
    usr: 0x18,
    usr1: 0x1c,
    usr2: 0x20,
    mosiLength: 0x24,
    misoLength: 0x28,
    w0: 0x58,
    addressMsb: false,
  },
  watchdog: { config0: 0x60008098, config1: 0x6000809c, protect: 0x600080b0, key: 0x50d83aa1 },
  superWatchdog: { config: 0x600080b4, protect: 0x600080b8, key: 0x8f1d312a, autoFeed: 1 << 31 },
  uart: { divider: 0x60000014, stubClock: {} },
  strapRegister: 0x60004038,
  port: { word: 0x3fcef14c, values: { uart: 0, 'usb-jtag': 4 } },
  underSecureBoot: { readPointer: 0x3fcef688 },
  flashPins: () => 0,
  revisions: { major: 0, minor: 2 },
  packages: [0, 1],
  psramSizes: [0, 2, 4, 8, 16].map((size) => size * MEGABYTE),
  embeddedFlash: [8 * MEGABYTE, 4 * MEGABYTE],
  crystals: [40],
  connections: ['uart', 'usb-jtag'],
  secureBoots: ['v2'],
  secureBootV2From: 0,
  hasSecureDownload: true,
  flashCryptMax: 7,
  hasHmac: true,
  encryptionKeyBytes: [32, 64],
  words,
  romCrystal: (crystal) => crystal,
  stubs: [
    {
      name: 'esp-flasher-stub 1.2.2',
      generation: 2,
      entry: 0x40379524,
      segments: [
        { address: 0x40378000, size: 7832, sha256: 'c37a7d12d52633fd629fbed13f3a7418216af368d8e80f17853ce6de29741374' },
        { address: 0x3fcb2dc0, size: 264, sha256: '75be8e20e5c91b2b92cd02be9abe2462436648780e4878ea173598c5ed14df93' },
      ],
    },
    {
      name: 'esp-flasher-stub 1.4.1',
      generation: 2,
      entry: 0x403795a8,
      segments: [
        { address: 0x40378000, size: 8668, sha256: '944c51f44b81b95252b6f6f86e070c11bc0bc48f81dc1727b6bf66a0eee20007' },
        { address: 0x3fcb2dc4, size: 264, sha256: '745e5ab89051df903c20edfe1728e746dad480c51ab5472c4597959cf4d3e4d2' },
      ],
    },
    {
      name: 'esptool legacy stub 1.11.1',
      generation: 1,
      entry: 0x40378c94,
      segments: [
        { address: 0x40378000, size: 5676, sha256: '4f2db4cfaa9938d03537519d95081372f8b833dfcf2ae8fb47fc90425cb853d3' },
        { address: 0x3fcb2c00, size: 252, sha256: '9c9afe914bfbc69aa663ed70c2abd574e6a16699ef7150a9bb625dd9b8453d8a' },
      ],
    },
  ],
  rom: {
    banner: ['ESP-ROM:esp32s3-20210327', 'Build:Mar 27 2021'],
    bootMode: '0x8 (SPI_FAST_FLASH_BOOT)',
    downloadMode: '0x0 (DOWNLOAD(USB/UART0))',
    savedPc: 'Saved PC:0x40379bda',
    flashSetup: ['SPIWP:0xee'],
    clockDivider: 1,
    decimalLengths: false,
    panic: [
      "Guru Meditation Error: Core  0 panic'ed (IllegalInstruction). Exception was unhandled.",
      '',
      'Rebooting...',
    ],
    resetReasons: {
      'power-on': '0x1 (POWERON)',
      panic: '0xc (RTC_SW_CPU_RST)',
      watchdog: '0x10 (RTCWDT_RTC_RST)',
      'rom-watchdog': '0x7 (TG0WDT_SYS_RST)',
      brownout: '0xf (BROWNOUT_RST)',
      software: '0x3 (RTC_SW_SYS_RST)',
    },
  },
};

/** Efuse codes of PSRAM sizes, in MB; the third bit lies in another word. */
const PSRAM_CODES: Readonly<Record<number, number>> = { 0: 0, 8: 1, 2: 2, 16: 3, 4: 4 };

function words(identity: ChipIdentity): ReadonlyMap<number, number> {
  const { mac, major, minor, package: pkg, psram, embeddedFlash } = identity;
  const at = (i: number): number => mac[i] ?? 0;
  // The first wafers used the major revision for something else, and say so by version 1.1 of their block.
  const first = major === 0 && minor === 0;
  const blockMinor = first ? 1 : 3;
  const psramCode = PSRAM_CODES[psram / MEGABYTE] ?? 0;
  const flashCode = esp32s3.embeddedFlash.indexOf(embeddedFlash) + 1;
  const block1 = [
    (at(2) << 24) | (at(3) << 16) | (at(4) << 8) | at(5),
    (at(0) << 8) | at(1),
    0,
    ((minor & 7) << 18) | ((pkg & 7) << 21) | (blockMinor << 24) | (flashCode << 27),
    (flashCode === 0 ? 0 : FLASH_VENDOR_GD) | ((psramCode & 3) << 3) | (psramCode === 0 ? 0 : PSRAM_VENDOR_AP_3V3 << 7),
    ((psramCode >> 2) << 19) | (((minor >> 3) & 1) << 23) | ((first ? 1 : major & 3) << 24),
  ];
  return new Map([
    ...consecutive(BLOCK1, block1),
    ...consecutive(BLOCK2, [0, 0, 0, 0, 1]),
    ...consecutive(EFUSE + 0x30, securityWords(identity.security)),
  ]);
}
