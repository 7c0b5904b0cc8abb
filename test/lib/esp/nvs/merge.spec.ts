import assert from 'node:assert/strict';
import fc from 'fast-check';
import { nodePlatform as platform } from '../../../../lib/esp/node.ts';
import { buildNvs, mergeNvs, type NvsEntry, parseNvs } from '../../../../lib/esp/nvs/index.ts';
import { blank, forge, namespace, STATES, u8 } from './forge.ts';
import { anyEntries, byName, image, keys, testKeys } from './samples.ts';

const wifi: NvsEntry[] = [
  { namespace: 'wifi', key: 'ssid', encoding: 'string', value: 'bench' },
  { namespace: 'wifi', key: 'channel', encoding: 'u8', value: 6 },
];
const certs: NvsEntry[] = [{ namespace: 'certs', key: 'cert', encoding: 'blob', value: Uint8Array.of(1, 2, 3) }];
const size = 0x4000;

describe('merging NVS', () => {
  it('replaces the namespaces that items name and keeps all others', async () => {
    await fc.assert(
      fc.asyncProperty(anyEntries, anyEntries, fc.boolean(), async (old, items, encrypted) => {
        const options = encrypted ? { platform, keys: testKeys() } : { platform };
        const before = await buildNvs(old, { size: 0x80000, ...options });
        const { bytes, changed } = await mergeNvs(before, { items }, options);
        const named = new Set(items.map((item) => item.namespace));
        const wanted = [...old.filter((entry) => !named.has(entry.namespace)), ...items];
        assert.deepEqual(byName((await parseNvs(bytes, options)).entries), byName(wanted));
        assert.equal(bytes.length, before.length);
        const again = await mergeNvs(bytes, { items }, options);
        assert.deepEqual([again.changed, again.bytes === bytes], [false, true]);
        if (!changed) assert.equal(bytes, before);
      }),
      { numRuns: 40 },
    );
  });

  it('does not touch an image that already holds it, whatever its pages look like', async () => {
    const used = forge(
      3,
      { state: STATES.full, sequence: 4, items: [namespace('wifi', 1), u8(1, 'channel', 1)] },
      { sequence: 5, items: [u8(1, 'channel', 6)] },
    );
    const same = await mergeNvs(used, { items: wifi.slice(1) }, { platform });
    assert.deepEqual([same.changed, same.bytes === used], [false, true]);
    const other = await mergeNvs(used, { items: [{ ...wifi[1], value: 7 } as NvsEntry] }, { platform });
    assert.equal(other.changed, true);
  });

  it('tells another type or length from the same value', async () => {
    const before = await buildNvs(wifi, { size, platform });
    for (const value of [
      { encoding: 'u16', value: 6 },
      { encoding: 'u8', value: 7 },
    ] as const) {
      const items = [wifi[0] as NvsEntry, { namespace: 'wifi', key: 'channel', ...value }];
      assert.equal((await mergeNvs(before, { items }, { platform })).changed, true);
    }
    assert.equal((await mergeNvs(before, { items: wifi.slice(1) }, { platform })).changed, true);
  });

  it('empties namespaces, and fills blank images', async () => {
    const before = await buildNvs([...wifi, ...certs], { size, platform });
    const cleared = await mergeNvs(before, { items: [], clears: ['wifi', 'unknown'] }, { platform });
    assert.deepEqual(cleared.bytes, await buildNvs(certs, { size, platform }));
    const nothing = await mergeNvs(before, { items: [], clears: ['unknown'] }, { platform });
    assert.deepEqual([nothing.changed, nothing.bytes === before], [false, true]);
    const filled = await mergeNvs(blank(size), { items: wifi }, { platform });
    assert.deepEqual(filled.bytes, await buildNvs(wifi, { size, platform }));
  });

  it('keeps a namespace in its place', async () => {
    const before = await buildNvs([...wifi, ...certs], { size, platform });
    const items: NvsEntry[] = [{ namespace: 'wifi', key: 'ssid', encoding: 'string', value: 'other' }];
    const { bytes } = await mergeNvs(before, { items }, { platform });
    assert.deepEqual(bytes, await buildNvs([...items, ...certs], { size, platform }));
  });

  it('merges into an encrypted image under its keys', async () => {
    const { bytes } = await mergeNvs(image('encrypted'), { items: wifi }, { platform, keys });
    const { entries } = await parseNvs(bytes, { platform, keys });
    assert.deepEqual(
      entries.map(({ key }) => key),
      ['cert', 'key', 'ca', 'ssid', 'channel'],
    );
  });

  it('refuses what it cannot read, or what does not fit', async () => {
    const merge = (into: Uint8Array, items = wifi, clears: string[] = []) =>
      mergeNvs(into, { items, clears }, { platform });
    await assert.rejects(merge(image('encrypted')), { code: 'NVS_ENCRYPTED' });
    await assert.rejects(merge(blank(0x2000)), { code: 'BAD_NVS_SIZE' });
    await assert.rejects(merge(blank(0x3100)), { code: 'BAD_NVS_SIZE' });
    await assert.rejects(merge(blank(size), [...wifi, ...wifi]), { code: 'NVS_DUPLICATE_KEY' });
    await assert.rejects(merge(blank(size), wifi, ['']), { code: 'BAD_NVS_NAMESPACE' });
    const large: NvsEntry[] = [{ namespace: 'x', key: 'x', encoding: 'blob', value: new Uint8Array(20_000) }];
    await assert.rejects(merge(blank(size), large), { code: 'NVS_TOO_SMALL' });
  });
});
