import assert from 'node:assert/strict';
import type { ESPLoader } from 'esptool-js';
import { readSecurity } from '../../../../lib/esp/session/security.ts';

/** The chips of esptool-js, which its entry does not export. */
const targets = (await import(new URL('./targets/index.js', import.meta.resolve('esptool-js')).href)) as {
  CHIP_DEFS: Record<string, { CHIP_NAME: string }>;
};

type Info = Awaited<ReturnType<ESPLoader['getSecurityInfo']>>;

/** A loader that answers from registers and one security info, and keeps what it was asked. */
function loader(chip: object, registers: Record<number, number>, info: Partial<Info> = {}) {
  const asked: (number | string)[] = [];
  const answer = {
    flags: 0,
    flashCryptCnt: 0,
    keyPurposes: [4, 9, 0, 0, 0, 0, 0],
    ...info,
    parsedFlags: { SECURE_BOOT_EN: false, SECURE_DOWNLOAD_ENABLE: false, ...info.parsedFlags },
  };
  const fake = {
    chip,
    readReg: async (address: number) => {
      asked.push(address);
      assert.ok(address in registers, `register ${address.toString(16)} is not the one`);
      return (registers[address] as number) | 0;
    },
    getSecurityInfo: async (cache?: boolean) => {
      assert.equal(cache, false, 'an answer kept from before is no second answer');
      asked.push('info');
      return answer;
    },
  };
  return { fake: fake as unknown as ESPLoader, asked };
}

const named = (CHIP_NAME: string) => ({ CHIP_NAME });

describe('the security efuses', () => {
  const esp32: [string, number, number, object][] = [
    ['nothing burnt', 0, 0, { secureBootScheme: null, encryption: 'off', manualEncryptDisabled: false }],
    ['an even counter is off', 3 << 20, 0, { encryption: 'off', flashCryptCount: 3, flashEncryption: false }],
    ['development', 1 << 20, 0, { encryption: 'development', flashEncryption: true }],
    ['release: the counter is full', 0x7f << 20, 0, { encryption: 'release', flashCryptCount: 0x7f }],
    [
      'release: no downloads',
      7 << 20,
      0x80,
      { encryption: 'release', manualEncryptDisabled: true, flashCryptCount: 7 },
    ],
    ['secure boot v1', 0, 0x10, { secureBoot: true, secureBootScheme: 'v1' }],
    ['secure boot v2', 0, 0x20, { secureBoot: true, secureBootScheme: 'v2' }],
    ['both: the later one counts', 0, 0x30, { secureBoot: true, secureBootScheme: 'v2' }],
    ['other bits mean nothing here', 0xf80f_ffff, 0xffff_ff4f, { secureBoot: false, encryption: 'off' }],
  ];
  for (const [what, word0, word6, expected] of esp32) {
    it(`ESP32: ${what}`, async () => {
      const { fake, asked } = loader(named('ESP32'), { 1073061888: word0, 1073061912: word6 });
      const found = await readSecurity(fake);
      assert.deepEqual({ ...found, ...expected }, found);
      assert.deepEqual([found.flags, found.keyPurposes, found.secureDownload], [null, null, false]);
      assert.deepEqual(asked, [0x3ff5a000, 0x3ff5a018], 'it knows no GET_SECURITY_INFO');
    });
  }

  const later: [string, number, number][] = [
    ['ESP32-S3', 0x60007030, 1 << 20],
    ['ESP32-C3', 0x60008830, 1 << 20],
    ['ESP32-S2', 0x3f41a030, 1 << 19],
  ];
  for (const [name, register, mask] of later) {
    const chip = { ...targets.CHIP_DEFS[name.toLowerCase().replace('-', '')], CHIP_NAME: name };
    const states: [number, number, string][] = [
      [0, 0, 'off'],
      [1, 0, 'development'],
      [1, mask, 'release'],
      [1, ~mask, 'development'],
      [3, mask, 'off'],
      [7, 0, 'release'],
    ];
    for (const [flashCryptCnt, word, encryption] of states) {
      it(`${name}: counter ${flashCryptCnt}, word ${(word >>> 0).toString(16)}: ${encryption}`, async () => {
        const found = await readSecurity(loader(chip, { [register]: word }, { flashCryptCnt }).fake);
        assert.deepEqual(
          [found.encryption, found.flashEncryption, found.manualEncryptDisabled, found.flashCryptCount],
          [encryption, flashCryptCnt === 1 || flashCryptCnt === 7, (word & mask) !== 0, flashCryptCnt],
        );
        assert.deepEqual(found.keyPurposes, [4, 9, 0, 0, 0, 0, 0]);
      });
    }
  }

  it('every family of which esptool-js names the bit is read, the others say that they do not know', async () => {
    for (const chip of Object.values(targets.CHIP_DEFS)) {
      if (['ESP8266', 'ESP32', 'ESP32-S3', 'ESP32-C3'].includes(chip.CHIP_NAME)) continue;
      const { EFUSE_DIS_DOWNLOAD_MANUAL_ENCRYPT_REG: register, EFUSE_DIS_DOWNLOAD_MANUAL_ENCRYPT: mask } =
        chip as unknown as Record<string, number | undefined>;
      const registers = register === undefined || mask === undefined ? {} : { [register]: mask };
      const found = await readSecurity(loader(chip, registers, { flashCryptCnt: 1 }).fake);
      const known = register !== undefined;
      assert.deepEqual(
        [found.manualEncryptDisabled, found.encryption],
        known ? [true, 'release'] : [null, 'development'],
        chip.CHIP_NAME,
      );
    }
  });

  it('in secure download mode no register is read', async () => {
    const parsedFlags = { SECURE_BOOT_EN: true, SECURE_DOWNLOAD_ENABLE: true } as Info['parsedFlags'];
    const { fake, asked } = loader(named('ESP32-C3'), {}, { flashCryptCnt: 1, parsedFlags });
    const found = await readSecurity(fake);
    assert.deepEqual(
      [found.secureDownload, found.secureBootScheme, found.manualEncryptDisabled, found.encryption],
      [true, 'v2', null, 'development'],
    );
    assert.deepEqual(asked, ['info']);
  });

  it('the ESP8266 has none, and is not asked', async () => {
    const { fake, asked } = loader(named('ESP8266'), {});
    const found = await readSecurity(fake);
    assert.deepEqual([found.secureBoot, found.encryption, found.flashCryptCount], [false, 'off', null]);
    assert.deepEqual(asked, []);
  });
});
