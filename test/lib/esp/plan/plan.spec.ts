import assert from 'node:assert/strict';
import { isKeywayError } from '../../../../lib/errors/index.ts';
import { buildImage } from '../../../../lib/esp/formats/build-image.ts';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import { describePlan, type PlanOptions, planFlash } from '../../../../lib/esp/plan/index.ts';
import type { ImageSet } from '../../../../lib/esp/types.ts';
import { app, bootloader, bytes, imageSet, otaSlot0, region, tableBytes, wholeSet } from './sets.ts';

const plan = (set: ImageSet, options: Partial<PlanOptions> = {}) =>
  planFlash(set, { platform: nodePlatform, ...options });

async function refused(code: string, set: ImageSet, options: Partial<PlanOptions> = {}, names: string[] = []) {
  await assert.rejects(plan(set, options), (error: unknown) => {
    assert.ok(isKeywayError(error, code), `${code} expected, got ${String(error)}`);
    assert.ok(error.hint, 'it says what to do');
    assert.ok(error.detail?.field !== undefined, 'it names the field');
    for (const name of names) assert.ok(error.message.includes(name), `"${error.message}" names ${name}`);
    return true;
  });
}

describe('planFlash', () => {
  it('orders the steps so that a torn run never boots half a firmware', async () => {
    const { steps, chip, bytes: total, keeps } = await plan(wholeSet());
    assert.deepEqual(
      steps.map(({ action, name }) => `${action} ${name}`),
      [
        'erase ota_data_initial.bin',
        'write nvs.bin',
        'write partition-table.bin',
        'write app.bin',
        'write bootloader.bin',
      ],
    );
    assert.equal(chip, 'ESP32-C3');
    assert.equal(
      total,
      steps.reduce((sum, step) => sum + (step.data?.length ?? 0), 0),
    );
    assert.deepEqual(
      keeps.map(({ name }) => name),
      ['phy_init', 'ota_0', 'ota_1'],
    );
  });

  it('erases otadata before anything else', async () => {
    const erase = [{ offset: 0, size: 0x1000, name: 'something' }];
    const { steps } = await plan({ ...wholeSet(), regions: wholeSet().regions.slice(1) }, { erase });
    assert.deepEqual(
      steps.slice(0, 2).map(({ name }) => name),
      ['ota_data_initial.bin', 'something'],
    );
  });

  it('writes otadata that chooses a slot after the app', async () => {
    const set = imageSet([region(0xf000, otaSlot0, 'otadata', 'otadata'), region(0x120000, app, 'app', 'app')]);
    const { steps } = await plan(set);
    assert.deepEqual(
      steps.map(({ name }) => name),
      ['app', 'otadata'],
    );
  });

  it('gives each write the sums that the flash must have after', async () => {
    const { steps } = await plan(imageSet([region(0, new TextEncoder().encode('abc'), 'abc')]));
    assert.equal(steps[0]?.md5, '900150983cd24fb0d6963f7d28e17f72');
    assert.equal(steps[0]?.sha256, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('leaves what is written out of what is erased', async () => {
    const erase = [
      { offset: 0, size: 0x4000, name: 'a' },
      { offset: 0x3000, size: 0x2000, name: 'b' },
    ];
    const { steps } = await plan(imageSet([region(0x1000, bytes(10), 'w')]), { erase });
    assert.deepEqual(
      steps.map(({ action, offset, size }) => [action, offset, size]),
      [
        ['erase', 0, 0x1000],
        ['erase', 0x2000, 0x2000],
        ['erase', 0x4000, 0x1000],
        ['write', 0x1000, 10],
      ],
    );
  });

  it('provisioning: the app goes to factory, otadata and the head of every slot are erased', async () => {
    const set = wholeSet();
    const regions = set.regions.map((one) => (one.kind === 'app' ? { ...one, offset: 0x10000 } : one));
    const { steps } = await plan({ ...set, regions }, { mode: 'provisioning' });
    assert.deepEqual(
      steps.map(({ action, offset, size, name }) => [action, offset, action === 'erase' ? size : 0, name]),
      [
        ['erase', 0xf000, 0x2000, 'otadata'],
        ['erase', 0x120000, 0x1000, 'ota_0'],
        ['erase', 0x220000, 0x1000, 'ota_1'],
        ['write', 0x9000, 0, 'nvs.bin'],
        ['write', 0x8000, 0, 'partition-table.bin'],
        ['write', 0x20000, 0, 'app.bin'],
        ['write', 0, 0, 'bootloader.bin'],
      ],
    );
  });

  it('provisioning wants a table and one app', async () => {
    const set = wholeSet();
    const without = set.regions.filter(({ kind }) => kind !== 'partition-table');
    await refused('TABLE_MISSING', { ...set, regions: without }, { mode: 'provisioning' });
    const two = [...set.regions, region(0x120000, app, 'second', 'app')];
    await refused('NO_FACTORY', { ...set, regions: two }, { mode: 'provisioning' });
  });

  it('describes itself without its bytes', async () => {
    const described = describePlan(await plan(wholeSet()));
    assert.ok(described.steps.every((step) => !('data' in step)));
    assert.ok(JSON.stringify(described).length < 4000);
  });

  describe('refuses, naming field and value', () => {
    it('an empty plan', () => refused('EMPTY_PLAN', imageSet([])));
    it('a negative offset', () =>
      refused('BAD_OFFSET', imageSet([region(-4096, bytes(1), 'x')]), {}, ['-0x1000', 'x']));
    it('an unaligned offset', () => refused('BAD_OFFSET', imageSet([region(0x1001, bytes(1), 'x')]), {}, ['0x1001']));
    it('half an offset', () => refused('BAD_OFFSET', imageSet([region(4096.5, bytes(1), 'x')]), {}, ['4096.5']));
    it('no number', () => refused('BAD_OFFSET', imageSet([region(Number.NaN, bytes(1), 'x')]), {}, ['NaN']));
    it('an offset beyond 4 GB', () => refused('BAD_OFFSET', imageSet([region(2 ** 32, bytes(1), 'x')])));
    it('an empty region', () => refused('EMPTY_REGION', imageSet([region(0, bytes(0), 'app.bin')]), {}, ['app.bin']));
    it('an erase of half a sector', () =>
      refused('BAD_SIZE', imageSet([], { erase: [{ offset: 0, size: 100, name: 'x' }] }), {}, ['100']));
    it('an erase from nowhere', () =>
      refused('BAD_OFFSET', imageSet([], { erase: [{ offset: 5, size: 4096, name: 'x' }] })));
    it('overlap, naming both', () =>
      refused('OVERLAP', imageSet([region(0, bytes(5000), 'one'), region(0x1000, bytes(1), 'two')]), {}, [
        'one',
        'two',
      ]));
    it('overlap of blank otadata, though it is erased and not written', () =>
      refused('OVERLAP', imageSet([region(0, bytes(9, 0xff), 'a', 'otadata'), region(0, bytes(9), 'b')]), {}, ['"a"']));
    it('an unknown chip', () => refused('UNKNOWN_CHIP', wholeSet(), { chip: 'esp64' }, ['esp64']));
    it('an unknown guard', () => refused('BAD_FORCE', wholeSet(), { force: ['EVERYTHING'] }, ['EVERYTHING']));
    it('an image for another chip than declared', () =>
      refused('WRONG_CHIP', wholeSet(), { chip: 'ESP32-S3' }, ['ESP32-C3', 'ESP32-S3']));
    it('images for different chips', () => {
      const other = buildImage({ kind: 'app', chip: 'ESP32-S3', size: 5000 });
      const set = imageSet([region(0, bootloader, 'boot', 'bootloader'), region(0x20000, other, 'app', 'app')]);
      return refused('WRONG_CHIP', set, {}, ['app', 'ESP32-S3', 'ESP32-C3']);
    });
    it('a bootloader where the chip does not look', () => {
      const set = imageSet([region(0x1000, bootloader, 'boot', 'bootloader')]);
      return refused('BOOTLOADER_OFFSET', set, {}, ['0x1000', '0x0']);
    });
    it('more than the flash holds', () =>
      refused('BEYOND_FLASH', imageSet([region(0xff000, bytes(5000), 'big')]), { flashSize: 0x100000 }, ['0x100388']));
    it('more than the bootloader was built for', () => {
      const small = buildImage({ kind: 'bootloader', chip: 'ESP32-C3', flashSize: 0x200000 });
      const set = imageSet([
        region(0, small, 'boot', 'bootloader'),
        region(0x8000, tableBytes, 't', 'partition-table'),
      ]);
      return refused('BEYOND_FLASH', set, {}, ['ota_0']);
    });
    it('an app outside the table', () => {
      const regions = [region(0x8000, tableBytes, 't', 'partition-table'), region(0x30000, app, 'app', 'app')];
      return refused('NOT_IN_TABLE', imageSet(regions), {}, ['app', '0x30000']);
    });
    it('data outside the table', () => {
      const regions = [region(0x8000, tableBytes, 't', 'partition-table'), region(0x12000, bytes(4), 'd')];
      return refused('NOT_IN_TABLE', imageSet(regions), {}, ['d', '0x12000']);
    });
    it('an app longer than its partition', () => {
      const big = buildImage({ kind: 'app', chip: 'ESP32-C3', size: 0x100400 });
      const regions = [region(0x8000, tableBytes, 't', 'partition-table'), region(0x20000, big, 'app', 'app')];
      return refused('DOES_NOT_FIT', imageSet(regions), {}, ['app', 'factory']);
    });
  });

  it('takes a note of each guard that is overridden, and of no other', async () => {
    const { notes, force } = await plan(wholeSet(), { chip: 'ESP32-S3', force: ['WRONG_CHIP'] });
    assert.deepEqual([...new Set(notes.map(({ code }) => code))], ['WRONG_CHIP']);
    assert.deepEqual(force, ['WRONG_CHIP']);
    await refused('WRONG_CHIP', wholeSet(), { chip: 'ESP32-S3', force: ['BEYOND_FLASH'] });
  });
});
