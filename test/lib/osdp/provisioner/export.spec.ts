import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeywayError } from '../../../../lib/errors/index.ts';
import { deriveScbk, KDF, type SlotPicture, type SlotSeed, type StepStatus } from '../../../../lib/osdp/index.ts';
import { type ExportFormat, exportScbks, writeExport } from '../../../../lib/osdp/node.ts';
import { slotTable } from '../../../../lib/osdp/provisioner/table/index.ts';

/** The vectors of the derivation: seed 00 … 0F, session 10 … 1F. */
const SESSION = '101112131415161718191a1b1c1d1e1f';
const seed = (more: Partial<SlotSeed> = {}): SlotSeed => ({
  slot: 2,
  seed: Uint8Array.from({ length: 16 }, (_, i) => i),
  session: SESSION,
  kdf: KDF,
  ...more,
});

function step(index: number, address: number, more: Partial<StepStatus> = {}): StepStatus {
  return {
    index,
    address,
    baudRate: 9600,
    state: 'success',
    attempts: 1,
    stage: 'done',
    stageState: 'reached',
    outcome: 'ok',
    detail: { text: 'Keyed.' },
    identity: null,
    keyVersion: 0,
    at: 1,
    ...more,
  };
}

function picture(steps: StepStatus[], more: Partial<SlotPicture['summary']> = {}): SlotPicture {
  const count = (state: string): number => steps.filter((one) => one.state === state).length;
  return {
    summary: {
      slot: 2,
      name: 'doors',
      session: SESSION,
      createdAt: 1,
      armedUntil: null,
      exported: false,
      seq: 9,
      state: 'complete',
      total: steps.length,
      provisioned: count('success'),
      failed: count('failure'),
      skipped: count('skipped'),
      ...more,
    },
    terms: null,
    steps,
  };
}

const done = picture([
  step(0, 0),
  step(1, 5, { baudRate: 115200, keyVersion: 1, attempts: 3 }),
  step(2, 7, { state: 'skipped', outcome: 'user_skipped', stage: null, stageState: null, keyVersion: null }),
  step(3, 125),
]);

async function code(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof KeywayError, String(error));
    return error.code;
  }
  return 'none';
}

describe('the export of keys', () => {
  it('is CSV with a row for each provisioned reader, with the key of its version', () => {
    const { bytes, count, format, session } = exportScbks(done, seed(), 'csv');
    assert.equal(
      bytes.toString(),
      'pd_address,baudrate,scbk\n' +
        '0,9600,55C8498134A4859B5F68E87E6F156E74\n' +
        '5,115200,B261F4B6509F4A3F17954D7E895667F6\n' +
        '125,9600,44BCCD84AECB096AAD2A39ABBA762321\n',
    );
    assert.deepEqual({ count, format, session }, { count: 3, format: 'csv', session: SESSION });
  });

  it('is JSON of the documented shape', () => {
    assert.deepEqual(JSON.parse(exportScbks(done, seed(), 'json').bytes.toString()), {
      kind: 'osprio-provisioned-scbks',
      version: 1,
      session_id: SESSION,
      scbks: [
        { pdAddress: 0, baudrate: 9600, scbkHex: '55C8498134A4859B5F68E87E6F156E74' },
        { pdAddress: 5, baudrate: 115200, scbkHex: 'B261F4B6509F4A3F17954D7E895667F6' },
        { pdAddress: 125, baudrate: 9600, scbkHex: '44BCCD84AECB096AAD2A39ABBA762321' },
      ],
    });
  });

  it('holds all 126 of a full slot, and none of an empty result', () => {
    const full = picture(Array.from({ length: 126 }, (_, i) => step(i, i)));
    const rows = exportScbks(full, seed(), 'csv').bytes.toString().trimEnd().split('\n').slice(1);
    assert.equal(rows.length, 126);
    for (const [address, row] of rows.entries()) {
      const { key } = deriveScbk({ seed: seed().seed, sessionId: Buffer.from(SESSION, 'hex'), address });
      assert.equal(row, `${address},9600,${key.toString('hex').toUpperCase()}`);
    }
    const none = picture([step(0, 1, { state: 'skipped', keyVersion: null })]);
    assert.equal(exportScbks(none, seed(), 'csv').bytes.toString(), 'pd_address,baudrate,scbk\n');
    assert.deepEqual(JSON.parse(exportScbks(none, seed(), 'json').bytes.toString()).scbks, []);
  });

  it('never holds the seed, leaves the seed alone and shares no memory', () => {
    const key = seed();
    for (const format of ['csv', 'json'] as const) {
      const { bytes } = exportScbks(done, key, format);
      assert.equal(bytes.includes('000102030405'), false);
      assert.equal(bytes.byteLength, bytes.buffer.byteLength);
    }
    assert.deepEqual(key, seed());
  });

  it('is refused for a slot that is not complete', async () => {
    for (const state of ['empty', 'staging', 'ready'] as const) {
      assert.equal(
        await code(() => exportScbks(picture(done.steps.slice(), { state }), seed(), 'csv')),
        'SLOT_NOT_COMPLETE',
      );
    }
    for (const state of ['pending', 'attempting', 'failure'] as const) {
      const open = picture([step(0, 1), step(1, 2, { state, keyVersion: null })]);
      assert.equal(await code(() => exportScbks(open, seed(), 'csv')), 'SLOT_NOT_COMPLETE', state);
    }
  });

  it('takes a live queue that was closed, and leaves out what failed in it', async () => {
    const steps = [step(0, 5), step(1, 6, { state: 'failure', outcome: 'no_response', keyVersion: null })];
    const live = seed({ slot: 'live' });
    assert.equal(exportScbks(picture(steps, { slot: 'live' }), live, 'csv').count, 1);
    const open = picture(steps, { slot: 'live', state: 'ready' });
    assert.equal(await code(() => exportScbks(open, live, 'csv')), 'SLOT_NOT_COMPLETE');
  });

  it('is refused for another session, another slot, another derivation, another format', async () => {
    const other = 'f'.repeat(32);
    assert.equal(await code(() => exportScbks(done, seed({ session: other }), 'csv')), 'SESSION_MISMATCH');
    assert.equal(await code(() => exportScbks(done, seed({ slot: 3 }), 'csv')), 'SESSION_MISMATCH');
    const gone = picture(done.steps.slice(), { session: null });
    assert.equal(await code(() => exportScbks(gone, seed(), 'csv')), 'SESSION_MISMATCH');
    assert.equal(await code(() => exportScbks(done, seed({ kdf: 'own' }), 'csv')), 'KDF_UNKNOWN');
    assert.equal(await code(() => exportScbks(done, seed(), 'xml' as ExportFormat)), 'BAD_EXPORT');
    const odd = picture(done.steps.slice(), { session: 'x"y' });
    assert.equal(await code(() => exportScbks(odd, seed({ session: 'x"y' }), 'json')), 'BAD_EXPORT');
    const keyless = picture([step(0, 1, { keyVersion: null })]);
    assert.equal(await code(() => exportScbks(keyless, seed(), 'csv')), 'BAD_EXPORT');
  });
});

describe('the file of an export', () => {
  let home = '';
  let folder = '';
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'keyway-export-'));
    folder = join(home, 'keys');
  });
  afterEach(async () => await rm(home, { recursive: true, force: true }));

  const bytes = Buffer.from('pd_address,baudrate,scbk\n');

  it('is new, readable by its owner alone, in a folder of the owner alone', async () => {
    const path = await writeExport(folder, 'Nord 3. OG_1.csv', bytes);
    assert.deepEqual(await readFile(path), bytes);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(folder), ['Nord 3. OG_1.csv']);
  });

  it('never takes the place of another, which stays as it was', async () => {
    await writeExport(folder, 'a.csv', bytes);
    assert.equal(await code(() => writeExport(folder, 'a.csv', Buffer.from('new'))), 'EXPORT_EXISTS');
    assert.deepEqual(await readFile(join(folder, 'a.csv')), bytes);
    await symlink(join(home, 'elsewhere'), join(folder, 'b.csv'));
    assert.equal(await code(() => writeExport(folder, 'b.csv', bytes)), 'EXPORT_EXISTS');
    assert.deepEqual((await readdir(home)).sort(), ['keys']);
    assert.deepEqual((await readdir(folder)).sort(), ['a.csv', 'b.csv']);
  });

  it('is won by one of many who ask for the same name at once', async () => {
    const codes = await Promise.all(
      Array.from({ length: 8 }, (_, i) => code(() => writeExport(folder, 'a.csv', Buffer.alloc(5000, i)))),
    );
    assert.equal(codes.filter((one) => one === 'none').length, 1);
    assert.equal(codes.filter((one) => one === 'EXPORT_EXISTS').length, 7);
    const content = await readFile(join(folder, 'a.csv'));
    assert.ok(content.equals(Buffer.alloc(5000, content[0])));
    assert.deepEqual(await readdir(folder), ['a.csv']);
  });

  const names = [
    '',
    '.',
    '..',
    '../a',
    'a/b',
    'a\\b',
    '/a',
    '.a',
    '-a',
    ' a',
    'a ',
    'a.',
    'a\0b',
    'a\nb',
    'CON',
    'nul.csv',
  ];
  for (const name of [...names, 'c:a', 'x'.repeat(121), 'a\u202Eb', 'ä'.repeat(61)]) {
    it(`refuses the name ${JSON.stringify(name.slice(0, 20))}`, async () => {
      assert.equal(await code(() => writeExport(folder, name, bytes)), 'BAD_EXPORT_NAME');
      assert.deepEqual(await readdir(home), []);
    });
  }

  it('is refused where the folder is none, is not said in full, or is open to others', async () => {
    await writeFile(join(home, 'file'), '');
    for (const place of ['', ' ', 'keys', './keys', join(home, 'file'), join(home, 'file', 'x'), `${home}\0`]) {
      assert.equal(await code(() => writeExport(place, 'a.csv', bytes)), 'EXPORT_FOLDER', place);
    }
    await mkdir(folder);
    await chmod(folder, 0o770);
    assert.equal(await code(() => writeExport(folder, 'a.csv', bytes)), 'EXPORT_FOLDER');
    assert.deepEqual(await readdir(folder), []);
  });

  it('says so when it cannot be written', async function () {
    // A place where not even root may make a folder.
    if (process.platform !== 'linux') this.skip();
    assert.equal(await code(() => writeExport('/sys/keyway-export', 'a.csv', bytes)), 'EXPORT_FILE');
  });
});

describe('the table of a slot', () => {
  it('has one row a step, with blanks for what is not known', () => {
    const identity = { vendor: 'AABBCC', model: 1, version: 2, serial: '01020304', firmware: '1.0.3' };
    const shown = slotTable(
      picture([
        step(0, 4, { identity }),
        step(1, 5, { state: 'attempting', outcome: null, stage: 'keyset', stageState: 'in-flight', detail: null }),
        step(2, 6, { state: 'pending', attempts: 0, outcome: null, stage: null, stageState: null, detail: null }),
      ]),
    );
    assert.deepEqual(shown, [
      {
        slot: 2,
        step: 0,
        address: 4,
        baud: 9600,
        state: 'success',
        attempts: 1,
        stage: 'done',
        outcome: 'ok',
        text: 'Keyed.',
        reader: 'AABBCC 01020304',
      },
      {
        slot: 2,
        step: 1,
        address: 5,
        baud: 9600,
        state: 'attempting',
        attempts: 1,
        stage: 'keyset …',
        outcome: '',
        text: '',
        reader: '',
      },
      {
        slot: 2,
        step: 2,
        address: 6,
        baud: 9600,
        state: 'pending',
        attempts: 0,
        stage: '',
        outcome: '',
        text: '',
        reader: '',
      },
    ]);
  });

  it('has one row a slot', () => {
    const empty = { ...picture([]).summary, slot: 1, name: null, session: null, state: 'empty', total: 0 } as const;
    assert.deepEqual(slotTable([empty, done.summary]), [
      {
        slot: 1,
        name: '',
        state: 'empty',
        total: 0,
        provisioned: 0,
        failed: 0,
        skipped: 0,
        left: 0,
        exported: false,
        session: '',
      },
      {
        slot: 2,
        name: 'doors',
        state: 'complete',
        total: 4,
        provisioned: 3,
        failed: 0,
        skipped: 1,
        left: 0,
        exported: false,
        session: SESSION,
      },
    ]);
  });
});
