import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import fc from 'fast-check';
import { appendRecord, type FlatRecord, unguard } from '../../../lib/record/index.ts';
import { folder, readCsv } from './support.ts';

const RUNS = Math.min(Number(process.env.KEYWAY_FUZZ ?? 150), 5000);
/** Any text but what a file of text cannot hold apart from a power cut: zeros. */
const text = fc
  .oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...'=+-@\t\r\n",;\' a＝é€😀') }))
  .map((value) => value.replaceAll('\0', ''));
const cell = fc.oneof(
  text,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constantFrom(null, undefined),
);
const column = text.filter((name) => name !== '' && name !== '__proto__');
const records = fc
  .uniqueArray(column, { minLength: 1, maxLength: 6 })
  .chain((columns) =>
    fc.array(fc.tuple(...columns.map(() => cell)), { minLength: 1, maxLength: 4 }).map((rows) => ({ columns, rows })),
  );

const shown = (value: unknown): string => (value === null || value === undefined ? '' : String(value));

describe('records in a file', () => {
  let files: ReturnType<typeof folder>;
  beforeEach(() => {
    files = folder();
  });
  afterEach(() => files.done());
  const content = (name: string): string => readFileSync(files.path(name), 'utf8');

  it('are one row each under one header, in a file for its owner alone', async () => {
    const path = files.path('new/folder/units.csv');
    const first = await appendRecord(path, { mac: 'a0:b1', seconds: 12.5, code: null, ok: true });
    const second = await appendRecord(path, { ok: false, mac: 'c2:d3', seconds: 1, code: 'BUSY, "now"' });
    const csv = 'mac,seconds,code,ok\r\na0:b1,12.5,,true\r\nc2:d3,1,"BUSY, ""now""",false\r\n';
    assert.equal(content('new/folder/units.csv'), csv);
    assert.deepEqual([first.created, first.repaired, second.created, second.size], [true, false, false, csv.length]);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(files.path('new')).mode & 0o777, 0o700);
  });

  it('read the same with any other reader of CSV', async function () {
    this.timeout(20_000 + 20 * RUNS);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(records, async ({ columns, rows }) => {
        const name = `any-${run++}.csv`;
        for (const row of rows) {
          const record = Object.fromEntries(columns.map((key, index) => [key, row[index]]));
          await appendRecord(files.path(name), record, { columns });
        }
        const read = readCsv(content(name)).map((row) => row.map(unguard));
        rmSync(files.path(name));
        assert.deepEqual(read, [columns, ...rows.map((row) => row.map(shown))]);
      }),
      { numRuns: RUNS },
    );
  });

  it('are no formulas to a spreadsheet, and come back as they were', async () => {
    const evil = ['=1+1', '+1', '-2+3', '@SUM(A1)', '\t=1', '\r=1', ' =cmd|x', "'=1", '＝1', '\n@x', "''-1"];
    for (const [index, value] of evil.entries()) {
      await appendRecord(files.path('evil.csv'), { index, value, minus: -index });
    }
    const [, ...rows] = readCsv(content('evil.csv'));
    for (const [index, row] of rows.entries()) {
      assert.match(row[1] ?? '', /^'/, JSON.stringify(evil[index]));
      assert.equal(unguard(row[1] ?? ''), evil[index]);
    }
    assert.deepEqual([rows[3]?.[2], unguard("it's"), unguard("'quoted'")], ['-3', "it's", "'quoted'"]);
  });

  it('survive a power cut at every byte: no complete row is lost, and the next one is whole', async () => {
    const rows: FlatRecord[] = [
      { mac: 'a0:b1', note: 'plain', seconds: 1 },
      { mac: 'c2', note: 'a "quoted" one,\r\nwith lines and €😀', seconds: 20 },
      { mac: null, note: '"', seconds: 3 },
    ];
    for (const row of rows) await appendRecord(files.path('whole.csv'), row);
    const whole = readFileSync(files.path('whole.csv'));
    const all = readCsv(whole.toString('utf8'));
    const ends = all.map((_row, index) => Buffer.byteLength(csvOf(all.slice(0, index + 1))));
    assert.equal(ends.at(-1), whole.length);
    for (let cut = 0; cut <= whole.length; cut++) {
      for (const zeros of [0, 5]) {
        const name = `torn-${cut}-${zeros}.csv`;
        writeFileSync(files.path(name), Buffer.concat([whole.subarray(0, cut), Buffer.alloc(zeros)]));
        const { repaired } = await appendRecord(files.path(name), { mac: 'new', note: 'n', seconds: 9 });
        const read = readCsv(content(name));
        const complete = ends.filter((end) => end <= cut).length;
        const where = `cut at ${cut}, ${zeros} zeros: ${JSON.stringify(content(name))}`;
        assert.deepEqual(read.slice(0, complete), all.slice(0, complete), where);
        assert.deepEqual(read[0], all[0], where);
        assert.deepEqual(read.at(-1), ['new', 'n', '9'], where);
        assert.ok(
          read.every((row) => row.length === 3),
          where,
        );
        const torn = cut > 0 && !ends.includes(cut);
        assert.equal(repaired, torn, where);
        assert.equal(read.length, Math.max(complete, 1) + (torn && complete > 0 ? 1 : 0) + 1, where);
        // What of the torn row had reached the disk is still there, but for half a character.
        const last = Buffer.from(content(name)).subarray(0, cut);
        assert.ok(last.equals(whole.subarray(0, last.length)) || cut - commonLength(last, whole) <= 3, where);
        rmSync(files.path(name));
      }
    }
  });

  it('from several writers at once are whole rows, each once', async () => {
    const path = files.path('many.csv');
    writeFileSync(path, '');
    symlinkSync(path, files.path('alias.csv'));
    const long = 'x'.repeat(5000);
    const writers = Array.from({ length: 60 }, (_unused, index) =>
      appendRecord(index % 2 ? path : files.path('alias.csv'), { index, long, end: 'e' }),
    );
    const results = await Promise.all(writers);
    const [header, ...rows] = readCsv(content('many.csv'));
    assert.deepEqual(header, ['index', 'long', 'end']);
    assert.deepEqual(
      rows.map((row) => Number(row[0])).sort((a, b) => a - b),
      Array.from({ length: 60 }, (_unused, index) => index),
    );
    assert.ok(rows.every((row) => row.length === 3 && row[1] === long));
    assert.ok(results.every(({ created, repaired }) => !created && !repaired));
  });

  it('go on in a file that somebody else wrote to meanwhile', async () => {
    const path = files.path('shared.csv');
    await appendRecord(path, { a: 1, b: 2 });
    appendFileSync(path, '3,4');
    assert.equal((await appendRecord(path, { a: 5, b: 6 })).repaired, true);
    writeFileSync(path, '\uFEFFb,a\n8,7\n');
    assert.equal((await appendRecord(path, { a: 9, b: 10 })).repaired, false);
    assert.equal(content('shared.csv'), '\uFEFFb,a\n8,7\n10,9\r\n');
    writeFileSync(path, 'b,a');
    await appendRecord(path, { a: 11, b: 12 });
    assert.equal(content('shared.csv'), 'b,a\r\n12,11\r\n');
  });

  it('with other columns than the file are refused, and the file is left alone', async () => {
    const path = files.path('columns.csv');
    for (const before of ['a,b\r\n1,2\r\n', 'a,b\r\n', 'a,d', 'a,b,c,d\r\n', 'a;b;c\n1;2;3\n', 'a,b,"c\r\nis open']) {
      writeFileSync(path, before);
      await assert.rejects(appendRecord(path, { a: 1, b: 2, c: 3 }), (error: Error & { code: string }) => {
        assert.equal(error.code, 'RECORD_COLUMNS', before);
        assert.match(error.message, /lacks|besides/);
        return true;
      });
      assert.equal(content('columns.csv'), before);
    }
    writeFileSync(path, 'a,b\r\n');
    await appendRecord(path, { b: 2, z: 26 }, { columns: ['b', 'a'] });
    assert.equal(content('columns.csv'), 'a,b\r\n,2\r\n');
  });

  it('that are not flat are refused before a file is made', async () => {
    const path = files.path('never.csv');
    const bad = [null, [], 'text', {}, { a: {} }, { a: [] }, { a: Number.NaN }, { a: 1n }, { '': 1 }, Buffer.from('a')];
    for (const record of bad) {
      await assert.rejects(appendRecord(path, record as FlatRecord), { code: 'BAD_RECORD' });
    }
    await assert.rejects(appendRecord(path, { a: 1 }, { columns: ['a', 'a'] }), { code: 'BAD_RECORD' });
    assert.equal(existsSync(path), false);
  });

  it('say when the file cannot be written', async () => {
    mkdirSync(files.path('is-a-folder.csv'));
    await assert.rejects(appendRecord(files.path('is-a-folder.csv'), { a: 1 }), { code: 'RECORD_FILE' });
    writeFileSync(files.path('plain'), '');
    await assert.rejects(appendRecord(files.path('plain/units.csv'), { a: 1 }), { code: 'RECORD_FILE' });
    await assert.rejects(appendRecord('/dev/null', { a: 1 }), { code: 'RECORD_FILE' });
  });

  it('keep the mode that somebody gave a file', async () => {
    await appendRecord(files.path('mode.csv'), { a: 1 });
    chmodSync(files.path('mode.csv'), 0o640);
    await appendRecord(files.path('mode.csv'), { a: 2 });
    assert.equal(statSync(files.path('mode.csv')).mode & 0o777, 0o640);
  });

  describe('on a disk', () => {
    type Call = (...args: never[]) => Promise<unknown>;
    /** What all open files of this process have in common, and how it was. */
    let handles: Record<'datasync' | 'write', Call>;
    let before: typeof handles;
    beforeEach(async () => {
      const file = await open(files.path('any'), 'w');
      await file.close();
      handles = Object.getPrototypeOf(file) as typeof handles;
      before = { datasync: handles.datasync, write: handles.write };
    });
    afterEach(() => Object.assign(handles, before));

    it('have left for it when they are said to be written', async () => {
      const order: string[] = [];
      for (const name of ['write', 'datasync'] as const) {
        handles[name] = async function (this: unknown, ...args: never[]) {
          const result = await before[name].apply(this, args);
          order.push(name);
          return result;
        };
      }
      await appendRecord(files.path('u.csv'), { mac: 'a' });
      await appendRecord(files.path('u.csv'), { mac: 'b' });
      assert.deepEqual(order, ['write', 'datasync', 'write', 'datasync']);
    });

    it('that is full: nothing of the row is left, and the next one is whole', async () => {
      const path = files.path('u.csv');
      await appendRecord(path, { mac: 'a' });
      handles.datasync = async () => {
        throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      };
      await assert.rejects(appendRecord(path, { mac: 'b' }), { code: 'RECORD_FILE' });
      assert.equal(content('u.csv'), 'mac\r\na\r\n');
      Object.assign(handles, before);
      await appendRecord(path, { mac: 'c' });
      assert.equal(content('u.csv'), 'mac\r\na\r\nc\r\n');
    });
  });

  it('go on in a file that somebody else changed without a change of its length', async () => {
    const path = files.path('u.csv');
    await appendRecord(path, { a: 1, b: 2 });
    writeFileSync(path, 'b,a\r\n2,1\r\n');
    utimesSync(path, 1, 1);
    await appendRecord(path, { a: 3, b: 4 });
    assert.equal(content('u.csv'), 'b,a\r\n2,1\r\n4,3\r\n');
  });

  it('are not written once their job was cancelled', async () => {
    const reason = new Error('cancelled');
    const gone = appendRecord(files.path('gone.csv'), { a: 1 }, { signal: AbortSignal.abort(reason) });
    await assert.rejects(gone, reason);
    assert.equal(existsSync(files.path('gone.csv')), false);
    await appendRecord(files.path('gone.csv'), { a: 2 });
    assert.equal(content('gone.csv'), 'a\r\n2\r\n');
  });
});

function csvOf(rows: string[][]): string {
  return rows
    .map(
      (row) =>
        `${row.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',')}\r\n`,
    )
    .join('');
}

function commonLength(a: Uint8Array, b: Uint8Array): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}
