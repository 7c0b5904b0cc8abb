import { consecutive, hasEncryptionKey } from './efuse.ts';
import type { ChipIdentity, ChipModel } from './model.ts';

const EFUSE = 0x3ff5a000;
const RTC_CALIBRATION = 0x3ff5f06c;
const APB_DATE = 0x3ff6607c;
/** EFUSE_RD_CK8M_FREQ: the internal 8 MHz oscillator in units of 62.5 kHz. */
const CK8M = 0x88;
/** By how much the oscillator has drifted since it was measured in the factory. */
const DRIFT = 0.985;
/** Packages with flash inside: ESP32-D2WD, -U4WDH, -PICO-D4 (and -PICO-V3), -PICO-V3-02. */
const FLASH_INSIDE: readonly number[] = [2, 4, 5, 6];
/** Pins of the flash inside: CLK, Q, D, CS, HD. */
const PADS = { clk: 6, q: 17, d: 8, cs: 16, hd: 11 } as const;

/** ESP32. Registers and efuse fields: ESP32 Technical Reference Manual, chapters eFuse Controller and SPI. */
export const esp32: ChipModel = {
  id: 'esp32',
  name: 'ESP32',
  imageChipId: 0,
  magic: 0x00f01d83,
  syncValue: 0x55551207,
  bootloaderOffset: 0x1000,
  ram: [
    [0x3ff80000, 0x3ff82000],
    [0x3ffae000, 0x40000000],
    [0x40070000, 0x400c0000],
    [0x400c0000, 0x400c2000],
    [0x50000000, 0x50002000],
  ],
  ramBlock: 0x1800,
  flashBlock: 0x400,
  romFlashSize: 0x200000,
  romBeginSizes: [16],
  securityInfoSize: null,
  apiVersion: 0,
  spi: {
    base: 0x3ff42000,
    usr: 0x1c,
    usr1: 0x20,
    usr2: 0x24,
    mosiLength: 0x28,
    misoLength: 0x2c,
    w0: 0x80,
    addressMsb: true,
  },
  watchdog: null,
  superWatchdog: null,
  uart: { divider: 0x3ff40014, stubClock: { 2: 80 } },
  strapRegister: 0x3ff44038,
  port: null,
  underSecureBoot: 'runs',
  flashPins: (pkg) =>
    FLASH_INSIDE.includes(pkg) ? (PADS.hd << 24) | (PADS.cs << 18) | (PADS.d << 12) | (PADS.q << 6) | PADS.clk : 0,
  revisions: { major: 3, minor: 1 },
  packages: [1, 0, 2, 4, 5, 6, 7],
  psramSizes: [0],
  embeddedFlash: [],
  crystals: [40, 26],
  connections: ['uart'],
  secureBoots: ['v1', 'v2'],
  secureBootV2From: 3,
  hasSecureDownload: false,
  flashCryptMax: 127,
  hasHmac: false,
  encryptionKeyBytes: [32],
  words,
  romCrystal: (crystal) => (calibration(crystal) * 15625 * CK8M) / 40 / 1e6,
  stubs: [
    {
      // The same bytes in esp-flasher-stub 1.2.2 and 1.4.1.
      name: 'esp-flasher-stub 1.4.1',
      generation: 2,
      entry: 0x400a902c,
      segments: [
        { address: 0x400a8000, size: 6456, sha256: 'fc5fb606754d152b9b9e4f20c72fdad83d1d99b1b139744bc53cc160b1edd570' },
        { address: 0x3ffded6c, size: 212, sha256: '580837cfef9d57b223a4d30cf634dad72f1fdcc19b499ca62b514b487a0c3438' },
      ],
    },
    {
      name: 'esptool legacy stub 1.11.1',
      generation: 1,
      entry: 0x400be658,
      segments: [
        { address: 0x400be000, size: 3540, sha256: 'b2dff40d626d2e83234ba17f79ab968cf5505cf989d15f9954ed477777eeddad' },
        { address: 0x3ffdebac, size: 156, sha256: '67e2e29deda649edc6921f9c7149f2c18f0497b94828553ec743873aea219c73' },
      ],
    },
  ],
  rom: {
    banner: ['ets Jul 29 2019 12:21:46', ''],
    earlier: { beforeMajor: 3, banner: ['ets Jun  8 2016 00:22:57', ''] },
    bootMode: '0x13 (SPI_FAST_FLASH_BOOT)',
    downloadMode: '0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))',
    savedPc: null,
    flashSetup: ['configsip: 0, SPIWP:0xee', 'clk_drv:0x00,q_drv:0x00,d_drv:0x00,cs0_drv:0x00,hd_drv:0x00,wp_drv:0x00'],
    clockDivider: 2,
    decimalLengths: true,
    panic: [
      'Fatal exception (0): IllegalInstruction',
      'epc1=0x40080000, epc2=0x00000000, epc3=0x00000000, excvaddr=0x00000000, depc=0x00000000',
    ],
    resetReasons: {
      'power-on': '0x1 (POWERON_RESET)',
      panic: '0xc (SW_CPU_RESET)',
      watchdog: '0x10 (RTCWDT_RTC_RESET)',
      'rom-watchdog': '0x10 (RTCWDT_RTC_RESET)',
      brownout: '0xf (RTCWDT_BROWN_OUT_RESET)',
      software: '0x3 (SW_RESET)',
    },
  },
};

/** What the ROM counted of the crystal during 40 ticks of the drifted oscillator. */
function calibration(crystal: number): number {
  return Math.round((crystal * 1e6 * 40 * DRIFT) / (15625 * CK8M));
}

function words({ mac, major, minor, package: pkg, crystal, security }: ChipIdentity): ReadonlyMap<number, number> {
  const at = (i: number): number => mac[i] ?? 0;
  const inside = FLASH_INSIDE.includes(pkg);
  const v1 = security.secureBoot === 'v1' ? 1 << 4 : 0;
  const v2 = security.secureBoot === 'v2' ? 1 << 5 : 0;
  const block0 = [
    // A burnt key's block is read-protected, as the bootloader leaves it.
    ((security.flashCryptCount & 0x7f) << 20) | (hasEncryptionKey(security) ? 1 << 16 : 0),
    (at(2) << 24) | (at(3) << 16) | (at(4) << 8) | at(5),
    (crc8(mac) << 16) | (at(0) << 8) | at(1),
    ((pkg & 7) << 9) |
      (((pkg >> 3) & 1) << 2) |
      // Rated for 240 MHz.
      (1 << 13) |
      (inside ? PADS.hd << 4 : 0) |
      (major >= 1 ? 1 << 15 : 0),
    CK8M,
    (inside ? (PADS.cs << 15) | (PADS.d << 10) | (PADS.q << 5) | PADS.clk : 0) |
      (major >= 2 ? 1 << 20 : 0) |
      ((minor & 3) << 24) |
      (hasEncryptionKey(security) ? 0xf << 28 : 0),
    v1 | v2 | (security.manualEncryptDisabled ? 1 << 7 : 0),
  ];
  return new Map([
    ...consecutive(EFUSE, block0),
    [APB_DATE, major >= 3 ? 0x96042000 : 0x16042000],
    [RTC_CALIBRATION, (calibration(crystal) << 7) >>> 0],
  ]);
}

/** CRC-8 of a MAC as burnt beside it: polynomial 0x31, reflected, from 0. */
function crc8(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >> 1 : (crc >> 1) ^ 0x8c;
  }
  return crc;
}
