import assert from 'node:assert/strict';
import fc from 'fast-check';
import { demoImageSet, encodeOtadata, type ImageSet, readMergedImage } from '../../../../lib/esp/index.ts';
import { APP, refused } from './helpers.ts';

/** One file with the regions in it, from `base` on. */
function merge(set: ImageSet, size: number, base = 0): Uint8Array {
  const bytes = new Uint8Array(size).fill(0xff);
  for (const { offset, data } of set.regions) bytes.set(data, offset - base);
  return bytes;
}

/** What a flash of `size` bytes holds once the set is applied to it. */
function apply(set: ImageSet, flash: Uint8Array): Uint8Array {
  const out = flash.slice();
  for (const { offset, size } of set.erase) out.fill(0xff, offset, offset + size);
  for (const { offset, data } of set.regions) {
    out.fill(0xff, offset, Math.ceil((offset + data.length) / 4096) * 4096);
    out.set(data, offset);
  }
  return out;
}

describe('merged image', () => {
  const c3 = demoImageSet('esp32c3', 'ota', { size: 30000 });

  it('is cut into what it holds; gaps are erased, not sent', () => {
    const set = readMergedImage(merge(c3, 0x150000));
    assert.deepEqual([set.chip, set.version, set.source], ['ESP32-C3', '1.0.0', 'merged']);
    assert.deepEqual(
      set.regions.map(({ offset, name, kind }) => [offset, name, kind]),
      [
        [0, 'bootloader', 'bootloader'],
        [0x8000, 'partition table', 'partition-table'],
        [0x10000, 'otadata', 'otadata'],
        [0x140000, 'ota_0', 'app'],
      ],
    );
    assert.ok(set.erase.every(({ offset, size }) => offset % 4096 === 0 && size % 4096 === 0 && size > 0));
    assert.ok(set.erase.some(({ name }) => name === 'factory, blank'));
    assert.equal(set.regions.reduce((sum, { data }) => sum + data.length, 0) < 70000, true);
  });

  it('may start at the bootloader of chips that have it elsewhere', () => {
    const esp32 = demoImageSet('esp32', 'factory', { size: 8000 });
    const whole = readMergedImage(merge(esp32, 0x30000));
    const late = readMergedImage(merge(esp32, 0x2f000, 0x1000), 'esp32');
    assert.deepEqual(late.regions, whole.regions);
    assert.equal(whole.regions[0]?.offset, 0x1000);
    assert.equal(readMergedImage(merge(esp32, 0x2f000, 0x1000)).chip, 'ESP32');
  });

  it('cuts at partition borders even where there is no gap', () => {
    const full = demoImageSet('esp32c3', 'factory', { size: 0x120000 });
    const bytes = merge(full, 0x150000);
    bytes.fill(1, 0x140000, 0x142000);
    const names = readMergedImage(bytes, 'esp32c3').regions.map(({ name }) => name);
    assert.deepEqual(names.slice(-2), ['factory', 'ota_0']);
  });

  it('takes a table that lies later, and a last sector that is cut', () => {
    const moved: ImageSet = {
      ...c3,
      regions: c3.regions.map((region) => (region.kind === 'partition-table' ? { ...region, offset: 0xd000 } : region)),
    };
    const set = readMergedImage(merge(moved, 0x150000));
    assert.deepEqual(set.regions[1]?.offset, 0xd000);
    const cut = readMergedImage(merge(c3, 0x150000).subarray(0, 0x12001));
    assert.equal(cut.regions.at(-1)?.name, 'otadata');
    const otadata = encodeOtadata({ slot: 0, slots: 2 });
    assert.deepEqual(Buffer.from(apply(cut, new Uint8Array(0x14000))).subarray(0x10000, 0x12000), Buffer.from(otadata));
  });

  it('refuses what is no merged image', async () => {
    await refused(() => readMergedImage(new Uint8Array(0)), 'FILE_EMPTY');
    await refused(() => readMergedImage(new Uint8Array(0x20000).fill(0xff)), 'BAD_IMAGE');
    await refused(() => readMergedImage(APP), 'BAD_IMAGE');
    await refused(() => readMergedImage(merge(c3, 0x150000), 'esp32'), 'BAD_IMAGE');
    await refused(() => readMergedImage(merge(c3, 0x150000), 'esp0'), 'UNKNOWN_CHIP');
    await refused(() => readMergedImage(Uint8Array.of(0xe9)), 'BAD_IMAGE');
  });

  it('leaves a flash as if the whole file had been written', () => {
    const small = demoImageSet('esp32c3', 'factory', { size: 4000 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0x9000, max: 0x2ffff }), fc.nat(9000), fc.nat(255)), { maxLength: 12 }),
        fc.integer({ min: 0x24000, max: 0x30000 }),
        (scribbles, size) => {
          const file = merge(small, 0x30000);
          for (const [at, length, value] of scribbles) file.fill(value, at, at + length);
          const bytes = file.subarray(0, size);
          const flash = new Uint8Array(0x31000).fill(0x33);
          const wanted = flash.slice();
          wanted.fill(0xff, 0, Math.ceil(size / 4096) * 4096);
          wanted.set(bytes);
          const set = readMergedImage(bytes);
          assert.ok(Buffer.from(apply(set, flash)).equals(Buffer.from(wanted)));
          for (const { data } of set.regions) assert.equal(Buffer.from(data).includes(Buffer.alloc(4096, 0xff)), false);
        },
      ),
      { numRuns: 60 },
    );
  });
});
