import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnProvisioner } from '../../lib/osdp/node.ts';
import { endProvisioners } from '../../nodes/shared/provisioner-child.ts';
import { fitting } from '../../nodes/shared/status.ts';
import { Bench, type FlowNode, request, stopFlow, unload } from './harness.ts';
import { bench as readersBench } from './osdp-flow.ts';
import { node, profile, provisionerOn, provisionerUserDir, result } from './provisioner-bench.ts';

/** What each node is told by the message. */
const nodes = (): FlowNode[] => [
  node('keyway-slots', { operation: 'what', operationType: 'msg' }),
  node('keyway-step', { operation: 'what', operationType: 'msg', steps: 'which', stepsType: 'msg' }),
  node('keyway-quick-step', { operation: 'what', operationType: 'msg' }),
  node('keyway-export', { allow: true }),
];

describe('the nodes of a provisioner refuse', function () {
  this.timeout(60_000);
  const userDir = provisionerUserDir();

  it('what a provisioner for live work alone does not do', async () => {
    const bench = await Bench.load([...provisionerOn('live-only', { addresses: '1' }, { modes: 'live' }), ...nodes()]);
    const list = await result(bench, 'slots', { what: 'list' });
    assert.deepEqual(
      list.payload.map(({ number }: { number: unknown }) => number),
      ['live'],
    );
    assert.equal(await bench.failure('slots', { what: 'import', payload: profile() }), 'MODE_UNSUPPORTED');
    assert.equal(await bench.failure('step', { what: 'try' }), 'SLOT_EMPTY');
    assert.equal(await bench.failure('export', { slot: { number: 'live' } }), 'SLOT_EMPTY');
    assert.equal(await bench.failure('quick-step', { what: 'step', step: { address: 127 } }), 'BAD_PROFILE_FIELD');
    assert.match(bench.caught.messages.at(-1)?.error.message, /"address" of the step .* 127/);
    const { payload } = await result(bench, 'quick-step', { what: 'step', step: { address: 1 } });
    assert.equal(payload.outcome, 'ok');
    assert.equal(await bench.failure('export', { slot: { number: 'live' } }), 'SLOT_NOT_COMPLETE');
    const opened = await result(bench, 'slots', { what: 'open', slot: { number: 'live' } });
    assert.deepEqual([opened.payload.total, bench.lastStatus('slots')?.text], [1, 'live · ready']);
  });

  it('what a provisioner for slots alone does not do, and slots that it has not', async () => {
    const bench = await Bench.load([...provisionerOn('slots-only', {}, { modes: 'offline' }), ...nodes()]);
    for (const msg of [{ what: 'step', step: { address: 1 } }, { what: 'begin' }]) {
      assert.equal(await bench.failure('quick-step', msg), 'MODE_UNSUPPORTED');
    }
    assert.equal(await bench.failure('quick-step', { what: 'close' }), 'SLOT_EMPTY');
    const json = (slot?: object) => ({
      what: 'import',
      payload: profile({ count: 1 }),
      ...(slot === undefined ? {} : { slot }),
    });
    assert.equal(await bench.failure('slots', json({ number: 9 })), 'SLOT_OUT_OF_RANGE');
    assert.equal(await bench.failure('slots', json({ number: 'live' })), 'BAD_FIELD');
    await result(bench, 'slots', json());
    assert.equal(bench.lastStatus('slots')?.text, '1 in slot 1');
    assert.equal(await bench.failure('slots', json({ number: 1 })), 'SLOT_OCCUPIED');
    assert.equal(await bench.failure('step', { what: 'retry', which: 0 }), 'VERB_NOT_LEGAL');
    assert.equal(await bench.failure('export', { slot: { number: 1 } }), 'SLOT_NOT_COMPLETE');
    assert.equal(await bench.failure('export', { slot: { number: 2 } }), 'SLOT_EMPTY');
    for (const slot of [9, 3, undefined]) {
      const code = { 9: 'SLOT_OUT_OF_RANGE', 3: 'SLOT_EMPTY' }[String(slot)] ?? 'BAD_FIELD';
      assert.equal(await bench.failure('slots', { what: 'delete', slot: { number: slot } }), code);
    }
    // A word that is no session id is a mistake of the flow, not of the link.
    assert.equal(await bench.failure('slots', { what: 'delete', slot: { number: 1, session: 'xx' } }), 'BAD_FIELD');
    const other = { number: 1, session: 'f'.repeat(32) };
    assert.equal(await bench.failure('slots', { what: 'delete', slot: other }), 'SESSION_MISMATCH');
    assert.equal((await result(bench, 'slots', { what: 'open' })).payload.state, 'ready');
  });

  it('to say that something was cancelled when nothing ran, and end a running step with its slot', async () => {
    const bench = await Bench.load([
      ...provisionerOn('deleted', { count: '1', addresses: '9' }),
      ...nodes(),
      node('keyway-slots', { id: 'delete', operation: 'delete', wires: [['progress']] }),
    ]);
    const { slot } = await result(bench, 'slots', { what: 'import', payload: profile({ bus: 'single' }) });
    const idle = await result(bench, 'step', { what: 'cancel' });
    assert.deepEqual([idle.payload, bench.lastStatus('step')?.text], [{ slot: 1, step: null }, 'nothing runs']);
    readersBench().unplug(readersBench().reader(9));
    bench.send('step', { what: 'try', job: 'gone' });
    await bench.progress.next(({ payload }) => payload.phase === 'locate');
    // A step that runs may key its reader: the session must be named.
    bench.send('delete', { slot });
    const ended = await bench.out.next(({ job }) => job === 'gone');
    assert.deepEqual([ended.payload.outcome, ended.payload.step], ['cancelled', 0]);
    await bench.progress.next(({ topic }) => topic === 'slots/delete');
    const status = await bench.status('step', ({ fill }) => fill === 'red');
    assert.equal(status.text, 'cancelled');
    assert.deepEqual(bench.caught.messages, []);
  });

  it('to call one fine that does not answer at the address in the dialog', async () => {
    await Bench.load([...provisionerOn('tested', { addresses: '1' }), ...nodes()]);
    const tested = (body: object) =>
      request()
        .post('/keyway/provisioner/test')
        .set('Host', 'localhost')
        .send({ id: 'provisioner', ...body });
    const { body } = await tested({ kind: 'embedded' }).expect(200);
    assert.deepEqual([body.attached, body.name, body.modes], [true, 'gateway tested', ['live', 'offline']]);
    // The dialog was changed since: the one that is deployed must not answer for it.
    const silent = await tested({ kind: 'link', address: 'tls:127.0.0.1:9' }).expect(400);
    assert.deepEqual([silent.body.code, /127\.0\.0\.1:9/.test(silent.body.message)], ['BAD_FIELD', true]);
    const fresh = await tested({ id: 'not deployed', kind: 'embedded' }).expect(400);
    assert.equal(fresh.body.code, 'PROVISIONER_NOT_SET');
    assert.match(fresh.body.message, /not deployed yet/);
  });

  it('to start in a folder where another one works, or with a wrong key, and go on when that is right', async () => {
    const readers = provisionerOn('store', { addresses: '1' });
    const flow = [...readers, ...nodes(), node('keyway-progress', { wires: [['progress']] })];
    const first = await Bench.load(flow);
    await result(first, 'slots', { what: 'import', payload: profile({ count: 1 }) });
    await stopFlow();
    await unload();
    await endProvisioners();

    const keyway = join(userDir(), 'keyway');
    const store = readdirSync(keyway).find((name) => name.startsWith('provisioner-')) as string;
    const key = { file: join(keyway, 'provisioner.key') };
    const other = await spawnProvisioner({
      port: 'tcp://127.0.0.1:9',
      store: join(keyway, store),
      socket: join(userDir(), 'other', 's.sock'),
      key,
    });
    try {
      const busy = await Bench.load(flow);
      assert.equal(await busy.failure('slots', { what: 'list' }), 'PROVISIONER_NOT_STARTED');
      const caught = await busy.caught.next(({ error }) => error.source.id === 'told');
      assert.match(caught.error.message, /STORE_BUSY/);
      await other.stop();
      // It is tried again by itself.
      await busy.status('told', ({ fill, text }) => fill === 'green' && text === 'connected');
      assert.equal((await result(busy, 'slots', { what: 'open' })).payload.state, 'ready');
    } finally {
      await other.stop();
    }
    await stopFlow();
    await unload();
    await endProvisioners();

    const wrong = join(userDir(), 'wrong.key');
    writeFileSync(wrong, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    const [readersNode, port, provisioner] = readers;
    const strange = { ...(provisioner as FlowNode), keyFile: wrong };
    const sealed = await Bench.load([readersNode as FlowNode, port as FlowNode, strange, ...nodes()]);
    assert.equal(await sealed.failure('slots', { what: 'list' }), 'PROVISIONER_NOT_STARTED');
    const { error } = await sealed.caught.next();
    assert.match(error.message, /KEYSTORE_WRONG_KEY/);
  });

  it('to cut the figures of a status off', () => {
    const text = ['114/126 ok · 12 failed', '114/126 · 12 failed'] as const;
    assert.equal(fitting(...text), text[1]);
    assert.equal(fitting('3/12 ok · 1 failed', '3/12 · 1 failed'), '3/12 ok · 1 failed');
  });
});
