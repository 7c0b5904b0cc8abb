import type { ESPLoader } from 'esptool-js';
import type { ChipSecurity } from '../types.ts';

/** Efuses of the ESP32, which knows no GET_SECURITY_INFO (reference manual, "eFuse Controller": BLOCK0). */
const ESP32_WORD0 = 0x3ff5_a000;
const ESP32_WORD6 = 0x3ff5_a018;
const ESP32_COUNTER_BITS = 7;
const COUNTER_BITS = 3;

interface EfuseBit {
  readonly register: number;
  readonly mask: number;
}

/** DIS_DOWNLOAD_MANUAL_ENCRYPT, where esptool-js does not name it. */
const MANUAL_ENCRYPT: Readonly<Record<string, EfuseBit>> = {
  'ESP32-S3': { register: 0x6000_7030, mask: 1 << 20 },
  'ESP32-C3': { register: 0x6000_8830, mask: 1 << 20 },
};

/** What is burnt into the security efuses. The ROM or the stub answers; nothing is taken from an earlier answer. */
export async function readSecurity(loader: ESPLoader): Promise<ChipSecurity> {
  switch (loader.chip.CHIP_NAME) {
    case 'ESP8266':
      return NO_SECURITY;
    case 'ESP32':
      return await readEsp32(loader);
    default:
      return await readLater(loader);
  }
}

/** The ESP8266 has neither secure boot nor flash encryption. */
const NO_SECURITY: ChipSecurity = {
  secureBoot: false,
  secureBootScheme: null,
  flashEncryption: false,
  encryption: 'off',
  manualEncryptDisabled: null,
  secureDownload: false,
  flags: null,
  flashCryptCount: null,
  keyPurposes: null,
};

async function readEsp32(loader: ESPLoader): Promise<ChipSecurity> {
  const word0 = (await loader.readReg(ESP32_WORD0)) >>> 0;
  const word6 = (await loader.readReg(ESP32_WORD6)) >>> 0;
  const count = (word0 >>> 20) & 0x7f;
  const [v1, v2] = [(word6 & 0x10) !== 0, (word6 & 0x20) !== 0];
  const manualEncryptDisabled = (word6 & 0x80) !== 0;
  return {
    secureBoot: v1 || v2,
    secureBootScheme: v2 ? 'v2' : v1 ? 'v1' : null,
    flashEncryption: oddBits(count),
    encryption: encryptionState(count, ESP32_COUNTER_BITS, manualEncryptDisabled),
    manualEncryptDisabled,
    secureDownload: false,
    flags: null,
    flashCryptCount: count,
    keyPurposes: null,
  };
}

async function readLater(loader: ESPLoader): Promise<ChipSecurity> {
  const { flags, flashCryptCnt, keyPurposes, parsedFlags } = await loader.getSecurityInfo(false);
  const secureDownload = parsedFlags.SECURE_DOWNLOAD_ENABLE;
  const manualEncryptDisabled = secureDownload ? null : await readManualEncrypt(loader);
  return {
    secureBoot: parsedFlags.SECURE_BOOT_EN,
    secureBootScheme: parsedFlags.SECURE_BOOT_EN ? 'v2' : null,
    flashEncryption: oddBits(flashCryptCnt),
    encryption: encryptionState(flashCryptCnt, COUNTER_BITS, manualEncryptDisabled),
    manualEncryptDisabled,
    secureDownload,
    flags,
    flashCryptCount: flashCryptCnt,
    keyPurposes,
  };
}

async function readManualEncrypt(loader: ESPLoader): Promise<boolean | null> {
  const bit = MANUAL_ENCRYPT[loader.chip.CHIP_NAME] ?? bitOf(loader.chip);
  if (bit === null) return null;
  return ((await loader.readReg(bit.register)) & bit.mask) !== 0;
}

/** Some families of esptool-js name the bit; its types do not. */
function bitOf(chip: object): EfuseBit | null {
  const { EFUSE_DIS_DOWNLOAD_MANUAL_ENCRYPT_REG: register, EFUSE_DIS_DOWNLOAD_MANUAL_ENCRYPT: mask } = chip as Readonly<
    Record<string, unknown>
  >;
  return typeof register === 'number' && typeof mask === 'number' ? { register, mask } : null;
}

function encryptionState(count: number, bits: number, closed: boolean | null): ChipSecurity['encryption'] {
  if (!oddBits(count)) return 'off';
  return closed === true || count === 2 ** bits - 1 ? 'release' : 'development';
}

function oddBits(count: number): boolean {
  let odd = false;
  for (let rest = count; rest > 0; rest >>>= 1) if (rest & 1) odd = !odd;
  return odd;
}
