import assert from 'node:assert/strict';
import { decodePartitionTable, encodePartitionTable } from '../../../../lib/esp/formats/partition-binary.ts';
import { parsePartitionCsv } from '../../../../lib/esp/formats/partition-csv.ts';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import type { NvsRecipe } from '../../../../lib/esp/nvs/types.ts';
import {
  checkPlan,
  checkPlanAgainstTable,
  describePlan,
  type PlanOptions,
  placePlan,
  planFlash,
  planNeedsTable,
} from '../../../../lib/esp/plan/index.ts';
import type { FlashPlan, ImageSet } from '../../../../lib/esp/types.ts';
import { refused } from '../session/refused.ts';
import { app, bytes, imageSet, region, TABLE_CSV, tableBytes, wholeSet } from './sets.ts';

const item = { namespace: 'wifi', key: 'ssid', encoding: 'string', value: 'bench' } as const;
const recipe = (more: Partial<NvsRecipe> = {}): NvsRecipe => ({
  mode: 'merge',
  items: [item],
  encryption: { scheme: 'none' },
  ...more,
});
const encrypted = recipe({ mode: 'replace', encryption: { scheme: 'nvs_keys' } });
const table = decodePartitionTable(tableBytes);
const keysTable = parsePartitionCsv(`${TABLE_CSV}nvs_keys, data, nvs_keys, 0x12000, 0x1000, encrypted\n`);
const plan = (set: ImageSet, options: Partial<PlanOptions> = {}): Promise<FlashPlan> =>
  planFlash(set, { platform: nodePlatform, ...options });
const later = <T>(work: () => T): Promise<T> => Promise.resolve().then(work);
const withoutNvs = () =>
  imageSet(
    wholeSet().regions.filter(({ kind }) => kind !== 'nvs'),
    { chip: 'esp32c3' },
  );
const lines = ({ steps }: FlashPlan) => steps.map(({ action, kind, offset, size }) => [action, kind, offset, size]);

describe('NVS in a plan', () => {
  it('is placed by the table of the set, made before the table is written, and counted', async () => {
    const made = await plan(withoutNvs(), { nvs: [{ partition: 'nvs', recipe: recipe() }] });
    const step = made.steps.find(({ kind }) => kind === 'nvs');
    assert.deepEqual(step, { action: 'write', offset: 0x9000, size: 0x6000, name: 'nvs', kind: 'nvs', nvs: recipe() });
    assert.deepEqual(
      made.steps.map(({ kind }) => kind),
      ['erase', 'nvs', 'partition-table', 'app', 'bootloader'],
    );
    assert.equal(made.bytes, 0x6000 + made.steps.reduce((sum, { data }) => sum + (data?.length ?? 0), 0));
    assert.equal(made.unplaced, undefined);
    assert.equal(planNeedsTable(made), true, 'what it is merged with must lie there on the chip, too');
    checkPlan(made);
  });

  it('with a keys partition: the keys first, and only one of them', async () => {
    const nvs = [
      { partition: 'nvs', recipe: encrypted },
      { partition: 'more', recipe: encrypted, offset: 0x300000, size: 0x3000 },
    ];
    const made = await plan(imageSet([]), { nvs, table: keysTable, force: ['NOT_IN_TABLE'] });
    assert.deepEqual(lines(made), [
      ['write', 'nvs-keys', 0x12000, 0x1000],
      ['write', 'nvs', 0x9000, 0x6000],
      ['write', 'nvs', 0x300000, 0x3000],
    ]);
    checkPlan(made);
  });

  it('waits for the table on the chip, and is placed by it', async () => {
    const made = await plan(imageSet([]), { nvs: [{ partition: 'nvs', recipe: encrypted }] });
    assert.deepEqual([made.steps, made.bytes], [[], 0]);
    assert.deepEqual(made.unplaced, [{ partition: 'nvs', nvs: encrypted }]);
    assert.equal(planNeedsTable(made), true);
    checkPlan(made);
    const placed = placePlan(made, keysTable);
    assert.deepEqual(lines(placed), [
      ['write', 'nvs-keys', 0x12000, 0x1000],
      ['write', 'nvs', 0x9000, 0x6000],
    ]);
    assert.equal(placed.unplaced, undefined);
    assert.equal(placed.bytes, 0x7000);
    assert.deepEqual(
      placed.keeps.map(({ name }) => name),
      ['otadata', 'phy_init', 'factory', 'ota_0', 'ota_1'],
    );
    checkPlan(placed);
  });

  it('given with its place, needs no table but for its keys', async () => {
    const place = { partition: 'nvs', offset: 0x9000, size: 0x6000 };
    const plain = await plan(imageSet([]), { nvs: [{ ...place, recipe: recipe() }] });
    assert.deepEqual(lines(placePlan(plain, null)), [['write', 'nvs', 0x9000, 0x6000]]);
    const keyed = await plan(imageSet([]), { nvs: [{ ...place, recipe: encrypted }] });
    await refused(
      'TABLE_MISSING',
      Promise.resolve().then(() => placePlan(keyed, null)),
    );
    assert.equal(placePlan(keyed, keysTable).steps.length, 2);
  });

  it('is left out of what is erased, also where it is placed late', async () => {
    const erase = [{ offset: 0x8000, size: 0x9000, name: 'everything' }];
    const made = await plan(imageSet([]), { nvs: [{ partition: 'nvs', recipe: recipe() }], erase });
    assert.deepEqual(lines(placePlan(made, table)), [
      ['erase', 'erase', 0xf000, 0x2000],
      ['erase', 'erase', 0x8000, 0x1000],
      ['write', 'nvs', 0x9000, 0x6000],
    ]);
  });

  it('is shown without its values', async () => {
    const secret = { namespace: 'a', key: 'b', encoding: 'blob', handle: 'handle-1' } as const;
    const nvs = [{ partition: 'nvs', recipe: recipe({ items: [item, secret] }) }];
    for (const made of [await plan(withoutNvs(), { nvs }), await plan(imageSet([]), { nvs })]) {
      const text = JSON.stringify(describePlan(made));
      assert.ok(!text.includes('bench') && text.includes('ssid') && text.includes('handle-1'), text);
      await refused(
        'PLAN_WITHOUT_BYTES',
        Promise.resolve().then(() => checkPlan(describePlan(made))),
      );
    }
  });

  describe('refuses', () => {
    const no = (code: string, set: ImageSet, options: Partial<PlanOptions>) => refused(code, plan(set, options));
    it('a partition that the table does not have', async () => {
      const error = await no('NO_SUCH_PARTITION', withoutNvs(), { nvs: [{ partition: 'nvs2', recipe: recipe() }] });
      assert.match(`${error.message} ${error.hint}`, /"nvs2".*nvs\./);
      const late = await plan(imageSet([]), { nvs: [{ partition: 'nvs2', recipe: recipe() }] });
      await refused(
        'NO_SUCH_PARTITION',
        Promise.resolve().then(() => placePlan(late, table)),
      );
    });
    it('a partition that is not for NVS', () =>
      no('NOT_IN_TABLE', withoutNvs(), { nvs: [{ partition: 'phy_init', recipe: recipe() }] }));
    it('a place that is not the one in the table', () =>
      no('NOT_IN_TABLE', withoutNvs(), {
        nvs: [{ partition: 'nvs', recipe: recipe(), offset: 0x9000, size: 0x3000 }],
      }));
    it('keys without a partition for them', () =>
      no('NO_SUCH_PARTITION', withoutNvs(), { nvs: [{ partition: 'nvs', recipe: encrypted }] }));
    it('different keys for two partitions, also in a plan that comes back', async () => {
      const keyed = (handle?: string) =>
        recipe({ mode: 'replace', encryption: { scheme: 'nvs_keys', ...(handle === undefined ? {} : { handle }) } });
      const wishes = (...handles: (string | undefined)[]) =>
        handles.map((handle, i) => ({ partition: `nvs${i}`, recipe: keyed(handle) }));
      await no('NVS_KEYS_DIFFER', imageSet([]), { nvs: wishes('a', 'b') });
      await no('NVS_KEYS_DIFFER', imageSet([]), { nvs: wishes('a', undefined) });
      const same = await plan(imageSet([]), { nvs: wishes('a', 'a') });
      const unplaced = [...(same.unplaced ?? []), { partition: 'nvs9', nvs: keyed('c') }];
      await refused(
        'NVS_KEYS_DIFFER',
        later(() => checkPlan({ ...same, unplaced })),
      );
    });
    it('the same partition twice, also before the table is known', async () => {
      const nvs = [recipe(), recipe()].map((one) => ({ partition: 'nvs', recipe: one }));
      await no('OVERLAP', withoutNvs(), { nvs });
      await no('OVERLAP', imageSet([]), { nvs });
    });
    it('an image and a recipe for one partition', async () => {
      const nvs = [{ partition: 'nvs', recipe: recipe() }];
      const error = await no('OVERLAP', wholeSet(), { nvs });
      assert.match(error.message, /nvs\.bin/);
      const late = await plan(imageSet([region(0x9000, bytes(10), 'nvs.bin', 'nvs')]), { nvs });
      await refused(
        'OVERLAP',
        Promise.resolve().then(() => placePlan(late, table)),
      );
    });
    it('a size that is no multiple of 4096', () =>
      no('BAD_SIZE', imageSet([]), { nvs: [{ partition: 'nvs', recipe: recipe(), offset: 0x9000, size: 5000 }] }));
    it('an offset without a size', () =>
      no('BAD_SIZE', imageSet([]), { nvs: [{ partition: 'nvs', recipe: recipe(), offset: 0x9000 }] }));
    it('a size without an offset', () =>
      no('BAD_OFFSET', imageSet([]), { nvs: [{ partition: 'nvs', recipe: recipe(), size: 0x3000 }] }));
    for (const [code, change] of [
      ['BAD_NVS_ENCODING', { encoding: 'float' }],
      ['BAD_NVS_KEY', { key: 'sixteen-bytes-16' }],
      ['BAD_NVS_NAMESPACE', { namespace: '' }],
      ['BAD_NVS_VALUE', { value: 256 }],
      ['NVS_STRING_TOO_LONG', { encoding: 'string', value: 'x'.repeat(4000) }],
      ['NVS_BLOB_TOO_LARGE', { encoding: 'blob', value: bytes(508_001) }],
    ] as const) {
      it(`an entry that NVS cannot hold: ${code}`, async () => {
        const item = { namespace: 'a', key: 'b', encoding: 'u8', value: 1, ...change } as NvsRecipe['items'][number];
        const nvs = [{ partition: 'nvs', recipe: recipe({ items: [item] }) }];
        assert.ok((await no(code, imageSet([]), { nvs })).detail?.field);
        await no(code, withoutNvs(), { nvs });
      });
    }
    it('a partition without a label', () =>
      no('BAD_PLAN', imageSet([]), { nvs: [{ partition: '', recipe: recipe() }] }));
    it('more than the flash holds', () =>
      no('BEYOND_FLASH', imageSet([]), {
        nvs: [{ partition: 'nvs', recipe: recipe(), offset: 0x200000, size: 0x3000 }],
        flashSize: 0x200000,
      }));
    describe('a partition that the table flags as encrypted', () => {
      const flagged = table.map((entry) => ({ ...entry, encrypted: entry.label === 'nvs' }));
      const wish = { nvs: [{ partition: 'nvs', recipe: recipe() }] };
      const force = ['NVS_WRONG_ENCRYPTION'];
      const codes = ({ notes }: Pick<FlashPlan, 'notes'>) => notes.map(({ code }) => code);

      it('by the table of the set', async () => {
        const own = imageSet([region(0x8000, encodePartitionTable(flagged), 'table.bin', 'partition-table')]);
        const error = await no('NVS_WRONG_ENCRYPTION', own, wish);
        assert.match(`${error.message} ${error.hint}`, /"nvs".*flag off/);
        assert.deepEqual(codes(await plan(own, { ...wish, force })), force);
      });
      it('by the table that was read before, also with its place', async () => {
        const placed = { nvs: [{ ...wish.nvs[0], partition: 'nvs', recipe: recipe(), offset: 0x9000, size: 0x6000 }] };
        for (const one of [wish, placed]) {
          await no('NVS_WRONG_ENCRYPTION', imageSet([]), { ...one, table: flagged });
          assert.deepEqual(codes(await plan(imageSet([]), { ...one, table: flagged, force })), force);
        }
      });
      it('by the table on the chip, whether the plan waits for it or not', async () => {
        const late = await plan(imageSet([]), wish);
        await refused(
          'NVS_WRONG_ENCRYPTION',
          Promise.resolve().then(() => placePlan(late, flagged)),
        );
        assert.deepEqual(codes(placePlan(late, flagged, force)), force);
        const early = await plan(imageSet([]), { ...wish, table });
        await refused(
          'NVS_WRONG_ENCRYPTION',
          Promise.resolve().then(() => checkPlanAgainstTable(early, flagged)),
        );
      });
      it('for an image of NVS too, and not for other data beside it', async () => {
        const image = imageSet([region(0x9000, bytes(0x6000), 'nvs.bin', 'nvs')]);
        await no('NVS_WRONG_ENCRYPTION', image, { table: flagged });
        const beside = imageSet([region(0x11000, bytes(0x1000), 'phy.bin')]);
        assert.deepEqual(codes(await plan(beside, { table: flagged })), []);
      });
    });
    it('a place in no table at all', async () => {
      const late = await plan(imageSet([]), { nvs: [{ partition: 'nvs', recipe: recipe() }] });
      const error = await refused(
        'TABLE_MISSING',
        Promise.resolve().then(() => placePlan(late, null)),
      );
      assert.match(error.message, /"nvs"/);
    });
    const [row] = table;
    for (const [field, odd] of [
      ['table', 'nvs'],
      ['table[0]', [null]],
      ['table[0].label', [{ ...row, label: 7 }]],
      ['table[0].offset', [{ ...row, offset: '0x9000' }]],
      ['table[0].encrypted', [{ ...row, encrypted: undefined }]],
    ] as const) {
      it(`a table that is none: ${field}`, async () => {
        const wrong = odd as unknown as typeof table;
        const error = await no('BAD_PLAN', imageSet([region(0x20000, app, 'app', 'app')]), { table: wrong });
        assert.equal(error.detail?.field, field);
      });
    }
    it('a table that breaks a rule', () =>
      no('BAD_PARTITION_TABLE', imageSet([region(0x20000, app, 'app', 'app')]), { table: [] }));
  });
});

describe('a plan and the table on the chip', () => {
  const other = parsePartitionCsv('nvs, data, nvs, 0x9000, 0x4000\nfactory, app, factory, 0x10000, 0x8000\n');
  const asked = (made: FlashPlan, onChip: typeof table | null, force: string[] = []) =>
    Promise.resolve().then(() => checkPlanAgainstTable(made, onChip, force));

  it('is asked for where a plan brings none of its own and writes what a table has a place for', async () => {
    assert.equal(planNeedsTable(await plan(wholeSet())), false);
    assert.equal(planNeedsTable(await plan(imageSet([region(0, bytes(9), 'b', 'bootloader')]))), false);
    assert.equal(planNeedsTable(await plan(imageSet([region(0x20000, app, 'a', 'app')]))), true);
    assert.equal(planNeedsTable(await plan(imageSet([region(0x9000, bytes(9), 'd')]))), true);
    const erase = [{ offset: 0x9000, size: 0x1000, name: 'e' }];
    assert.equal(planNeedsTable(await plan(imageSet([], { erase }))), false);
    assert.equal(planNeedsTable(await plan(imageSet([], { erase }), { keep: ['nvs'] })), true);
    assert.equal(planNeedsTable(await plan(wholeSet(), { keep: ['phy_init'] })), true);
  });

  const cases: [string, string, ImageSet][] = [
    ['an app where the chip has none', 'NOT_IN_TABLE', imageSet([region(0x20000, app, 'app.bin', 'app')])],
    ['data where the chip has none', 'NOT_IN_TABLE', imageSet([region(0xd000, bytes(9), 'cfg.bin')])],
    ['an app longer than its partition', 'DOES_NOT_FIT', imageSet([region(0x10000, app, 'app.bin', 'app')])],
    ['data longer than its partition', 'DOES_NOT_FIT', imageSet([region(0x9000, bytes(0x4001), 'cfg.bin')])],
    ['keys where the chip has none', 'NOT_IN_TABLE', imageSet([region(0x9000, bytes(64), 'k.bin', 'nvs-keys')])],
  ];
  for (const [what, code, set] of cases) {
    it(`${code}: ${what}; overridden by its name alone`, async () => {
      const made = await plan(set);
      const error = await refused(code, asked(made, other));
      assert.match(error.message, /\.bin/);
      await refused(
        code,
        asked(made, other, ['WRONG_CHIP', code === 'DOES_NOT_FIT' ? 'NOT_IN_TABLE' : 'DOES_NOT_FIT']),
      );
      assert.deepEqual(
        (await asked(made, other, [code])).map((note) => note.code),
        [code],
      );
    });
  }

  it('NVS placed by a table that was read from another board is refused', async () => {
    const made = await plan(imageSet([]), { nvs: [{ partition: 'nvs', recipe: recipe() }], table });
    assert.equal(made.unplaced, undefined);
    assert.equal(planNeedsTable(made), true);
    assert.deepEqual(await asked(made, table), []);
    const error = await refused('NOT_IN_TABLE', asked(placePlan(made, other), other));
    assert.match(error.message, /0x9000 to 0xf000.*0x9000 to 0xd000/);
  });

  it('says where there was none to hold it against', async () => {
    const made = await plan(imageSet([region(0x20000, app, 'app.bin', 'app')]));
    assert.deepEqual(
      (await asked(made, null)).map(({ code }) => code),
      ['NO_TABLE_ON_CHIP'],
    );
    assert.deepEqual(await asked(await plan(wholeSet()), null), []);
    const boot = await plan(imageSet([region(0, bytes(9), 'b', 'bootloader')]));
    assert.deepEqual(await asked(boot, null), []);
  });

  it('a plan that brings its table is not held against the old one', async () => {
    assert.deepEqual(await asked(await plan(wholeSet()), other), []);
  });
});
