import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  chooseBootSlot,
  decodePartitionTable,
  demoImageSet,
  encodeOtadata,
  encodePartitionTable,
  espCrc32,
  isDemoImage,
  PROVISIONING_4MB_CSV,
  parseImage,
  parsePartitionCsv,
  recogniseRegion,
} from '../../../../lib/esp/index.ts';

const root = new URL('../../../../', import.meta.url);
const file = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, root)));

describe('demo image set', () => {
  it('ships the layout it uses, which is the golden one', () => {
    assert.equal(readFileSync(new URL('firmware/partitions/provisioning-4mb.csv', root), 'utf8'), PROVISIONING_4MB_CSV);
    const bytes = encodePartitionTable(parsePartitionCsv(PROVISIONING_4MB_CSV, { flashSize: 4 << 20 }));
    assert.deepEqual(bytes, file('test/data/partition-table/provisioning-4mb.bin'));
  });

  for (const [chip, bootloader] of [
    ['esp32', 0x1000],
    ['ESP32-C3', 0],
    ['ESP32-S3', 0],
  ] as const) {
    it(`${chip}, factory: boots factory`, () => {
      const set = demoImageSet(chip, 'factory', { version: '2.0.0', size: 30000 });
      assert.deepEqual(
        set.regions.map(({ offset, kind }) => [offset, kind]),
        [
          [bootloader, 'bootloader'],
          [0x8000, 'partition-table'],
          [0x20000, 'app'],
        ],
      );
      assert.deepEqual(
        set.erase.map(({ offset, size }) => [offset, size]),
        [
          [0x10000, 0x2000],
          [0x140000, 0x1000],
          [0x2a0000, 0x1000],
        ],
      );
      assert.equal(set.version, '2.0.0');
      const app = set.regions[2]?.data ?? new Uint8Array(0);
      assert.equal(parseImage(app).app?.version, '2.0.0');
      assert.ok(isDemoImage(app) && isDemoImage(set.regions[0]?.data ?? app));
      const table = decodePartitionTable(set.regions[1]?.data ?? app);
      assert.equal(chooseBootSlot(table, new Uint8Array(0x2000).fill(0xff)).partition?.offset, 0x20000);
    });
  }

  it('ota: boots ota_0 and leaves factory alone', () => {
    const set = demoImageSet('esp32c3', 'ota');
    const otadata = set.regions.find(({ kind }) => kind === 'otadata');
    assert.equal(otadata?.offset, 0x10000);
    assert.deepEqual(set.erase, []);
    const table = parsePartitionCsv(PROVISIONING_4MB_CSV);
    const choice = chooseBootSlot(table, otadata?.data ?? null);
    assert.equal(choice.partition?.offset, set.regions.find(({ kind }) => kind === 'app')?.offset);
  });

  it('refuses an app that does not fit', () => {
    assert.throws(() => demoImageSet('esp32c3', 'factory', { size: 1200 * 1024, fill: 'zero' }), { code: 'BAD_BUILD' });
    assert.throws(() => demoImageSet('esp1'), { code: 'UNKNOWN_CHIP' });
  });
});

describe('recognising regions', () => {
  const set = demoImageSet('esp32', 'ota', { size: 20000 });
  const table = parsePartitionCsv(PROVISIONING_4MB_CSV);

  it('by content', () => {
    for (const { offset, data, kind } of set.regions) assert.equal(recogniseRegion(offset, data), kind);
    assert.equal(recogniseRegion(0xe000, encodeOtadata({ slot: 1, slots: 2 })), 'otadata');
    assert.equal(recogniseRegion(0xe000, new Uint8Array(0x2000).fill(0xff)), 'data');
    assert.equal(recogniseRegion(0xe000, new Uint8Array(0x2000)), 'data');
    assert.equal(recogniseRegion(0x9000, new Uint8Array(10)), 'data');
  });

  it('by place: a damaged image, or one without descriptor', () => {
    const stump = Uint8Array.of(0xe9, 1, 2, 3);
    assert.equal(recogniseRegion(0x1000, stump), 'bootloader');
    assert.equal(recogniseRegion(0x10000, stump), 'app');
  });

  it('by partition', () => {
    const any = new Uint8Array(16);
    const kinds = [0x9000, 0xf000, 0x10000, 0x12000, 0x20000, 0x21000].map((at) => recogniseRegion(at, any, table));
    assert.deepEqual(kinds, ['nvs', 'nvs-keys', 'otadata', 'data', 'app', 'app']);
    const custom = parsePartitionCsv('x,0x40,1,0x9000,4K');
    assert.equal(recogniseRegion(0x9000, any, custom), 'data');
  });

  it('NVS by its page header', () => {
    const page = new Uint8Array(8192).fill(0xff);
    page.set([0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xfe]);
    assert.equal(recogniseRegion(0x9000, page), 'data');
    new DataView(page.buffer).setUint32(28, espCrc32(page.subarray(4, 28)), true);
    assert.equal(recogniseRegion(0x9000, page), 'nvs');
    assert.equal(recogniseRegion(0x9000, page.subarray(0, 5000)), 'data');
  });
});
