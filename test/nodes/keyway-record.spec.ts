import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import helper from 'node-red-node-test-helper';
import { Bench, stopFlow, unload } from './harness.ts';

const record = {
  time: '2026-11-22T04:30:00.000Z',
  result: 'ok',
  mac: '60:55:f9:0a:b1:c2',
  note: '=1+1',
  seconds: 12.5,
};
const device = { mac: '60:55:f9:0a:b1:c2', chip: 'ESP32-C3', name: 'front door' };

describe('keyway-record', () => {
  let userDir = '';
  beforeEach(() => {
    userDir = mkdtempSync(join(tmpdir(), 'keyway-user-'));
    helper.settings({ userDir });
  });
  afterEach(async () => {
    await unload();
    helper.settings({});
    rmSync(userDir, { recursive: true, force: true });
  });
  const below = (...parts: string[]): string => join(userDir, ...parts);

  it('appends records to a file below the user folder', async () => {
    const bench = await Bench.load([{ id: 'record', type: 'keyway-record', wires: [['out']] }]);
    bench.send('record', { record, device, kept: 'k', job: 'unit 7' });
    bench.send('record', { record: { ...record, seconds: 2 } });
    const [first, second] = await bench.out.many(2);
    const file = below('records', 'records.csv');
    assert.equal(
      readFileSync(file, 'utf8'),
      "time,result,mac,note,seconds\r\n2026-11-22T04:30:00.000Z,ok,60:55:f9:0a:b1:c2,'=1+1,12.5\r\n2026-11-22T04:30:00.000Z,ok,60:55:f9:0a:b1:c2,'=1+1,2\r\n",
    );
    assert.deepEqual(
      [first?.topic, first?.kept, first?.job, first?.record],
      ['record/appended', 'k', 'unit 7', record],
    );
    assert.deepEqual([first?.payload.file, first?.payload.created, second?.payload.created], [file, true, false]);
    await bench.completed.many(2);
    await bench.status('record', ({ fill, shape, text }) => fill === 'green' && shape === 'dot' && text === 'ok');
  });

  it('takes the file’s name from the message, and says that a torn row was completed', async () => {
    mkdirSync(below('records', 'line 2'), { recursive: true });
    writeFileSync(below('records', 'line 2', 'a.csv'), 'mac,code\r\na0:');
    const bench = await Bench.load([
      { id: 'record', type: 'keyway-record', file: 'file', fileType: 'msg', columns: 'code, mac', wires: [['out']] },
    ]);
    bench.send('record', { file: 'line 2/a.csv', record: { mac: 'b1', more: {} } });
    assert.equal((await bench.out.next()).payload.repaired, true);
    assert.equal(readFileSync(below('records', 'line 2', 'a.csv'), 'utf8'), 'mac,code\r\na0:,\r\nb1,\r\n');
    await bench.status('record', ({ text }) => text === 'ok · repaired');
  });

  it('lets no message write anywhere else', async () => {
    mkdirSync(below('records'));
    mkdirSync(below('elsewhere'));
    symlinkSync(below('elsewhere'), below('records', 'way-out'));
    symlinkSync(below('elsewhere', 'new.csv'), below('records', 'link.csv'));
    const bench = await Bench.load([
      { id: 'record', type: 'keyway-record', file: 'file', fileType: 'msg', wires: [['out']] },
      { id: 'typed', type: 'keyway-record', file: '../settings.js', wires: [['out']] },
    ]);
    const names = [
      '../settings.js',
      'sub/../../flows.json',
      '..',
      '.',
      below('records', 'a.csv'),
      '/tmp/a.csv',
      'way-out/a.csv',
      'way-out/new/a.csv',
      'link.csv',
      'a\0.csv',
      'a\n.csv',
    ];
    for (const file of names) {
      assert.equal(await bench.failure('record', { file, record }), 'FILE_NOT_ALLOWED', JSON.stringify(file));
    }
    assert.equal(await bench.failure('typed', { record }), 'FILE_NOT_ALLOWED');
    for (const file of ['', undefined, {}]) assert.equal(await bench.failure('record', { file, record }), 'BAD_FIELD');
    assert.deepEqual([existsSync(below('elsewhere', 'new')), existsSync(below('settings.js'))], [false, false]);
    assert.deepEqual(bench.out.messages, []);
  });

  it('takes a whole path that was typed into it', async () => {
    const file = below('outside', 'units.csv');
    const bench = await Bench.load([{ id: 'record', type: 'keyway-record', file, wires: [['out']] }]);
    bench.send('record', { record });
    assert.equal((await bench.out.next()).payload.file, file);
    assert.ok(existsSync(file));
  });

  it('refuses what is no record, other columns, and what is no file', async () => {
    mkdirSync(below('records', 'folder.csv'), { recursive: true });
    const bench = await Bench.load([
      { id: 'record', type: 'keyway-record', wires: [['out']] },
      { id: 'folder', type: 'keyway-record', file: 'folder.csv', wires: [['out']] },
    ]);
    for (const bad of [undefined, 'text', [], { a: {} }]) {
      assert.equal(await bench.failure('record', { record: bad }), 'BAD_RECORD');
    }
    assert.equal(existsSync(below('records', 'records.csv')), false);
    bench.send('record', { record });
    await bench.out.next();
    assert.equal(await bench.failure('record', { record: { other: 1 } }), 'RECORD_COLUMNS');
    assert.equal(await bench.failure('folder', { record }), 'RECORD_FILE');
    assert.equal(bench.lastStatus('folder')?.text, 'RECORD_FILE');
  });

  it('makes a label of what is known of the unit', async () => {
    const bench = await Bench.load([
      {
        id: 'label',
        type: 'keyway-record',
        operation: 'label',
        template: '{name}\\n{MAC} {date} {serial|-}',
        qr: 'https://x.example/{macPlain}',
        wires: [['out']],
      },
      { id: 'plain', type: 'keyway-record', operation: 'label', template: '{chip}', qr: '', wires: [['out']] },
      { id: 'long', type: 'keyway-record', operation: 'label', qr: 'payload', qrType: 'msg', wires: [['out']] },
    ]);
    bench.send('label', { record: { ...record, serial: null }, device });
    const { topic, payload } = await bench.out.next();
    assert.equal(topic, 'record/label');
    assert.equal(payload.text, 'front door\n60:55:F9:0A:B1:C2 2026-11-22 -');
    assert.equal(payload.qr, 'https://x.example/6055f90ab1c2');
    assert.match(payload.svg, /^<svg [^>]+>.*<\/svg>$/);
    bench.send('plain', { device });
    assert.deepEqual((await bench.out.many(2))[1]?.payload, { text: 'ESP32-C3', qr: null, svg: null });
    assert.equal(await bench.failure('plain', {}), 'BAD_LABEL');
    assert.equal(await bench.failure('plain', { record: 'text' }), 'BAD_FIELD');
    assert.equal(await bench.failure('long', { device, payload: 'x'.repeat(2400) }), 'QR_TOO_LONG');
  });

  it('finishes the row it writes when the flow is deployed again, and leaves the others', async () => {
    const bench = await Bench.load([{ id: 'record', type: 'keyway-record', wires: [['out']] }]);
    for (let n = 0; n < 20; n++) bench.send('record', { record: { n, end: 'e' } });
    await stopFlow();
    const file = below('records', 'records.csv');
    const rows = existsSync(file) ? readFileSync(file, 'utf8').split('\r\n') : ['n,end', ''];
    assert.deepEqual(rows, ['n,end', ...Array.from({ length: rows.length - 2 }, (_unused, n) => `${n},e`), '']);
  });
});
