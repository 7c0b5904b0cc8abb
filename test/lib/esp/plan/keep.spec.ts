import assert from 'node:assert/strict';
import { decodePartitionTable, encodePartitionTable } from '../../../../lib/esp/formats/partition-binary.ts';
import { parsePartitionCsv } from '../../../../lib/esp/formats/partition-csv.ts';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import {
  checkPlan,
  checkPlanAgainstTable,
  type PlanOptions,
  placePlan,
  planFlash,
  planNeedsTable,
} from '../../../../lib/esp/plan/index.ts';
import type { ImageSet } from '../../../../lib/esp/types.ts';
import { refused } from '../session/refused.ts';
import { app, bytes, imageSet, region, TABLE_CSV, tableBytes, wholeSet } from './sets.ts';

const table = decodePartitionTable(tableBytes);
const plan = (set: ImageSet, options: Partial<PlanOptions>) => planFlash(set, { platform: nodePlatform, ...options });
const later = <T>(work: () => T): Promise<T> => Promise.resolve().then(work);

describe('what a plan keeps', () => {
  it('is listed, and asked of the table', async () => {
    const made = await plan(wholeSet(), { keep: ['phy_init', 'ota_1', 'phy_init'] });
    assert.deepEqual(made.keep, ['phy_init', 'ota_1']);
    assert.deepEqual(
      made.keeps.map(({ name }) => name),
      ['phy_init', 'ota_0', 'ota_1'],
    );
    checkPlan(made);
    assert.deepEqual(checkPlanAgainstTable(made, table), []);
  });

  it('is not written', async () => {
    const error = await refused('KEEPS_TOUCHED', plan(wholeSet(), { keep: ['nvs'] }));
    assert.match(error.message, /"nvs".*writes "nvs\.bin"/);
    await refused('KEEPS_TOUCHED', plan(wholeSet(), { keep: ['nvs'], force: ['NOT_IN_TABLE'] }));
  });

  it('is not erased, not even at its edge', async () => {
    const erase = [{ offset: 0x11000, size: 0x2000, name: 'rest' }];
    const error = await refused('KEEPS_TOUCHED', plan(wholeSet(), { keep: ['phy_init'], erase }));
    assert.match(error.message, /erases "rest"/);
  });

  it('is not merged into', async () => {
    const recipe = { mode: 'merge', items: [], encryption: { scheme: 'none' } } as const;
    const nvs = [{ partition: 'nvs', recipe }];
    await refused(
      'KEEPS_TOUCHED',
      plan(imageSet([region(0x8000, tableBytes, 't', 'partition-table')]), { nvs, keep: ['nvs'] }),
    );
    const late = await plan(imageSet([]), { nvs, keep: ['nvs'] });
    await refused(
      'KEEPS_TOUCHED',
      later(() => placePlan(late, table)),
    );
  });

  it('must be in the table', async () => {
    const error = await refused('NO_SUCH_PARTITION', plan(wholeSet(), { keep: ['storage'] }));
    assert.match(`${error.message} ${error.hint}`, /"storage".*ota_1/);
  });

  it('is found on the chip where the set brings no table', async () => {
    const made = await plan(imageSet([region(0x20000, app, 'app.bin', 'app')]), { keep: ['nvs'] });
    assert.deepEqual([made.keeps, made.keep], [[], ['nvs']]);
    assert.deepEqual(checkPlanAgainstTable(placePlan(made, table), table), []);
    const bad = await plan(imageSet([region(0x9000, bytes(9), 'cfg.bin')]), { keep: ['nvs'] });
    await refused(
      'KEEPS_TOUCHED',
      later(() => placePlan(bad, table)),
    );
    await refused(
      'KEEPS_TOUCHED',
      later(() => checkPlanAgainstTable(bad, table)),
    );
    await refused(
      'TABLE_MISSING',
      later(() => checkPlanAgainstTable(made, null)),
    );
  });

  it('is kept by the table that the plan was made with, where the chip shows none', async () => {
    const made = await plan(imageSet([region(0x20000, app, 'app.bin', 'app')]), { keep: ['nvs'], table });
    assert.deepEqual(
      checkPlanAgainstTable(placePlan(made, null), null).map(({ code }) => code),
      ['NO_TABLE_ON_CHIP'],
    );
  });

  it('must not be moved by a new table', async () => {
    const moved = parsePartitionCsv(TABLE_CSV.replace('0x11000,  0x1000', '0x12000,  0x1000'));
    const set = imageSet([region(0x8000, encodePartitionTable(moved), 't', 'partition-table')]);
    const made = await plan(set, { keep: ['phy_init', 'ota_0'] });
    const error = await refused(
      'KEEPS_TOUCHED',
      later(() => checkPlanAgainstTable(made, table)),
    );
    assert.match(error.message, /"phy_init".*0x11000 to 0x12000.*0x12000 to 0x13000/);
    assert.deepEqual(checkPlanAgainstTable(await plan(set, { keep: ['ota_0'] }), table), []);
    assert.deepEqual(checkPlanAgainstTable(made, null), []);
  });

  it('must not be cut short by a new table', async () => {
    const shorter = parsePartitionCsv(TABLE_CSV.replace('0x9000,   0x6000', '0x9000,   0x5000'));
    const set = imageSet([region(0x8000, encodePartitionTable(shorter), 't', 'partition-table')]);
    const made = await plan(set, { keep: ['nvs'] });
    const error = await refused(
      'KEEPS_TOUCHED',
      later(() => checkPlanAgainstTable(made, table)),
    );
    assert.match(error.message, /"nvs".*0x9000 to 0xf000.*0x9000 to 0xe000/);
  });

  for (const [what, rows, met] of [
    ['moved', 'nvs, data, nvs, 0x10000, 0x6000', /merges into "nvs".*0x9000 to 0xf000.*0x10000 to 0x16000/],
    ['cut short', 'nvs, data, nvs, 0x9000, 0x5000', /merges into "nvs".*0x9000 to 0xe000/],
    ['made larger', 'nvs, data, nvs, 0x9000, 0x7000', null],
    ['left alone', 'nvs, data, nvs, 0x9000, 0x6000', null],
    ['called otherwise', 'nvs, data, nvs, 0x9000, 0x6000', null],
  ] as const) {
    it(`counts NVS that is merged, where a new table has it ${what}`, async () => {
      const label = what === 'called otherwise' ? 'nvs2' : 'nvs';
      const own = encodePartitionTable(parsePartitionCsv(`${rows.replace('nvs,', `${label},`)}\n`));
      const set = imageSet([region(0x8000, own, 't', 'partition-table')]);
      const recipe = { items: [], clears: ['old'], encryption: { scheme: 'none' } } as const;
      const merged = await plan(set, { nvs: [{ partition: label, recipe: { ...recipe, mode: 'merge' } }] });
      assert.equal(planNeedsTable(merged), true);
      const check = later(() => checkPlanAgainstTable(merged, table));
      if (met === null) assert.deepEqual(await check, []);
      else assert.match((await refused('KEEPS_TOUCHED', check)).message, met);
      const replaced = await plan(set, { nvs: [{ partition: label, recipe: { ...recipe, mode: 'replace' } }] });
      assert.equal(planNeedsTable(replaced), false);
      assert.deepEqual(checkPlanAgainstTable(replaced, table), []);
    });
  }

  it('is looked at again in a plan that comes back', async () => {
    const made = await plan(wholeSet(), {});
    const steps = [
      ...made.steps,
      { action: 'erase', offset: 0x11000, size: 0x1000, name: 'x', kind: 'erase' } as const,
    ];
    await refused(
      'KEEPS_TOUCHED',
      later(() => checkPlan({ ...made, steps })),
    );
  });
});
