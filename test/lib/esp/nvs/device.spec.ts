import assert from 'node:assert/strict';
import fc from 'fast-check';
import { nodePlatform as platform } from '../../../../lib/esp/node.ts';
import { buildNvs, mergeNvs, type NvsEntry, parseNvs } from '../../../../lib/esp/nvs/index.ts';
import { apply, Device, lengthOf } from './device.ts';
import { byName } from './samples.ts';

const keysOfDevice = ['a', 'b', 'c', 'd'] as const;

const step = fc.record({
  erase: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
  entry: fc.oneof(
    fc.record({
      namespace: fc.constantFrom('wifi', 'app'),
      key: fc.constantFrom(...keysOfDevice),
      encoding: fc.constant('u32' as const),
      value: fc.nat(1e9),
    }),
    fc.record({
      namespace: fc.constantFrom('wifi', 'app'),
      key: fc.constantFrom(...keysOfDevice.map((key) => `s${key}`)),
      encoding: fc.constant('string' as const),
      value: fc.integer({ min: 0, max: 300 }).map((length) => 'password'.repeat(100).slice(0, length)),
    }),
    fc.record({
      namespace: fc.constantFrom('wifi', 'app'),
      key: fc.constantFrom('blob', 'cert'),
      encoding: fc.constant('blob' as const),
      value: fc.integer({ min: 0, max: 1200 }).map((length) => Uint8Array.from({ length }, (_, i) => i + length)),
    }),
  ),
});

const idOf = (entry: NvsEntry): string => `${entry.namespace}/${entry.key}/${entry.encoding}`;

/** Runs the steps; `check` gets the writes of each, and what was stored before and after it. */
async function live(
  steps: readonly { erase: boolean; entry: NvsEntry }[],
  check: (device: Device, before: Uint8Array, was: NvsEntry[], is: NvsEntry[]) => Promise<void>,
): Promise<Device> {
  const device = new Device(0x4000);
  const stored = new Map<string, NvsEntry>();
  for (const { erase, entry } of steps) {
    const before = device.flash.slice();
    const was = [...stored.values()];
    device.writes = [];
    if (erase) {
      device.erase(entry);
      stored.delete(idOf(entry));
    } else {
      device.set(entry);
      stored.set(idOf(entry), entry);
    }
    await check(device, before, was, [...stored.values()]);
  }
  return device;
}

describe('NVS as a chip writes it at run time', () => {
  it('is read after any run of updates and erasures, pages being freed among them', async () => {
    let freed = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 60, maxLength: 90 }), async (steps) => {
        let last: NvsEntry[] = [];
        const device = await live(steps, async ({ writes }, _before, _was, is) => {
          freed += writes.filter((write) => 'erase' in write).length;
          last = is;
        });
        const content = await parseNvs(device.flash, { platform });
        assert.deepEqual(byName(content.entries), byName(last));
        assert.deepEqual(content.torn, []);
      }),
      { numRuns: 40, seed: 1 },
    );
    assert.ok(freed > 10, `${freed} pages were freed`);
  });

  it('is read after power was lost in any write: what was, or what is, and all the rest', async () => {
    let cuts = 0;
    let torn = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 60, maxLength: 80 }), fc.nat(), async (steps, pick) => {
        await live(steps, async ({ writes }, flash, was, is) => {
          for (const [index, write] of writes.entries()) {
            // Not every cut of every step: one in three, another one in each run.
            if ((index + pick) % 3 === 0) {
              const cut = flash.slice();
              apply(cut, write, [4, 16, lengthOf(write) >> 1][pick % 3]);
              const content = await parseNvs(cut, { platform });
              const now = byName(content.entries);
              cuts++;
              torn += content.torn.length;
              assert.ok(same(now, byName(was)) || same(now, byName(is)), `${index} of ${writes.length} writes`);
            }
            apply(flash, write);
          }
        });
      }),
      { numRuns: 12, seed: 2 },
    );
    assert.ok(cuts > 1000 && torn > 100, `${cuts} cuts, ${torn} torn places`);
  }).timeout(30_000);

  it('keeps the rest when one NVS namespace is replaced', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 60, maxLength: 90 }), async (steps) => {
        let last: NvsEntry[] = [];
        const device = await live(steps, async (_device, _before, _was, is) => {
          last = is;
        });
        const items: NvsEntry[] = [{ namespace: 'app', key: 'new', encoding: 'u8', value: 1 }];
        const { bytes, changed } = await mergeNvs(device.flash, { items }, { platform });
        assert.ok(changed);
        const { entries } = await parseNvs(bytes, { platform });
        const kept = last.filter(({ namespace }) => namespace === 'wifi');
        assert.deepEqual(byName(entries), byName([...kept, ...items]));
        // The image is as compact as one that was never used.
        assert.deepEqual(bytes, await buildNvs(entries, { size: 0x4000, platform }));
      }),
      { numRuns: 20, seed: 3 },
    );
  });
});

function same(a: Map<string, NvsEntry>, b: Map<string, NvsEntry>): boolean {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}
