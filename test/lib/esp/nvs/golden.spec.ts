import assert from 'node:assert/strict';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import {
  buildNvs,
  decodeNvsKeys,
  encodeNvsKeys,
  formatNvsCsv,
  looksLikeNvs,
  parseNvs,
  parseNvsCsv,
  redactNvs,
  sizeOfNvs,
} from '../../../../lib/esp/nvs/index.ts';
import { webPlatform } from '../../../../lib/esp/platform.ts';
import { csv, entriesOf, file, image, keys, SAMPLES, type Sample, SIZES } from './samples.ts';

const withKeys = (sample: Sample) => (sample === 'encrypted' ? { keys } : {});

for (const [name, platform] of [
  ['node', nodePlatform],
  ['web', webPlatform],
] as const) {
  describe(`NVS golden data, ${name} platform`, () => {
    for (const sample of SAMPLES) {
      it(`${sample}: builds the generator's bytes from its CSV`, async () => {
        const built = await buildNvs(await entriesOf(sample), { size: SIZES[sample], platform, ...withKeys(sample) });
        assert.deepEqual(Buffer.from(built), Buffer.from(image(sample)));
      });

      it(`${sample}: reads the generator's bytes`, async () => {
        const content = await parseNvs(image(sample), { platform, ...withKeys(sample) });
        assert.deepEqual(content.entries, await entriesOf(sample));
        assert.deepEqual(content.torn, []);
        assert.equal(content.encrypted, sample === 'encrypted');
        assert.equal(content.usedEntries + content.freeEntries, (SIZES[sample] / 4096) * 126);
      });
    }
  });
}

describe('NVS golden data', () => {
  it('has the values that the CSV says', async () => {
    const { entries } = await parseNvs(image('scalars'), { platform: nodePlatform });
    const value = (key: string) => entries.find((entry) => entry.key === key)?.value;
    assert.equal(value('i8v'), -100);
    assert.equal(value('u32v'), 4_000_000_000);
    assert.equal(value('u64v'), 18_000_000_000_000_000_000n);
    assert.equal(value('i64v'), -9_000_000_000_000_000_000n);
    assert.equal(value('str'), 'hello provisioning bench');
    assert.equal(value('empty'), '');
    assert.deepEqual(value('hexb'), Uint8Array.of(0, 0xff, 0x10, 0xef));
    assert.deepEqual(value('b64b'), Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7));
    assert.equal(entries.find((entry) => entry.namespace === 'other')?.key, 'abcdefghijklmno');
    const blob = (await parseNvs(image('bigblob'), { platform: nodePlatform })).entries[1]?.value;
    assert.deepEqual(blob, file('bigblob', 'blob.bin'));
  });

  it('says how each page stands', async () => {
    const { pages } = await parseNvs(image('bigblob'), { platform: nodePlatform });
    const empty = { state: 'empty', sequence: null, used: 0, erased: 0, free: 126 };
    assert.deepEqual(pages, [
      { state: 'full', sequence: 0, used: 126, erased: 0, free: 0 },
      { state: 'full', sequence: 1, used: 126, erased: 0, free: 0 },
      { state: 'active', sequence: 2, used: 68, erased: 0, free: 58 },
      ...Array.from({ length: 5 }, () => empty),
    ]);
  });

  it('counts the pages that are needed', async () => {
    assert.deepEqual(sizeOfNvs(await entriesOf('bigblob')), { pages: 3, bytes: 0x4000 });
    assert.deepEqual(sizeOfNvs(await entriesOf('scalars')), { pages: 1, bytes: 0x3000 });
    assert.deepEqual(sizeOfNvs([]), { pages: 1, bytes: 0x3000 });
  });

  it("nvs_keys: reads and writes the generator's partition", () => {
    const partition = file('encrypted', 'nvs_keys.bin');
    assert.deepEqual(encodeNvsKeys(decodeNvsKeys(partition)), partition);
  });

  it('CSV: formatted and read again it is the same', async () => {
    for (const sample of SAMPLES) {
      const entries = await entriesOf(sample);
      const again = await parseNvsCsv(formatNvsCsv(entries), () => assert.fail('no file is named'));
      assert.deepEqual(again, entries);
    }
    assert.equal(formatNvsCsv(await entriesOf('boundary')), csv('boundary').replaceAll('\r\n', '\n'));
  });

  it('knows its images from others', () => {
    for (const sample of SAMPLES) assert.ok(looksLikeNvs(image(sample)), sample);
    assert.ok(!looksLikeNvs(file('encrypted', 'nvs_keys.bin')));
    assert.ok(!looksLikeNvs(new Uint8Array(0x3000).fill(0xff)));
    assert.ok(!looksLikeNvs(new Uint8Array(0x3000)));
    assert.ok(!looksLikeNvs(new Uint8Array(0)));
    assert.ok(!looksLikeNvs(image('scalars').subarray(0, 5000)));
  });

  it('lists without a value', async () => {
    const content = await parseNvs(image('identity'), { platform: nodePlatform });
    assert.deepEqual(redactNvs(content), [
      { namespace: 'scadable_certs', key: 'cert', encoding: 'blob', bytes: 473 },
      { namespace: 'scadable_certs', key: 'key', encoding: 'blob', bytes: 241 },
      { namespace: 'scadable_certs', key: 'ca', encoding: 'blob', bytes: 1182 },
    ]);
    const scalars = redactNvs(await parseNvs(image('scalars'), { platform: nodePlatform }));
    assert.deepEqual(
      scalars.map(({ bytes }) => bytes),
      [1, 1, 2, 2, 4, 4, 8, 8, 24, 0, 4, 8, 1],
    );
  });
});
