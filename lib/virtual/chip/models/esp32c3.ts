import { consecutive, securityWords } from './efuse.ts';
import type { ChipIdentity, ChipModel } from './model.ts';

const EFUSE = 0x60008800;
const BLOCK1 = EFUSE + 0x44;
const VENDOR_XMC = 1;

/** ESP32-C3. Registers and efuse fields: ESP32-C3 Technical Reference Manual, chapters eFuse and SPI. */
export const esp32c3: ChipModel = {
  id: 'esp32c3',
  name: 'ESP32-C3',
  imageChipId: 5,
  magic: 0x1b31506f,
  syncValue: 0x20120707,
  bootloaderOffset: 0,
  ram: [
    [0x3fc80000, 0x3fce0000],
    [0x4037c000, 0x403e0000],
    [0x50000000, 0x50002000],
  ],
  ramBlock: 0x1800,
  flashBlock: 0x400,
  romFlashSize: 0x200000,
  romBeginSizes: [20],
  securityInfoSize: 20,
  apiVersion: 3,
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
  watchdog: { config0: 0x60008090, config1: 0x60008094, protect: 0x600080a8, key: 0x50d83aa1 },
  superWatchdog: { config: 0x600080ac, protect: 0x600080b0, key: 0x8f1d312a, autoFeed: 1 << 31 },
  uart: { divider: 0x60000014, stubClock: {} },
  strapRegister: 0x60004038,
  port: { word: 0x3fcdf07c, values: { uart: 0, 'usb-jtag': 3 } },
  underSecureBoot: 'stays',
  flashPins: () => 0,
  revisions: { major: 0, minor: 4 },
  packages: [0, 1, 2, 3],
  psramSizes: [0],
  embeddedFlash: [0x400000, 0x200000, 0x100000, 0x800000],
  crystals: [40],
  connections: ['uart', 'usb-jtag'],
  secureBoots: ['v2'],
  secureBootV2From: 0,
  hasSecureDownload: true,
  flashCryptMax: 7,
  hasHmac: true,
  encryptionKeyBytes: [32],
  words,
  romCrystal: (crystal) => crystal,
  stubs: [
    {
      name: 'esp-flasher-stub 1.2.2',
      generation: 2,
      entry: 0x40380e9a,
      segments: [
        { address: 0x40380000, size: 5880, sha256: 'c06cc1a34a02d8f8755692cf89843b388978d19a255b0d9c26b10a0f41a90ffb' },
        { address: 0x3fc96d68, size: 204, sha256: '2cb1bc0835895d6818c8c2c6a32dacd248f8b78b0cd0a8dc500c7f1c300ec979' },
      ],
    },
    {
      name: 'esp-flasher-stub 1.4.1',
      generation: 2,
      entry: 0x40380e9a,
      segments: [
        { address: 0x40380000, size: 5880, sha256: 'ae660a00142c52ef86f5db666515a12e9bde62544323949a02d455cf4f29a61a' },
        { address: 0x3fc96d6c, size: 204, sha256: '7b18400beb49e4fa86a6708634648fb29182dfd65e5761576866796e481f898f' },
      ],
    },
    {
      name: 'esptool legacy stub 1.11.1',
      generation: 1,
      entry: 0x403806d2,
      segments: [
        { address: 0x40380000, size: 3812, sha256: '857660860ee353699c11c6dfc82d3bfd0bcfa7890c8c9b5fc84f1a551f1f5003' },
        { address: 0x3fc96bb8, size: 160, sha256: '32d5ee4107d87cb20b0778b0d307648ff5c47e2bc001616010d73d92de8cb8aa' },
      ],
    },
  ],
  rom: {
    banner: ['ESP-ROM:esp32c3-api1-20210207', 'Build:Feb  7 2021'],
    bootMode: '0xc (SPI_FAST_FLASH_BOOT)',
    downloadMode: '0x4 (DOWNLOAD(USB/UART0/1))',
    flashSetup: ['SPIWP:0xee'],
    savedPc: 'Saved PC:0x403cf94c',
    clockDivider: 1,
    decimalLengths: false,
    panic: [
      "Guru Meditation Error: Core  0 panic'ed (Illegal instruction). Exception was unhandled.",
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

function words(identity: ChipIdentity): ReadonlyMap<number, number> {
  const { mac, major, minor, package: pkg, embeddedFlash } = identity;
  const at = (i: number): number => mac[i] ?? 0;
  const flashCode = esp32c3.embeddedFlash.indexOf(embeddedFlash) + 1;
  const block1 = [
    (at(2) << 24) | (at(3) << 16) | (at(4) << 8) | at(5),
    (at(0) << 8) | at(1),
    0,
    ((minor & 7) << 18) | ((pkg & 7) << 21) | (flashCode << 27),
    flashCode === 0 ? 0 : VENDOR_XMC,
    (((minor >> 3) & 1) << 23) | ((major & 3) << 24),
  ];
  return new Map([...consecutive(BLOCK1, block1), ...consecutive(EFUSE + 0x30, securityWords(identity.security))]);
}
