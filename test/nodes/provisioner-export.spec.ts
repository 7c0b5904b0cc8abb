import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bench, type Msg, request } from './harness.ts';
import { AuditLog } from './osdp-flow.ts';
import { node, profile, provisionerOn, provisionerUserDir, result, shown } from './provisioner-bench.ts';

const PATH = '/keyway/provisioner/export';

describe('keyway-export', function () {
  this.timeout(60_000);
  const userDir = provisionerUserDir();

  /** Readers stay what they became from test to test: each test has one of its own. */
  let address = 2;

  /** A slot with one reader that is done. */
  async function complete(name: string, audit: AuditLog, ...nodes: ReturnType<typeof node>[]): Promise<Bench> {
    const flow = [
      ...provisionerOn(name, { count: '1', addresses: String(++address) }),
      node('keyway-slots', { operation: 'import' }),
      node('keyway-step'),
      ...nodes,
    ];
    const bench = await Bench.load(flow, [audit.watch]);
    await result(bench, 'slots', { payload: profile({ name: '../North: 3rd', count: 1, startAddress: address }) });
    const { payload } = await result(bench, 'step', {});
    assert.equal(payload.outcome, 'ok', payload.text);
    return bench;
  }

  it('is off until somebody ticks it, and says who tried', async () => {
    const audit = new AuditLog();
    const bench = await complete('off', audit, node('keyway-export'));
    assert.equal(await bench.failure('export', {}), 'EXPORT_NOT_ALLOWED');
    assert.equal(audit.of('osdp.export.denied').length, 1);
    const { body } = await request().post(PATH).set('Host', 'localhost').send({ node: 'export', slot: 1 }).expect(400);
    assert.equal(body.code, 'EXPORT_NOT_ALLOWED');
    assert.deepEqual(audit.of('osdp.export'), []);
  });

  it('never overwrites, never leaves its folder, and writes each one down', async () => {
    const audit = new AuditLog();
    const fields = { allow: true, folder: 'out', file: 'payload', fileType: 'msg' };
    const bench = await complete('files', audit, node('keyway-export', fields));
    const folder = join(userDir(), 'out');
    const first = await result(bench, 'export', { payload: 'doors.csv' });
    assert.deepEqual([first.payload.file, first.payload.count], [join(folder, 'doors.csv'), 1]);
    const { session } = first.payload;
    assert.equal(await bench.failure('export', { payload: 'doors.csv' }), 'EXPORT_EXISTS');
    for (const name of ['../doors.csv', '/tmp/doors.csv', '.doors', 'a\0b', 'a/b']) {
      assert.equal(await bench.failure('export', { payload: name }), 'BAD_EXPORT_NAME', name);
    }
    // Without a name one is made, which is free.
    const base = `North-3rd-1-${session.slice(0, 8)}`;
    for (const name of [`${base}.csv`, `${base}-2.csv`]) {
      assert.equal((await result(bench, 'export', { payload: '' })).payload.file, join(folder, name));
    }
    assert.deepEqual(readdirSync(folder).sort(), [`${base}-2.csv`, `${base}.csv`, 'doors.csv']);
    assert.deepEqual(
      audit.of('osdp.export').map(({ format, count, slot, to, provisioner }) => [format, count, slot, to, provisioner]),
      ['doors.csv', `${base}.csv`, `${base}-2.csv`].map((name) => ['csv', 1, 1, join(folder, name), 'gateway files']),
    );
    const key = readFileSync(join(folder, 'doors.csv'), 'utf8').trim().split(',').at(-1) as string;
    assert.equal(JSON.stringify(audit.records).includes(key), false);
    assert.equal(shown(bench).includes(key), false);
  });

  it('refuses a folder that others may write to', async () => {
    const audit = new AuditLog();
    mkdirSync(join(userDir(), 'open'), { mode: 0o777 });
    const bench = await complete('open', audit, node('keyway-export', { allow: true, folder: 'open' }));
    chmodSync(join(userDir(), 'open'), 0o777);
    assert.equal(await bench.failure('export', {}), 'EXPORT_FOLDER');
    assert.deepEqual(readdirSync(join(userDir(), 'open')), []);
    assert.deepEqual(audit.of('osdp.export'), []);
  });

  it('can be asked for by POST, into the folder of the node alone', async () => {
    const audit = new AuditLog();
    const bench = await complete('post', audit, node('keyway-export', { allow: true }));
    const post = (body: Msg, host = 'localhost') => request().post(PATH).set('Host', host).send(body);
    const { body } = await post({ node: 'export', slot: 1, format: 'json', file: 'a.json' }).expect(200);
    assert.deepEqual([body.file, body.count], [join(userDir(), 'keyway', 'exports', 'a.json'), 1]);
    assert.equal(JSON.parse(readFileSync(body.file, 'utf8')).scbks[0].pdAddress, address);
    assert.equal(audit.of('osdp.export')[0]?.by, 'http');
    const refused = async (ask: Msg): Promise<string> =>
      (await post({ node: 'export', slot: 1, ...ask }).expect(400)).body.code;
    assert.equal(await refused({ file: 'a.json', format: 'json' }), 'EXPORT_EXISTS');
    assert.equal(await refused({ file: '../a.json' }), 'BAD_EXPORT_NAME');
    assert.equal(await refused({ format: 'xml' }), 'BAD_FIELD');
    assert.equal(await refused({ slot: 'first' }), 'BAD_FIELD');
    assert.equal(await refused({ slot: 2 }), 'SLOT_EMPTY');
    assert.equal(await refused({ node: 'step' }), 'BAD_FIELD');
    assert.equal((await post({ node: 'export', slot: 1 }, 'evil.example').expect(403)).body.code, 'FOREIGN_ORIGIN');
    assert.equal(bench.caught.messages.length, 0);
  });
});
