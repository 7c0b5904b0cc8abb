import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Device, Registry } from '../../../lib/registry/index.ts';
import { SQL } from '../../../lib/registry/sql/statements.ts';
import { Database } from '../../../lib/registry/sqlite/database.ts';
import { MOST_HINTS, RowHints } from '../../../lib/registry/sqlite/hints.ts';
import { one } from '../../../lib/registry/work.ts';
import { MAC, NAMESPACE, Place } from './support.ts';

const macOf = (n: number): string => n.toString(16).padStart(12, '0');

describe('hints of where the rows of devices lie', () => {
  let place: Place;
  beforeEach(() => {
    place = new Place();
  });
  afterEach(() => place.done());

  it('keep what they are told, take the newest word, and forget everything at once', () => {
    const hints = new RowHints();
    for (let n = 1; n <= 50_000; n++) hints.put(NAMESPACE, macOf(n), n);
    let kept = 0;
    for (let n = 1; n <= 50_000; n++) if (hints.find(NAMESPACE, macOf(n)) === n) kept++;
    assert.ok(kept > 49_000, `${kept} of 50000`);
    assert.equal(hints.find('another', macOf(7)) === 7, false);
    hints.put(NAMESPACE, macOf(7), 70);
    assert.equal(hints.find(NAMESPACE, macOf(7)), 70);
    hints.put(NAMESPACE, macOf(8), 2 ** 32);
    assert.equal(hints.find(NAMESPACE, macOf(8)), 8);
    hints.clear();
    assert.equal(hints.find(NAMESPACE, macOf(7)), 0);
  });

  it('take 8 bytes a slot, 16 to 32 a device, and no more than they are given', () => {
    assert.equal(MOST_HINTS * 8, 64 * 1024 * 1024);
    for (const count of [10_000, 100_000, 1_000_000]) {
      const hints = new RowHints();
      hints.reserve(count);
      const each = hints.bytes / count;
      assert.ok(each >= 16 && each <= 32, `${each} bytes a device`);
    }
    const small = new RowHints(1024);
    for (let n = 1; n <= 20_000; n++) small.put(NAMESPACE, macOf(n), n);
    assert.equal(small.bytes, 8192);
    assert.equal(small.find(NAMESPACE, macOf(20_000)), 20_000);
  });

  it('are only hints: planted wrong ones give the right answers', async () => {
    const registry = await place.filled();
    for (let n = 1; n <= 20; n++) await registry.addDevice({ namespace: NAMESPACE, mac: macOf(n) });
    await registry.close();
    class Liar extends RowHints {
      asked = 0;
      override find(): number {
        return 1 + (this.asked++ % 25);
      }
    }
    const liar = new Liar();
    const database = new Database(place.path(), { journal: 'wal', hints: liar });
    try {
      const find = (namespace: string, mac: string) => database.run(one(SQL.deviceByMac, namespace, mac));
      for (let round = 0; round < 3; round++) {
        for (let n = 1; n <= 20; n++) assert.equal(find(NAMESPACE, macOf(n))?.mac, macOf(n));
        assert.equal(find(NAMESPACE, macOf(21)), undefined);
        assert.equal(find('another', macOf(3)), undefined);
      }
      assert.ok(liar.asked > 60);
    } finally {
      database.close();
    }
  });

  it('are loaded a few at a time, also where namespaces share a MAC', async () => {
    const registry = await place.filled();
    const others = Array.from({ length: 7 }, (_, i) => `other-${i}`);
    for (const name of others) await registry.putNamespace({ name, settings: {} });
    for (const namespace of others) await registry.addDevice({ namespace, mac: MAC });
    for (let n = 1; n <= 5; n++) await registry.addDevice({ namespace: NAMESPACE, mac: macOf(n) });
    await registry.addDevice({ namespace: NAMESPACE, name: 'without a MAC' });
    await registry.close();
    const hints = new RowHints();
    const database = new Database(place.path(), { journal: 'wal', hints });
    try {
      const turns = Array.from({ length: 5 }, () => database.loadHints(3));
      assert.deepEqual(turns, [true, true, true, true, false]);
      for (const namespace of others) assert.notEqual(hints.find(namespace, MAC), 0);
      for (let n = 1; n <= 5; n++) assert.notEqual(hints.find(NAMESPACE, macOf(n)), 0);
      const [plan] = database.rows(
        `EXPLAIN QUERY PLAN SELECT rowid FROM devices WHERE mac >= '' AND (mac, namespace) > ('', '')
         ORDER BY mac, namespace`,
      );
      assert.match(String(plan?.detail), /COVERING INDEX devices_mac/);
    } finally {
      database.close();
    }
  });

  it('never change what a lookup finds: against a model, with everything that moves a device', async () => {
    const names = [NAMESPACE, 'other'];
    const at = fc.record({ namespace: fc.constantFrom(...names), mac: fc.integer({ min: 1, max: 8 }).map(macOf) });
    const step = fc.oneof(
      fc.record({ do: fc.constant('add' as const), at }),
      fc.record({ do: fc.constant('move' as const), at, to: fc.integer({ min: 1, max: 8 }).map(macOf) }),
      fc.record({ do: fc.constant('remove' as const), at }),
      fc.record({ do: fc.constant('import' as const), at }),
      fc.record({ do: fc.constant('reopen' as const) }),
      fc.record({ do: fc.constant('backup' as const) }),
      fc.record({ do: fc.constant('restore' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        await place.done();
        place = new Place();
        let registry: Registry = await place.filled();
        await registry.putNamespace({ name: 'other', settings: {} });
        /** Ids by namespace and MAC. */
        let model = new Map<string, string>();
        let saved: { file: string; model: Map<string, string>; gone: Set<string> } | undefined;
        const keyOf = ({ namespace, mac }: { namespace: string; mac: string }): string => `${namespace} ${mac}`;
        const look = async (): Promise<void> => {
          const asked = names.flatMap((namespace) =>
            Array.from({ length: 8 }, (_, i) => ({ namespace, mac: macOf(i + 1) })),
          );
          const found: (Device | undefined)[] = await Promise.all(asked.map((key) => registry.device(key)));
          for (const [i, key] of asked.entries()) assert.equal(found[i]?.id, model.get(keyOf(key)), keyOf(key));
        };
        for (const [n, one] of steps.entries()) {
          if (one.do === 'add' || one.do === 'import') {
            const add = one.do === 'add' ? registry.addDevice(one.at) : registry.importDevices([{ ...one.at }]);
            await add.catch(() => undefined);
            const id = (await registry.devices({ namespace: one.at.namespace }, { limit: 500 })).items.find(
              ({ mac }) => mac === one.at.mac,
            )?.id;
            if (!model.has(keyOf(one.at))) model.set(keyOf(one.at), id ?? 'not added');
          } else if (one.do === 'move') {
            const id = model.get(keyOf(one.at));
            const to = keyOf({ ...one.at, mac: one.to });
            if (id !== undefined && !model.has(to)) {
              await registry.updateDevice(id, { mac: one.to });
              model.delete(keyOf(one.at));
              model.set(to, id);
            }
          } else if (one.do === 'remove') {
            const id = model.get(keyOf(one.at));
            if (id !== undefined) {
              await registry.removeDevice(id);
              model.delete(keyOf(one.at));
              saved?.gone.add(id);
            }
          } else if (one.do === 'reopen') {
            await registry.close();
            registry = await place.open();
          } else if (one.do === 'backup') {
            saved = { file: place.path(`backup-${n}`), model: new Map(model), gone: new Set() };
            await registry.backup(saved.file);
          } else if (saved !== undefined) {
            await registry.restore(saved.file);
            const { gone } = saved;
            model = new Map([...saved.model].filter(([, id]) => !gone.has(id)));
          }
          await look();
        }
      }),
      { numRuns: Number(process.env.KEYWAY_FUZZ ?? 6) },
    );
  });
});
