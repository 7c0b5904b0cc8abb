import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseCsv } from '../../../lib/registry/import/csv.ts';
import type { ImportProblem, Registry } from '../../../lib/registry/index.ts';
import { readCsv } from '../record/support.ts';
import { code, failure, heard, NAMESPACE, Place } from './support.ts';

const RUNS = Math.min(Number(process.env.KEYWAY_FUZZ ?? 200), 20_000);

describe('importing devices', () => {
  let place: Place;
  let registry: Registry;
  beforeEach(async () => {
    place = new Place();
    registry = await place.filled();
  });
  afterEach(() => place.done());

  const all = async () => (await registry.devices()).items;
  const plainMac = (text: string) => text.replaceAll(/[:.-]/g, '').toLowerCase();

  it('takes CSV with columns of other names, attributes, labels, and quoted fields', async () => {
    const csv =
      '\ufeffDevice MAC;Name;labels;attribute:Site;Remark;profile\r\n' +
      'A0:B1:C2:D3:E4:F5;"Pump ""one""; big";wet|north;"Hall\n2";ignored;\r\n\r\n' +
      'a0b1.c2d3.e4f6;;;;;\n';
    const columns = { 'Device MAC': 'mac', Remark: null };
    const events = heard(registry);
    const report = await registry.importDevices(csv, { namespace: NAMESPACE, columns, normaliseMac: plainMac });
    assert.deepEqual(report, { dryRun: false, devices: 2, added: 2, problems: [] });
    const [first, second] = await all();
    assert.deepEqual(
      [first?.mac, first?.name, first?.labels, first?.attributes],
      ['a0b1c2d3e4f5', 'Pump "one"; big', ['north', 'wet'], { Site: 'Hall\n2' }],
    );
    assert.deepEqual([second?.mac, second?.name, second?.labels], ['a0b1c2d3e4f6', null, []]);
    assert.deepEqual(
      events.map(({ topic, detail }) => [topic, detail?.count]),
      [['devices.imported', 2]],
    );
  });

  it('takes a JSON array, as text and as it is', async () => {
    const list = [{ namespace: NAMESPACE, mac: 'a0b1c2d3e4f5', attributes: { a: 1 } }, { name: 'two' }];
    assert.equal((await registry.importDevices(list, { namespace: NAMESPACE })).added, 2);
    const text = JSON.stringify([{ name: 'three', labels: ['x'] }]);
    assert.equal((await registry.importDevices(text, { namespace: NAMESPACE })).added, 1);
  });

  it('says in a dry run what is wrong with which line, and writes nothing', async () => {
    await registry.addDevice({ namespace: NAMESPACE, mac: '000000000009' });
    const csv = [
      'namespace,mac,name',
      `${NAMESPACE},000000000001,one`,
      `${NAMESPACE},nonsense,two`,
      'nowhere,000000000003,three',
      `${NAMESPACE},000000000001,four`,
      `${NAMESPACE},000000000005,"five\nlines"`,
      `${NAMESPACE},000000000006,six,seven`,
      `${NAMESPACE},000000000009,nine`,
      `${NAMESPACE},,`,
    ].join('\n');
    const shown = (problems: readonly ImportProblem[]) => problems.map((one) => [one.line, one.code, one.field]);
    const expected = [
      [3, 'BAD_DEVICE', 'mac'],
      [4, 'NAMESPACE_UNKNOWN', 'namespace'],
      [5, 'DEVICE_EXISTS', 'mac'],
      [6, 'BAD_DEVICE', 'name'],
      [8, 'BAD_IMPORT', undefined],
      [9, 'DEVICE_EXISTS', 'mac'],
      [10, 'BAD_DEVICE', 'mac'],
    ];
    const events = heard(registry);
    const before = (await registry.auditLog()).items.length;
    const dry = await registry.importDevices(csv, { dryRun: true });
    assert.deepEqual(shown(dry.problems), expected);
    assert.deepEqual([dry.added, dry.devices], [1, 8]);
    const error = await failure(registry.importDevices(csv));
    assert.equal(error.code, 'IMPORT_REFUSED');
    assert.deepEqual(shown(error.detail?.problems as ImportProblem[]), expected);
    assert.equal((await all()).length, 1);
    assert.deepEqual([events.length, (await registry.auditLog()).items.length], [0, before]);
    const rest = await registry.importDevices(csv, { skipBad: true });
    assert.deepEqual([rest.added, shown(rest.problems)], [1, expected]);
    assert.equal((await all()).length, 2);
  });

  for (const [what, source, field] of [
    ['nothing', '', 'source'],
    ['JSON that ends early', '[{', 'source'],
    ['an object', {} as never, 'source'],
    ['an unknown column', 'mac,colour\n', 'columns'],
    ['a column twice', 'mac,MAC\n', 'columns'],
    ['an attribute without a name', 'mac,attribute:\n', 'columns'],
    ['a quote that is never closed', 'mac\n"a', undefined],
    ['text after a quote', 'mac\n"a"b\n', undefined],
    ['too many', Array.from({ length: 100_001 }, () => null), 'source'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(registry.importDevices(source), code('BAD_IMPORT', field === undefined ? {} : { field }));
    });
  }

  it('refuses entries that are no devices, with their places', async () => {
    const report = await registry.importDevices([null, 5, [], { name: 'x', colour: 'red' }], { dryRun: true });
    assert.deepEqual(
      report.problems.map(({ line, field }) => [line, field]),
      [
        [1, 'device'],
        [2, 'device'],
        [3, 'device'],
        [4, 'colour'],
      ],
    );
  });

  it('reads CSV as another reader does', () => {
    const field = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.string({ unit: fc.constantFrom(...'a,;"\n\t '), maxLength: 6 }),
    );
    const text = field.map((value) => value.replaceAll(/[\r\0]/g, ''));
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text, text), { minLength: 1, maxLength: 5 }), (rows) => {
        const quote = (value: string) => `"${value.replaceAll('"', '""')}"`;
        const header = 'a,b,c\r\n';
        const csv = header + rows.map((row) => `${row.map(quote).join(',')}\r\n`).join('');
        assert.deepEqual(
          parseCsv(csv).map(({ fields }) => [...fields]),
          readCsv(csv),
        );
      }),
      { numRuns: RUNS },
    );
  });

  it('never fails but with a code, whatever the text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: fc.constantFrom(...'mac,\n"[]{};:a0'), maxLength: 30 }), async (text) => {
        try {
          await registry.importDevices(text, { dryRun: true, namespace: NAMESPACE });
        } catch (error) {
          code('BAD_IMPORT')(error);
        }
      }),
      { numRuns: RUNS },
    );
  });
});
