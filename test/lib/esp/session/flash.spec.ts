import assert from 'node:assert/strict';
import { planFlash } from '../../../../lib/esp/plan/index.ts';
import { flash } from '../../../../lib/esp/session/index.ts';
import type { FlashPlan, ImageSet, Progress } from '../../../../lib/esp/types.ts';
import { app, bootloader, bytes, imageSet, region, tableBytes, wholeSet } from '../plan/sets.ts';
import { chipOnCable, clearBench, connecting, nextLog, platform } from './bench.ts';
import { refused } from './refused.ts';

const planOf = (set: ImageSet): Promise<FlashPlan> => planFlash(set, { platform });
const dirty = () => new Uint8Array(4 << 20).fill(0x11);
const at = (memory: Uint8Array, offset: number, length: number) => memory.subarray(offset, offset + length);

describe('flash', () => {
  afterEach(clearBench);

  it('writes a whole set, verifies it, restarts the chip, and the chip boots from what was written', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    const booted = nextLog(chip, /1\.2\.3/);
    const result = await flash(link, await planOf(wholeSet()), { ...connecting, baudRate: 921_600 });
    assert.deepEqual(at(chip.flash, 0, bootloader.length), bootloader);
    assert.deepEqual(at(chip.flash, 0x8000, tableBytes.length), tableBytes);
    assert.deepEqual(at(chip.flash, 0x9000, 0x6000), bytes(0x6000));
    assert.deepEqual(at(chip.flash, 0xf000, 0x2000), bytes(0x2000, 0xff));
    assert.deepEqual(at(chip.flash, 0x20000, app.length), app);
    assert.equal(chip.flash[0x11000], 0x11, 'what no step touches stays');
    assert.equal(result.baudRate, 921_600);
    assert.equal(result.restarted, true);
    assert.equal(result.chip.mac, '7c:df:a1:00:00:01');
    assert.ok(result.steps.every(({ attempts, verified }) => attempts === 1 && verified));
    assert.ok(result.wireBytes > result.steps.reduce((sum, { wireBytes }) => sum + wireBytes, 0));
    await booted;
    assert.equal(link.baudRate, 115_200, 'the line is ready for the boot log');
  });

  it('writes the bootloader last', async () => {
    const { chip, link } = chipOnCable();
    const touched: number[] = [];
    chip.on('flash', ({ offset }) => touched.push(offset));
    await flash(link, await planOf(wholeSet()), connecting);
    const first = touched.findIndex((offset) => offset < 0x8000);
    assert.ok(first > 0);
    assert.ok(touched.slice(first).every((offset) => offset < 0x8000));
  });

  it('tells its progress in order, to the last byte', async () => {
    const { link } = chipOnCable({ flash: dirty() });
    const events: Progress[] = [];
    const plan = await planOf(wholeSet());
    await flash(link, plan, { ...connecting, onProgress: (progress) => events.push(progress) });
    const phases = events.map(({ phase }) => phase).filter((phase, i, all) => phase !== all[i - 1]);
    assert.deepEqual(phases.slice(0, 4), ['connect', 'detect', 'stub', 'erase']);
    assert.equal(phases.at(-1), 'reset');
    const writes = events.filter(({ phase }) => phase === 'write');
    assert.ok(writes.every(({ done }, i) => done >= (writes[i - 1]?.done ?? 0)));
    assert.equal(writes.at(-1)?.done, plan.bytes);
    assert.ok(writes.every(({ total, item }) => total === plan.bytes && item !== undefined));
  });

  it('does not send long blank gaps, and leaves them blank all the same', async () => {
    const merged = bytes(0x40000, 0xff);
    merged.set(bootloader, 0);
    merged.set(app, 0x20000);
    const full = imageSet([region(0, merged, 'merged.bin', 'merged')]);
    for (const wasDirty of [true, false]) {
      const { chip, link } = chipOnCable({ flash: wasDirty ? dirty() : bytes(4 << 20, 0xff) });
      const erased: string[] = [];
      chip.on('command', ({ name }) => erased.push(name));
      const { steps } = await flash(link, await planOf(full), connecting);
      assert.deepEqual(at(chip.flash, 0, merged.length), merged);
      assert.ok((steps[0]?.wireBytes ?? 0) < (bootloader.length + app.length) * 0.8, 'the gaps cost nothing');
      assert.equal(erased.includes('ERASE_REGION'), wasDirty, 'only what is not blank is erased');
    }
  });

  it('writes an odd number of bytes', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    const odd = app.subarray(0, 1001);
    await flash(link, await planOf(imageSet([region(0x30000, odd, 'odd')])), connecting);
    assert.deepEqual(at(chip.flash, 0x30000, 1001), odd);
  });

  it('works without the stub, by the ROM alone', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    const by = new Set<string>();
    chip.on('command', (command) => by.add(command.by));
    await flash(link, await planOf(wholeSet()), { ...connecting, useStub: false, baudRate: 115_200 });
    assert.deepEqual([...by], ['rom']);
    assert.deepEqual(at(chip.flash, 0x20000, app.length), app);
    assert.deepEqual(at(chip.flash, 0xf000, 0x2000), bytes(0x2000, 0xff));
  });

  it('a hard reset that is not asked for does not happen', async () => {
    const { chip, link } = chipOnCable();
    const modes: string[] = [];
    const plan = await planOf(imageSet([region(0x1000, bytes(10), 'x')]));
    chip.on('boot', ({ mode }) => modes.push(mode));
    const result = await flash(link, plan, { ...connecting, resetAfter: false });
    assert.equal(result.restarted, false);
    assert.deepEqual(modes, ['download']);
  });

  it('a second run on the same link works as the first did', async () => {
    const { chip, link } = chipOnCable();
    const plan = await planOf(wholeSet());
    await flash(link, plan, connecting);
    chip.flash.fill(0);
    await flash(link, plan, connecting);
    assert.deepEqual(at(chip.flash, 0x20000, app.length), app);
  });

  it('MD5: a region that does not hold what was written is written once more', async () => {
    const { chip, link } = chipOnCable();
    chip.on('command', ({ name }) => {
      if (name !== 'FLASH_DEFL_END') return;
      chip.removeAllListeners('command');
      chip.flash[0x30005] = (chip.flash[0x30005] as number) ^ 0x10;
    });
    const { steps } = await flash(link, await planOf(imageSet([region(0x30000, app, 'app')])), connecting);
    assert.equal(steps[0]?.attempts, 2);
    assert.deepEqual(at(chip.flash, 0x30000, app.length), app);
  });

  it('MD5_MISMATCH: when it does not hold it the second time either', async () => {
    const { chip, link } = chipOnCable();
    chip.on('command', ({ name }) => {
      if (name === 'FLASH_DEFL_END') chip.flash[0x30005] = (chip.flash[0x30005] as number) ^ 0x10;
    });
    const plan = await planOf(imageSet([region(0x30000, app, 'app.bin')]));
    const error = await refused('MD5_MISMATCH', flash(link, plan, connecting));
    assert.match(error.message, /0x30000.*app\.bin.*written twice/);
  });
});
