import assert from 'node:assert/strict';
import { buildImage } from '../../../../lib/esp/formats/build-image.ts';
import { decodePartitionTable } from '../../../../lib/esp/formats/partition-binary.ts';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import type { NvsRecipe } from '../../../../lib/esp/nvs/types.ts';
import {
  checkBoard,
  checkPlanAgainstChip,
  GUARDS,
  type PlanOptions,
  planFlash,
} from '../../../../lib/esp/plan/index.ts';
import type { ChipFacts, ChipSecurity, FlashPlan, ImageSet } from '../../../../lib/esp/types.ts';
import type { LinkInfo } from '../../../../lib/link/index.ts';
import { refused } from '../session/refused.ts';
import { chip, development, realPort, release, virtualPort } from './facts.ts';
import { app, bootloader, bytes, imageSet, region, tableBytes, wholeSet } from './sets.ts';
import { signV1, signV2 } from './signed.ts';

const make = (set: ImageSet, options: Partial<PlanOptions> = {}) =>
  planFlash(set, { platform: nodePlatform, ...options });
const table = decodePartitionTable(tableBytes);
const codes = (notes: FlashPlan['notes']) => [...new Set(notes.map(({ code }) => code))].sort();
const image = (options: Partial<Parameters<typeof buildImage>[0]>) =>
  buildImage({ kind: 'app', chip: 'ESP32-C3', size: 5000, ...options });
const appSet = (data: Uint8Array) => imageSet([region(0x20000, data, 'app.bin', 'app')]);
const bootSet = (data: Uint8Array) => imageSet([region(0, data, 'boot.bin', 'bootloader')]);
const recipe = (more: Partial<NvsRecipe> = {}): NvsRecipe => ({
  mode: 'merge',
  items: [],
  encryption: { scheme: 'none' },
  ...more,
});
const hmac = { scheme: 'hmac', handle: 'h:hmac' } as const;
const nvs = (more: Partial<NvsRecipe> = {}) => [
  { partition: 'nvs', recipe: recipe(more), offset: 0x9000, size: 0x6000 },
];

interface Case {
  code: (typeof GUARDS)[number];
  set?: ImageSet;
  options?: Partial<PlanOptions>;
  facts?: ChipFacts;
  link?: LinkInfo;
  says: RegExp;
  /** Beside the code itself, once it is overridden. */
  notes?: string[];
}

const secure = (more: Partial<ChipSecurity> = {}) => chip({ secureBoot: true, secureBootScheme: 'v2', ...more });
const v1 = secure({ secureBootScheme: 'v1' });
const elsewhere = { ...wholeSet(), regions: wholeSet().regions.filter(({ kind }) => kind !== 'bootloader') };

const cases: Record<string, Case> = {
  'an image for another chip': {
    code: 'WRONG_CHIP',
    set: appSet(image({ chip: 'ESP32-S3' })),
    says: /ESP32-S3.*ESP32-C3/,
  },
  'an app for another chip inside a merged image': {
    code: 'WRONG_CHIP',
    set: imageSet([region(0, merged(image({ chip: 'ESP32-S3' })), 'merged.bin', 'merged')]),
    options: { force: [] },
    says: /ESP32-S3.*ESP32-C3/,
  },
  'a plan for another chip': {
    code: 'WRONG_CHIP',
    set: imageSet([region(0x20000, bytes(9), 'x')], { chip: 'ESP32-S3' }),
    says: /ESP32-S3.*ESP32-C3/,
  },
  'an image for newer chips': {
    code: 'REVISION_UNSUPPORTED',
    set: appSet(image({ minRevision: 200 })),
    says: /v2\.0.*v0\.4/,
  },
  'an image for older chips': {
    code: 'REVISION_UNSUPPORTED',
    set: appSet(image({ maxRevision: 3 })),
    says: /v0\.3.*v0\.4/,
  },
  'more than the flash holds': {
    code: 'BEYOND_FLASH',
    set: imageSet([region(0x200000, bytes(9), 'x')]),
    facts: chip({}, { flash: { manufacturer: 1, device: 1, size: 2 << 20 } }),
    says: /0x200009.*2 MB/,
  },
  'a table of more than the flash holds, though all that is written fits': {
    code: 'BEYOND_FLASH',
    set: imageSet([region(0x8000, tableBytes, 'table', 'partition-table')]),
    facts: chip({}, { flash: { manufacturer: 1, device: 1, size: 2 << 20 } }),
    says: /partition ota_0.*0x220000.*2 MB/,
  },
  'a bootloader built for more than the flash holds': {
    code: 'BEYOND_FLASH',
    set: bootSet(image({ kind: 'bootloader', flashSize: 16 << 20 })),
    facts: chip({}, { flash: { manufacturer: 1, device: 1, size: 4 << 20 } }),
    says: /built for 16 MB.*has 4 MB/,
  },
  'a bootloader at the wrong place': {
    code: 'BOOTLOADER_OFFSET',
    set: imageSet([region(0x1000, bytes(9), 'boot', 'bootloader')]),
    says: /0x1000.*0x0/,
  },
  'a demo image for a real port': { code: 'DEMO_IMAGE', link: realPort, says: /demo.*ttyUSB0/ },
  'secure boot and an app that is not signed': { code: 'SECURE_BOOT', facts: secure(), says: /is not signed/ },
  'secure boot and a bootloader alone that is not signed': {
    code: 'SECURE_BOOT',
    set: bootSet(bootloader),
    facts: secure(),
    says: /"boot\.bin" is not signed/,
  },
  'secure boot and a signature of other bytes': {
    code: 'SECURE_BOOT',
    set: appSet(signV2(app, { digest: bytes(32) })),
    facts: secure(),
    says: /damaged or of other bytes/,
  },
  'secure boot and a signature of the other scheme': {
    code: 'SECURE_BOOT',
    set: appSet(signV1(app)),
    facts: secure(),
    says: /signed for secure boot v1/,
  },
  'secure boot and an app that is no image': {
    code: 'SECURE_BOOT',
    set: appSet(bytes(0x2000)),
    facts: secure(),
    says: /no image/,
  },
  'secure boot and a merged image whose app is not signed': {
    code: 'SECURE_BOOT',
    set: imageSet([region(0, merged(app), 'merged.bin', 'merged')]),
    facts: secure(),
    says: /"merged\.bin" is not signed/,
  },
  'secure boot and an erased bootloader': {
    code: 'SECURE_BOOT',
    set: imageSet([], { erase: [{ offset: 0, size: 0x8000, name: 'start' }] }),
    facts: secure(),
    says: /"start" at 0x0/,
  },
  'secure boot v1 and any bootloader': {
    code: 'SECURE_BOOT',
    set: bootSet(signV1(bootloader)),
    facts: v1,
    says: /"boot\.bin" at 0x0 touches its bootloader/,
  },
  'secure boot v1 and a table that is not signed': {
    code: 'SECURE_BOOT',
    set: imageSet([region(0x8000, tableBytes, 'table.bin', 'partition-table')]),
    facts: v1,
    says: /"table\.bin" is not signed/,
  },
  'flash encryption and plain images': {
    code: 'FLASH_ENCRYPTION',
    facts: chip(development),
    says: /"app\.bin"/,
  },
  'flash encryption and data of which no table tells': {
    code: 'FLASH_ENCRYPTION',
    set: imageSet([region(0x9000, bytes(9), 'cfg.bin')]),
    facts: chip(development),
    says: /"cfg\.bin"/,
  },
  'flash encryption and a plan that was not made for it': {
    code: 'FLASH_ENCRYPTION',
    options: { encryption: 'encrypt' },
    facts: chip(development),
    says: /"app\.bin"/,
  },
  'release mode': { code: 'FLASH_ENCRYPTION_RELEASE', facts: chip(release), says: /release mode/ },
  'release mode and NVS alone': {
    code: 'FLASH_ENCRYPTION_RELEASE',
    set: imageSet([]),
    options: { nvs: nvs() },
    facts: chip(release),
    says: /release mode/,
  },
  'secure download mode': {
    code: 'SECURE_DOWNLOAD',
    set: elsewhere,
    facts: chip({ secureDownload: true }, { mac: null, revision: null, flash: null }),
    says: /ESP32-C3 is in secure download mode/,
    notes: ['UNVERIFIED'],
  },
  'NVS by HMAC on a chip without the engine': {
    code: 'NVS_NO_HMAC_KEY',
    set: imageSet([]),
    options: { nvs: nvs({ mode: 'replace', encryption: hmac }) },
    facts: chip({ keyPurposes: null }, { name: 'ESP32', imageChipId: 0 }),
    says: /"nvs".*ESP32.*no HMAC engine/,
  },
  'NVS by HMAC on a chip without the key': {
    code: 'NVS_NO_HMAC_KEY',
    set: imageSet([]),
    options: { nvs: nvs({ mode: 'replace', encryption: hmac }) },
    // HMAC_DOWN_ALL, and the digest of secure boot: neither is for software.
    facts: chip({ keyPurposes: [0, 5, 9, 0, 0, 0, 15] }),
    says: /"nvs".*ESP32-C3.*no HMAC key/,
  },
  'NVS by HMAC whose place is still to be found': {
    code: 'NVS_NO_HMAC_KEY',
    set: imageSet([]),
    options: { nvs: [{ partition: 'identity', recipe: recipe({ mode: 'replace', encryption: hmac }) }] },
    says: /"identity"/,
  },
};

function merged(appBytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(0x20000 + appBytes.length).fill(0xff);
  out.set(signV2(bootloader));
  out.set(tableBytes, 0x8000);
  out.set(appBytes, 0x20000);
  return out;
}

describe('guards against the chip', () => {
  for (const [
    name,
    { code, set = wholeSet(), options = {}, facts = chip(), link = virtualPort, says, notes },
  ] of Object.entries(cases)) {
    describe(`${code}: ${name}`, () => {
      // What planning already finds is let through: here the chip is asked.
      const plan = () => make(set, { ...options, force: [] }).catch(() => make(set, { ...options, force: [code] }));
      const unforced = async () => ({ ...(await plan()), force: [], notes: [] });

      it('is met', async () => {
        const made = await unforced();
        const error = await refused(
          code,
          Promise.resolve().then(() => checkPlanAgainstChip(made, facts, link, [], null)),
        );
        assert.match(error.message, says);
        assert.ok(error.hint);
        assert.ok(error.detail?.field);
      });

      it('is overridden by its own name alone, in the plan or beside it, and noted', async () => {
        const made = await unforced();
        const others = GUARDS.filter((guard) => guard !== code);
        await refused(
          code,
          Promise.resolve().then(() => checkPlanAgainstChip(made, facts, link, others, null)),
        );
        const expected = [code, ...(notes ?? [])].sort();
        assert.deepEqual(codes(checkPlanAgainstChip(made, facts, link, [code], null)), expected);
        assert.deepEqual(codes(checkPlanAgainstChip({ ...made, force: [code] }, facts, link, [], null)), expected);
      });
    });
  }

  it('every guard but those of planning and of the board is in the list above', () => {
    const here = new Set(Object.values(cases).map(({ code }) => code));
    assert.deepEqual(
      GUARDS.filter((guard) => !here.has(guard)),
      ['NOT_IN_TABLE', 'DOES_NOT_FIT', 'NVS_WRONG_ENCRYPTION', 'WRONG_BOARD'],
    );
  });

  describe('nothing is met', () => {
    const both = imageSet([...bootSet(signV2(bootloader)).regions, ...appSet(signV2(app)).regions]);
    const erase = { erase: [{ offset: 0x9000, size: 0x1000, name: 'e' }] };
    const data = imageSet([region(0x11000, bytes(9), 'd')]);
    const c6 = chip({}, { name: 'ESP32-C6', imageChipId: 13 });
    const oldest = chip({}, { name: 'ESP8266', imageChipId: null, revision: null });
    const fine: [string, ImageSet, ChipFacts, string[]][] = [
      ['nothing burnt', wholeSet(), chip(), []],
      ['a flash of the very size', wholeSet(), chip({}, { flash: { manufacturer: 1, device: 1, size: 4 << 20 } }), []],
      ['a flash of unknown size', wholeSet(), chip({}, { flash: null }), []],
      ['secure boot and signed images', both, secure(), ['SIGNATURE_UNCHECKED']],
      ['secure boot and ECDSA', appSet(signV2(app, { version: 3 })), secure(), ['SIGNATURE_UNCHECKED']],
      ['secure boot v1 and a signed app', appSet(signV1(app)), v1, ['SIGNATURE_UNCHECKED']],
      [
        'secure boot and a signed merged image',
        imageSet([region(0, merged(signV2(app)), 'm', 'merged')]),
        secure(),
        ['SIGNATURE_UNCHECKED'],
      ],
      ['secure boot and data alone', data, secure(), []],
      ['secure boot and the table alone', imageSet([region(0x8000, tableBytes, 't', 'partition-table')]), secure(), []],
      ['flash encryption and an erase', imageSet([], erase), chip(development), []],
      ['flash encryption and data that the table on the chip leaves plain', data, chip(development), []],
      ['a chip without a twin', data, c6, ['UNTESTED_CHIP']],
      ['an ESP8266, whose images carry no chip id', appSet(app), oldest, ['UNTESTED_CHIP']],
    ];
    for (const [name, set, facts, notes] of fine) {
      it(name, async () => {
        const { chip: _family, ...plan } = await make(set);
        assert.deepEqual(codes(checkPlanAgainstChip(plan, facts, virtualPort, [], table)), notes);
      });
    }

    it('a table beyond a size that is only a guess: the chip cannot be asked', async () => {
      const set = imageSet([region(0x8000, tableBytes, 'table', 'partition-table'), ...bootSet(bootloader).regions]);
      const guess = chip({ secureDownload: true }, { flash: { manufacturer: 0, device: 0, size: 2 << 20 } });
      const notes = checkPlanAgainstChip(await make(set), guess, virtualPort, ['SECURE_DOWNLOAD'], null);
      assert.deepEqual(codes(notes), ['SECURE_DOWNLOAD', 'UNVERIFIED']);
    });

    it('flash encryption and data while the table is still to be read', async () => {
      const plan = await make(data);
      assert.deepEqual(checkPlanAgainstChip(plan, chip(development), virtualPort), []);
    });

    it('NVS by HMAC where a key is, where the chip does not say, and where none is wanted', async () => {
      const made = await make(imageSet([]), { nvs: nvs({ encryption: hmac }) });
      for (const keyPurposes of [[0, 0, 0, 8, 0, 0, 0], null]) {
        assert.deepEqual(checkPlanAgainstChip(made, chip({ keyPurposes }), virtualPort), []);
      }
      const plain = await make(imageSet([]), { nvs: nvs({ encryption: { scheme: 'nvs_keys', handle: 'h' } }) });
      const esp32 = chip({ keyPurposes: null }, { name: 'ESP32', imageChipId: 0 });
      assert.deepEqual(checkPlanAgainstChip(plain, esp32, virtualPort), []);
    });

    it('flash encryption and NVS, which is not part of it', async () => {
      const plan = await make(imageSet([]), { nvs: nvs() });
      assert.deepEqual(checkPlanAgainstChip(plan, chip(development), virtualPort), []);
    });
  });

  describe('NVS_UNREADABLE', () => {
    const secret = { scheme: 'nvs_keys' } as const;
    const unreadable: [string, Partial<NvsRecipe>, ChipFacts][] = [
      ['a merge in secure download mode', {}, chip({ secureDownload: true })],
      ['a merge whose keys only the chip can read', { encryption: secret }, chip(development)],
    ];
    for (const [name, more, facts] of unreadable) {
      it(name, async () => {
        const force = ['SECURE_DOWNLOAD', 'FLASH_ENCRYPTION'];
        for (const wish of [nvs(more), [{ partition: 'nvs', recipe: recipe(more) }]]) {
          const made = await make(imageSet([]), { nvs: wish });
          const work = Promise.resolve().then(() => checkPlanAgainstChip(made, facts, virtualPort, force));
          const error = await refused('NVS_UNREADABLE', work);
          assert.match(error.message, /"nvs"/);
        }
        const replaced = await make(imageSet([]), { nvs: nvs({ ...more, mode: 'replace' }) });
        assert.ok(checkPlanAgainstChip(replaced, facts, virtualPort, force));
      });
    }

    it('not where a handle has the keys', async () => {
      const made = await make(imageSet([]), { nvs: nvs({ encryption: { ...secret, handle: 'keys' } }) });
      assert.deepEqual(checkPlanAgainstChip(made, chip(development), virtualPort), []);
    });
  });
});

describe('checkBoard', () => {
  it('knows the board again, however the MAC is spelled', () => {
    for (const mac of ['60:55:f9:00:00:01', '60-55-F9-00-00-01', '6055f9000001']) {
      assert.deepEqual(checkBoard(mac, chip()), []);
    }
  });

  const others: [string, ChipFacts, RegExp][] = [
    ['another board', chip({}, { mac: '60:55:f9:00:00:02' }), /60:55:f9:00:00:01.*60:55:f9:00:00:02/],
    ['a board that does not tell', chip({}, { mac: null }), /does not tell/],
  ];
  for (const [name, facts, says] of others) {
    it(`WRONG_BOARD: ${name}; overridden by its name alone`, async () => {
      const ask = (force: string[]) => Promise.resolve().then(() => checkBoard('60:55:f9:00:00:01', facts, force));
      const error = await refused('WRONG_BOARD', ask([]));
      assert.match(error.message, says);
      await refused('WRONG_BOARD', ask(GUARDS.filter((guard) => guard !== 'WRONG_BOARD')));
      assert.deepEqual(codes(await ask(['WRONG_BOARD'])), ['WRONG_BOARD']);
    });
  }
});
