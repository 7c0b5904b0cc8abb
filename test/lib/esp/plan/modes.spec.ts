import assert from 'node:assert/strict';
import { chooseBootSlot, decodeOtadata } from '../../../../lib/esp/formats/otadata.ts';
import { encodePartitionTable } from '../../../../lib/esp/formats/partition-binary.ts';
import { parsePartitionCsv } from '../../../../lib/esp/formats/partition-csv.ts';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import { checkPlan, type PlanOptions, planFlash } from '../../../../lib/esp/plan/index.ts';
import type { ImageSet } from '../../../../lib/esp/types.ts';
import { refused } from '../session/refused.ts';
import { app, bootloader, bytes, imageSet, region, TABLE_CSV, wholeSet } from './sets.ts';

const plan = (set: ImageSet, options: Partial<PlanOptions>) => planFlash(set, { platform: nodePlatform, ...options });

function setWith(csv: string): { set: ImageSet; table: ReturnType<typeof parsePartitionCsv> } {
  const table = parsePartitionCsv(csv);
  const regions = [
    region(0, bootloader, 'bootloader.bin', 'bootloader'),
    region(0x8000, encodePartitionTable(table), 'table.bin', 'partition-table'),
    region(0x10000, app, 'app.bin', 'app'),
  ];
  return { set: imageSet(regions), table };
}

const without = (...labels: string[]) =>
  TABLE_CSV.split('\n')
    .filter((line) => !labels.some((label) => line.startsWith(label)))
    .join('\n');

/** What the bootloader starts on a chip that held 0xee everywhere, after the plan. */
function boots(made: Awaited<ReturnType<typeof plan>>, table: ReturnType<typeof parsePartitionCsv>) {
  const flash = new Uint8Array(4 << 20).fill(0xee);
  for (const { offset, size, data } of made.steps) {
    flash.fill(0xff, offset, offset + size);
    if (data !== undefined) flash.set(data, offset);
  }
  const otadata = table.find(({ label }) => label === 'otadata');
  const found = otadata === undefined ? null : flash.subarray(otadata.offset, otadata.offset + otadata.size);
  const choice = chooseBootSlot(table, found);
  const { partition } = choice;
  assert.ok(partition);
  assert.deepEqual(flash.subarray(partition.offset, partition.offset + app.length), app, 'it holds the app');
  return { label: partition.label, reason: choice.reason, otadata: found };
}

describe('direct mode', () => {
  it('puts the app into ota_0, chooses it with sequence 1, and keeps factory', async () => {
    const { set, table } = setWith(TABLE_CSV);
    const made = await plan(set, { mode: 'direct' });
    assert.deepEqual(
      made.steps.map(({ action, kind, offset }) => [action, kind, offset]),
      [
        ['write', 'partition-table', 0x8000],
        ['write', 'app', 0x120000],
        ['write', 'otadata', 0xf000],
        ['write', 'bootloader', 0],
      ],
    );
    const { label, reason, otadata } = boots(made, table);
    assert.deepEqual([label, reason], ['ota_0', 'selected']);
    assert.ok(otadata);
    assert.deepEqual(
      decodeOtadata(otadata).entries.map((entry) => entry?.sequence),
      [1, undefined],
    );
    assert.deepEqual(made.keep, ['factory']);
    assert.ok(made.keeps.some(({ name }) => name === 'factory'));
    checkPlan(made);
  });

  it('takes the place of the otadata that the set brings', async () => {
    const set = { ...wholeSet(), regions: wholeSet().regions.map((one) => ({ ...one })) };
    const made = await plan(set, { mode: 'direct' });
    assert.deepEqual(
      made.steps.filter(({ offset }) => offset === 0xf000).map(({ kind, size }) => [kind, size]),
      [['otadata', 0x2000]],
    );
  });

  it('without a factory partition: ota_0 all the same', async () => {
    const { set, table } = setWith(without('factory'));
    const made = await plan(set, { mode: 'direct' });
    assert.equal(boots(made, table).label, 'ota_0');
    assert.equal(made.keep, undefined);
  });

  it('without OTA slots: factory, and otadata is erased where there is one', async () => {
    const { set, table } = setWith(without('ota_0', 'ota_1'));
    const made = await plan(set, { mode: 'direct' });
    assert.deepEqual(made.steps[0], { action: 'erase', offset: 0xf000, size: 0x2000, name: 'otadata', kind: 'erase' });
    assert.equal(boots(made, table).label, 'factory');
    const bare = setWith(without('ota_0', 'ota_1', 'otadata'));
    assert.equal(boots(await plan(bare.set, { mode: 'direct' }), bare.table).label, 'factory');
  });

  it('without otadata and factory the bootloader starts ota_0 by itself', async () => {
    const { set, table } = setWith(without('factory', 'otadata'));
    const made = await plan(set, { mode: 'direct' });
    assert.equal(boots(made, table).label, 'ota_0');
    assert.ok(made.steps.every(({ kind }) => kind !== 'otadata'));
  });

  it('takes the table that was read from the chip', async () => {
    const { table } = setWith(TABLE_CSV);
    const made = await plan(imageSet([region(0x10000, app, 'app.bin', 'app')]), { mode: 'direct', table });
    assert.deepEqual(
      made.steps.map(({ offset }) => offset),
      [0x120000, 0xf000],
    );
  });

  it('goes with Wi-Fi and identity in one go', async () => {
    const { set } = setWith(TABLE_CSV);
    const recipe = { mode: 'replace', items: [], encryption: { scheme: 'none' } } as const;
    const made = await plan(set, { mode: 'direct', nvs: [{ partition: 'nvs', recipe }] });
    assert.deepEqual(
      made.steps.map(({ kind }) => kind),
      ['nvs', 'partition-table', 'app', 'otadata', 'bootloader'],
    );
  });

  it('refuses what would touch factory', async () => {
    const { set } = setWith(TABLE_CSV);
    const erase = [{ offset: 0x20000, size: 0x1000, name: 'old app' }];
    await refused('KEEPS_TOUCHED', plan(set, { mode: 'direct', erase }));
  });

  const cases: Record<string, ImageSet> = {
    'no app': imageSet(setWith(TABLE_CSV).set.regions.filter(({ kind }) => kind !== 'app')),
    'two apps': imageSet([...setWith(TABLE_CSV).set.regions, region(0x220000, app, 'second.bin', 'app')]),
    'nowhere to put it': setWith(without('ota_0', 'ota_1', 'factory')).set,
    'a factory app that nothing overrules': setWith(without('otadata')).set,
  };
  for (const [what, set] of Object.entries(cases)) {
    it(`NO_SLOT: ${what}`, () => refused('NO_SLOT', plan(set, { mode: 'direct' })));
  }

  it('wants a table', () =>
    refused('TABLE_MISSING', plan(imageSet([region(0x10000, app, 'a', 'app')]), { mode: 'direct' })));
});

describe('provisioning mode', () => {
  it('boots factory, whatever the chip held, and touches nothing else', async () => {
    const { set, table } = setWith(TABLE_CSV);
    const made = await plan(set, { mode: 'provisioning' });
    assert.deepEqual(
      made.steps.map(({ action, offset, size }) => [action, offset, action === 'erase' ? size : 0]),
      [
        ['erase', 0xf000, 0x2000],
        ['erase', 0x120000, 0x1000],
        ['erase', 0x220000, 0x1000],
        ['write', 0x8000, 0],
        ['write', 0x20000, 0],
        ['write', 0, 0],
      ],
    );
    assert.equal(boots(made, table).label, 'factory');
  });

  it('takes the table that was read from the chip', async () => {
    const { table } = setWith(TABLE_CSV);
    const made = await plan(imageSet([region(0, app, 'app.bin', 'app')]), { mode: 'provisioning', table });
    assert.equal(made.steps.at(-1)?.offset, 0x20000);
    assert.equal(made.steps.length, 4);
  });

  it('refuses to keep what it must erase', () =>
    refused('KEEPS_TOUCHED', plan(setWith(TABLE_CSV).set, { mode: 'provisioning', keep: ['ota_1'] })));
});

describe('a mode that nobody knows', () => {
  it('is refused', () =>
    refused(
      'BAD_PLAN',
      plan(wholeSet(), { mode: 'other' as unknown as 'direct', nvs: [], keep: [String(bytes(1)[0])] }),
    ));
});
