import assert from 'node:assert/strict';
import { buildImage } from '../../../../lib/esp/formats/build-image.ts';
import { planFlash } from '../../../../lib/esp/plan/index.ts';
import { flash } from '../../../../lib/esp/session/index.ts';
import type { ImageSet } from '../../../../lib/esp/types.ts';
import type { VirtualChipOptions } from '../../../../lib/virtual/index.ts';
import { app, bootloader, bytes, imageSet, region, wholeSet } from '../plan/sets.ts';
import { changed, chipOnCable, clearBench, connecting, platform } from './bench.ts';
import { refused } from './refused.ts';

interface Case {
  code: string;
  set?: ImageSet;
  chip?: Partial<VirtualChipOptions>;
  kind?: 'serial';
  says?: RegExp;
}

const s3 = buildImage({ kind: 'app', chip: 'ESP32-S3', size: 5000 });
const young = buildImage({ kind: 'app', chip: 'ESP32-C3', size: 5000, minRevision: 200 });
const old = buildImage({ kind: 'app', chip: 'ESP32-C3', size: 5000, maxRevision: 3 });
const cases: Record<string, Case> = {
  'an image for another chip': {
    code: 'WRONG_CHIP',
    set: imageSet([region(0x20000, s3, 'app.bin', 'app')]),
    says: /ESP32-S3.*ESP32-C3/,
  },
  'a plan for another chip': {
    code: 'WRONG_CHIP',
    set: imageSet([region(0x20000, bytes(9), 'x')], { chip: 'ESP32-S3' }),
  },
  'an image for newer chips': {
    code: 'REVISION_UNSUPPORTED',
    set: imageSet([region(0x20000, young, 'app.bin', 'app')]),
    says: /v2\.0.*v0\.4/,
  },
  'an image for older chips': { code: 'REVISION_UNSUPPORTED', set: imageSet([region(0x20000, old, 'app.bin', 'app')]) },
  'more than the flash of this chip holds': {
    code: 'BEYOND_FLASH',
    set: imageSet([region(0x200000, bytes(9), 'x')]),
    chip: { flashSize: 2 << 20 },
    says: /0x200009.*2 MB/,
  },
  'a bootloader at the wrong place': {
    code: 'BOOTLOADER_OFFSET',
    set: imageSet([region(0x1000, bytes(9), 'boot', 'bootloader')]),
  },
  'a demo image for a real port': { code: 'DEMO_IMAGE', kind: 'serial' },
  'secure boot': { code: 'SECURE_BOOT', chip: { security: { secureBoot: 'v2' } } },
  'flash encryption': { code: 'FLASH_ENCRYPTION', chip: { security: { flashCryptCount: 1 } } },
  'secure download mode': { code: 'SECURE_DOWNLOAD', chip: { security: { secureDownload: true } } },
};

describe('guards before the first write', () => {
  afterEach(clearBench);

  for (const [name, { code, set = wholeSet(), chip: options, kind, says }] of Object.entries(cases)) {
    it(`${code}: ${name}; the chip stays as it was and starts its firmware again`, async () => {
      const { chip, link } = chipOnCable(options);
      const port = kind === undefined ? link : changed(link, { info: { ...link.info, kind } });
      const before = chip.flash.slice();
      const modes: string[] = [];
      chip.on('boot', ({ mode }) => modes.push(mode));
      const plan = await planFlash(set, { platform });
      const error = await refused(code, flash(port, plan, connecting));
      if (says !== undefined) assert.match(error.message, says);
      assert.ok(error.hint);
      assert.deepEqual(chip.flash, before);
      assert.equal(link.baudRate, 115_200);
      if (modes.at(-1) !== 'flash') await new Promise((resolve) => chip.once('boot', resolve));
      assert.deepEqual(modes, ['download', 'flash']);
    });
  }

  it('each is overridden by its name alone, and noted', async () => {
    const { chip, link } = chipOnCable();
    const plan = await planFlash(imageSet([region(0x20000, s3, 'app.bin', 'app')]), { platform });
    await refused('WRONG_CHIP', flash(link, plan, { ...connecting, force: ['BEYOND_FLASH', 'DEMO_IMAGE'] }));
    const { notes } = await flash(link, plan, { ...connecting, force: ['WRONG_CHIP'] });
    assert.deepEqual([...new Set(notes.map(({ code }) => code))], ['WRONG_CHIP', 'NO_TABLE_ON_CHIP']);
    assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + s3.length), s3);
  });

  it('a demo image may go to a virtual chip', async () => {
    const { chip, link } = chipOnCable();
    const set = imageSet([region(0, bootloader, 'b', 'bootloader'), region(0x20000, app, 'a', 'app')]);
    const { notes } = await flash(link, await planFlash(set, { platform }), connecting);
    assert.deepEqual(
      notes.map(({ code }) => code),
      ['NO_TABLE_ON_CHIP'],
    );
    assert.equal(chip.flash[0], 0xe9);
  });
});
