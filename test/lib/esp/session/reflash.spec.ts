import assert from 'node:assert/strict';
import { type ImageCache, memoryImageCache } from '../../../../lib/esp/cache/index.ts';
import { planFlash } from '../../../../lib/esp/plan/index.ts';
import { type FlashOptions, flash } from '../../../../lib/esp/session/index.ts';
import type { FlashPlan, FlashResult } from '../../../../lib/esp/types.ts';
import type { VirtualChip } from '../../../../lib/virtual/index.ts';
import { app, bytes, imageSet, region, tableBytes, wholeSet } from '../plan/sets.ts';
import { chipOnCable, clearBench, connecting, platform } from './bench.ts';

const fast: FlashOptions = { ...connecting, baudRate: 921_600 };
const dirty = () => new Uint8Array(4 << 20).fill(0x11);
const whole = await planFlash(wholeSet(), { platform });
const outcomes = ({ steps }: FlashResult) => steps.map(({ name, outcome }) => `${name} ${outcome}`);

/** Sectors of the flash that are touched from now on. */
function touchedSectors(chip: VirtualChip): Set<number> {
  const sectors = new Set<number>();
  chip.on('flash', ({ offset, size }) => {
    for (let at = offset - (offset % 4096); at < offset + size; at += 4096) sectors.add(at);
  });
  return sectors;
}

describe('flashing what is there already', () => {
  afterEach(clearBench);

  for (const useStub of [true, false]) {
    it(`skips all of it ${useStub ? 'with' : 'without'} the stub: nothing is touched`, async () => {
      const { chip, link } = chipOnCable({ flash: dirty() });
      const first = await flash(link, whole, { ...fast, useStub });
      assert.ok(outcomes(first).every((text) => !text.endsWith('skipped')));
      const touched = touchedSectors(chip);
      const result = await flash(link, whole, { ...fast, useStub });
      assert.deepEqual([...touched], []);
      assert.ok(result.steps.every(({ outcome, verified }) => outcome === 'skipped' && verified));
      assert.ok(result.steps.every(({ written, attempts, resent }) => written + attempts + resent === 0));
      assert.ok(
        result.steps.every(({ wireBytes }) => wireBytes < 120),
        'one exchange a region',
      );
    });
  }

  it('writes the one region that differs, and the progress still runs to the end', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    await flash(link, whole, fast);
    chip.flash[0x20000 + app.length - 1] = 0x5b;
    const done: number[] = [];
    const result = await flash(link, whole, {
      ...fast,
      onProgress: (progress) => progress.phase === 'write' && done.push(progress.done),
    });
    assert.deepEqual(
      result.steps
        .filter(({ outcome }) => outcome !== 'skipped')
        .map(({ name, outcome, written }) => [name, outcome, written]),
      [['app.bin', 'written', app.length]],
    );
    assert.equal(done.at(-1), whole.bytes);
    assert.deepEqual(
      done,
      [...done].sort((a, b) => a - b),
    );
    assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + app.length), app);
  });

  it('writes it all when it is told to', async () => {
    const { link } = chipOnCable({ flash: dirty() });
    await flash(link, whole, fast);
    const result = await flash(link, whole, { ...fast, skip: false });
    assert.ok(result.steps.every(({ outcome }) => outcome === 'written' || outcome === 'erased'));
  });
});

describe('the image cache', () => {
  afterEach(clearBench);

  const base = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 31 + (i >> 9)) & 0xff);
  const planOf = (data: Uint8Array): Promise<FlashPlan> =>
    planFlash(imageSet([region(0x20000, data, 'app'), region(0x8000, tableBytes, 'table', 'partition-table')]), {
      platform,
      force: ['NOT_IN_TABLE'],
    });
  /** Three sectors in two places, and the end. */
  const next = base.slice();
  next.fill(1, 5 * 4096 + 7, 5 * 4096 + 5000);
  next.fill(2, 20 * 4096, 20 * 4096 + 1);
  next.fill(3, next.length - 1);
  const changedAt = [5, 6, 20, 48].map((sector) => 0x20000 + sector * 4096);

  it('writes the sectors that changed and no other, and verifies the whole', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    const cache = memoryImageCache();
    const first = await flash(link, await planOf(base), { ...fast, cache });
    assert.deepEqual(outcomes(first), ['app written', 'table written']);
    const touched = touchedSectors(chip);
    const result = await flash(link, await planOf(next), { ...fast, cache });
    const step = result.steps.find(({ name }) => name === 'app');
    assert.deepEqual([step?.outcome, step?.verified, step?.attempts], ['patched', true, 1]);
    assert.deepEqual(
      [...touched].sort((a, b) => a - b),
      changedAt,
    );
    // Three whole sectors and the odd end of the last, in whole words.
    assert.equal(step?.written, 3 * 4096 + Math.ceil((next.length % 4096) / 4) * 4);
    assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + next.length), next);
    // Back again: both are remembered.
    const back = await flash(link, await planOf(base), { ...fast, cache });
    assert.deepEqual(outcomes(back), ['app patched', 'table skipped']);
    assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + base.length), base);
  });

  it('a longer and a shorter image', async () => {
    for (const size of [base.length - 30_000, base.length + 30_000]) {
      const { chip, link } = chipOnCable({ flash: dirty() });
      const cache = memoryImageCache();
      await flash(link, await planOf(base), { ...fast, cache });
      const other = new Uint8Array(size).fill(0x44);
      other.set(base.subarray(0, Math.min(size, base.length)));
      other[9000] = 1;
      const { steps } = await flash(link, await planOf(other), { ...fast, cache });
      assert.equal(steps.find(({ name }) => name === 'app')?.outcome, 'patched');
      assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + size), other);
    }
  });

  it('a cache that lies is not believed', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    const lie: ImageCache = { candidates: async () => [next, new Uint8Array(0)], remember: async () => undefined };
    const { steps } = await flash(link, await planOf(next), { ...fast, cache: lie });
    assert.equal(steps.find(({ name }) => name === 'app')?.outcome, 'written');
    assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + next.length), next);
  });

  it('flash that is not what it said it was: the verification finds it, and all of it is written', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    const cache = memoryImageCache();
    await flash(link, await planOf(base), { ...fast, cache });
    chip.on('command', ({ name }) => {
      // Changed behind its back, once the chip's own sum had agreed.
      if (name !== 'FLASH_DEFL_BEGIN') return;
      chip.removeAllListeners('command');
      chip.flash[0x20000 + 30 * 4096] = (chip.flash[0x20000 + 30 * 4096] as number) ^ 0xff;
    });
    const { steps } = await flash(link, await planOf(next), { ...fast, cache });
    const step = steps.find(({ name }) => name === 'app');
    assert.deepEqual([step?.outcome, step?.attempts, step?.verified], ['written', 2, true]);
    assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + next.length), next);
  });

  it('faults while patching are got over', async () => {
    for (const at of [0, 60, 900, 4000]) {
      const { chip, link } = chipOnCable({ flash: dirty() });
      const cache = memoryImageCache();
      await flash(link, await planOf(base), { ...fast, cache });
      chip.on('command', ({ name }) => {
        if (name !== 'FLASH_DEFL_BEGIN') return;
        chip.removeAllListeners('command');
        chip.setFault({ kind: 'drop', at });
      });
      const { steps } = await flash(link, await planOf(next), { ...fast, cache });
      assert.ok(steps.every(({ verified }) => verified));
      assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + next.length), next);
    }
  });

  it('a cache that fails costs speed and nothing else', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    const broken: ImageCache = {
      candidates: () => Promise.reject(new Error('disk full')),
      remember: () => Promise.reject(new Error('disk full')),
    };
    const { notes } = await flash(link, await planOf(base), { ...fast, cache: broken });
    assert.equal(notes.filter(({ code }) => code === 'CACHE_FAILED').length, 1);
    assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + base.length), base);
  });

  it('is never given NVS', async () => {
    const { link } = chipOnCable({ flash: dirty() });
    const given: string[] = [];
    const spy: ImageCache = {
      candidates: async (_mac, offset) => {
        given.push(`asked ${offset}`);
        return [];
      },
      remember: async (_mac, { kind, offset }) => {
        given.push(`${kind} ${offset}`);
      },
    };
    await flash(link, whole, { ...fast, cache: spy });
    assert.ok(given.includes('app 131072') && given.includes('asked 131072'));
    assert.ok(!given.some((text) => text.startsWith('nvs') || text.endsWith(` ${0x9000}`)));
  });
});

describe('a line that does not carry the rate', () => {
  afterEach(clearBench);

  const plan = planFlash(imageSet([region(0x20000, app, 'app', 'app'), region(0x9000, bytes(0x3000), 'nvs', 'nvs')]), {
    platform,
  });
  /** Above `limit` a bit flips in about one of `every` bytes, both ways. */
  const noisy = (limit: number, every: number) => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    for (const direction of ['toChip', 'toHost'] as const) {
      chip.setFault({ kind: 'noise', direction, every, aboveBaud: limit });
    }
    return { chip, link };
  };

  for (const [limit, every, expected] of [
    [460_800, 3000, 460_800],
    [230_400, 3000, 230_400],
    [115_200, 3000, 115_200],
    [230_400, 40, 230_400],
  ] as const) {
    it(`steps down to ${expected} where one byte in ${every} is damaged above it, and says so`, async () => {
      const { chip, link } = noisy(limit, every);
      const { steps, baudRate, notes } = await flash(link, await plan, fast);
      assert.equal(baudRate, expected);
      assert.ok(steps.every(({ verified }) => verified));
      assert.ok(notes.some(({ code, message }) => code === 'RATE_LOWERED' && message.includes(String(expected))));
      assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + app.length), app);
      assert.equal(link.baudRate, 115_200);
    });
  }

  it('stays at the rate when it is told to', async () => {
    const { link } = noisy(460_800, 3000);
    const end = await flash(link, await plan, { ...fast, stepDown: false, resume: { attempts: 0 } }).then(
      ({ baudRate }) => baudRate,
      () => 'failed',
    );
    assert.ok(end === 'failed' || end === 921_600);
  });

  it('a rate that the bridge does not do at all', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    const set = link.setBaudRate.bind(link);
    link.setBaudRate = (rate) => set(rate === 921_600 ? 700_000 : rate);
    const { baudRate } = await flash(link, await plan, fast);
    assert.equal(baudRate, 460_800);
    assert.deepEqual(chip.flash.subarray(0x20000, 0x20000 + app.length), app);
  });

  it('two faults on a good line do not slow it down for good', async () => {
    const { chip, link } = chipOnCable({ flash: dirty() });
    chip.setFault({ kind: 'flip', at: 25_000 });
    const { baudRate } = await flash(link, await plan, fast);
    assert.equal(baudRate, 921_600);
  });
});
