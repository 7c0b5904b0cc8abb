import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { holderOf, openLink } from '../../lib/link/index.ts';
import { Bench, type Msg } from './harness.ts';
import { bench as readersBench } from './osdp-flow.ts';
import { node, profile, provisionerOn, provisionerUserDir, result, shown } from './provisioner-bench.ts';

describe('the nodes of a provisioner', function () {
  // Each test starts a provisioner of its own, as a process.
  this.timeout(60_000);
  const userDir = provisionerUserDir();

  it('commission a row in a loop of nodes alone, and export its keys into a file', async () => {
    const bench = await Bench.load([
      ...provisionerOn('row', { count: '3', addresses: '1, 2, 3' }),
      node('keyway-provisioning-plan', { count: '3', wires: [['slots']] }),
      node('keyway-slots', { operation: 'create', wires: [['step', 'out']] }),
      // What is done goes round again; the loop ends at the third output.
      node('keyway-step', { wires: [['step', 'out'], ['progress'], ['export']] }),
      node('keyway-export', { allow: true }),
    ]);
    bench.send('provisioning-plan', { job: 'row 1' });
    const [made, ...rest] = await Promise.race([bench.out.many(5), bench.caught.next().then((msg) => [msg])]);
    assert.equal(made?.error, undefined, JSON.stringify(made?.error));
    assert.equal(made?.topic, 'slots/create');
    const { number, state, total, session } = made.slot;
    assert.deepEqual([number, state, total, made.payload.steps.length], [1, 'ready', 3, 3]);
    const steps = rest.slice(0, 3);
    assert.deepEqual(
      steps.map(({ payload }) => [payload.outcome, payload.step, payload.address, payload.left]),
      [
        ['ok', 0, 1, 2],
        ['ok', 1, 2, 1],
        ['ok', 2, 3, 0],
      ],
    );
    assert.ok(steps.every(({ job, step }) => job === 'row 1' && step.vendor !== undefined));
    const exported = rest[3] as Msg;
    assert.deepEqual([exported.topic, exported.payload.count, exported.slot.exported], ['export/csv', 3, true]);
    const { file } = exported.payload;
    assert.equal(file, join(userDir(), 'keyway', 'exports', `readers-1-${session.slice(0, 8)}.csv`));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const [header, ...rows] = readFileSync(file, 'utf8').trimEnd().split('\n');
    assert.deepEqual([header, rows.length], ['pd_address,baudrate,scbk', 3]);
    for (const row of rows) {
      const [address, , key = ''] = row.split(',');
      const bytes = Buffer.from(key, 'hex');
      assert.ok(readersBench().reader(Number(address)).holdsKey(bytes), row);
      const seen = shown(bench);
      for (const form of [key, key.toLowerCase(), bytes.toString('base64'), JSON.stringify([...bytes])]) {
        assert.equal(seen.includes(form), false);
      }
    }
    assert.ok(readersBench().readers.every(({ isLocked }) => isLocked));
    assert.ok(bench.progress.messages.some(({ payload }) => payload.unit === 'stages' && payload.total === 8));
    assert.equal(bench.lastStatus('export')?.text, '3 keys');
  });

  it('give how a step ended as a result, and let a person decide', async () => {
    const bench = await Bench.load([
      ...provisionerOn('fail', { count: '1', addresses: '5' }),
      node('keyway-slots', { operation: 'import' }),
      node('keyway-step'),
      node('keyway-step', { id: 'retry', operation: 'retry' }),
      node('keyway-step', { id: 'skip', operation: 'skip' }),
      node('keyway-step', { id: 'reset', operation: 'reset', steps: '0', stepsType: 'num' }),
      node('keyway-export', { allow: true }),
    ]);
    await result(bench, 'slots', { payload: profile({ startAddress: 5 }) });
    assert.equal((await result(bench, 'step', { slot: { number: 1 } })).payload.outcome, 'ok');
    // The second reader is not there.
    const failed = await result(bench, 'step', {});
    assert.deepEqual([failed.payload.outcome, failed.payload.state, failed.slot.failed], ['no_response', 'failure', 1]);
    const status = await bench.status('step', ({ fill }) => fill === 'red');
    assert.deepEqual([status.shape, status.text], ['dot', 'no_response']);
    assert.equal(await bench.failure('export', {}), 'SLOT_NOT_COMPLETE');
    const none = await result(bench, 'step', {});
    assert.deepEqual([none.topic, none.payload.left, none.payload.failed], ['step/none', 0, 1]);
    const again = await result(bench, 'retry', {});
    assert.deepEqual([again.payload.outcome, again.payload.attempts], ['no_response', 2]);
    assert.equal(await bench.failure('step', { slot: { number: 7 } }), 'SLOT_EMPTY');
    const skipped = await result(bench, 'skip', {});
    assert.deepEqual([skipped.payload.outcome, skipped.slot.state], ['user_skipped', 'complete']);
    assert.equal((await result(bench, 'export', {})).payload.count, 1);
    const reset = await result(bench, 'reset', {});
    assert.deepEqual([reset.payload.state, reset.payload.attempts, reset.slot.state], ['pending', 0, 'ready']);
  });

  it('do a list of steps, or all, and sum them up', async () => {
    const bench = await Bench.load([
      ...provisionerOn('list', { count: '3', addresses: '1, 2, 4' }),
      node('keyway-slots', { operation: 'import' }),
      node('keyway-step', { steps: 'which', stepsType: 'msg' }),
    ]);
    await result(bench, 'slots', { payload: profile({ count: 4 }) });
    const two = await result(bench, 'step', { which: [3, 0] });
    assert.deepEqual(
      two.payload.steps.map((one: Msg) => [one.step, one.outcome]),
      [
        [3, 'ok'],
        [0, 'ok'],
      ],
    );
    assert.deepEqual([two.step.index, two.payload.left], [0, 2]);
    assert.equal(bench.lastStatus('step')?.text, '2/2 ok');
    const rest = await result(bench, 'step', { which: 'all' });
    assert.deepEqual(
      rest.payload.steps.map(({ outcome }: Msg) => outcome),
      ['ok', 'no_response'],
    );
    assert.equal((await bench.status('step', ({ fill }) => fill === 'red')).text, '1/2 ok · 1 failed');
    assert.equal(await bench.failure('step', { which: 0 }), 'VERB_NOT_LEGAL');
    for (const which of [[], [0, 0], [4], 'three', 1.5, { at: 1 }]) {
      assert.equal(await bench.failure('step', { which }), 'BAD_FIELD', JSON.stringify(which));
    }
  });

  it('end a step cleanly when they are told to', async () => {
    const bench = await Bench.load([
      ...provisionerOn('cancel', { count: '1', addresses: '9' }),
      node('keyway-slots', { operation: 'import' }),
      node('keyway-step'),
      node('keyway-step', { id: 'other', whenBusy: 'refuse', steps: '1', stepsType: 'num' }),
      node('keyway-progress', { kind: 'outcomes', wires: [['out']] }),
    ]);
    await result(bench, 'slots', { payload: profile({ bus: 'single' }) });
    readersBench().unplug(readersBench().reader(9));
    bench.send('step', { job: 'slow' });
    await bench.progress.next();
    assert.equal(await bench.failure('other', {}), 'BUSY');
    bench.send('step', { cancel: true, job: 'slow' });
    const caught = await bench.caught.next(({ job }) => job === 'slow');
    assert.equal(caught.error.code, 'CANCELLED');
    const told = await bench.out.next(({ topic }) => topic === 'step/failure');
    assert.deepEqual([told.payload.outcome, told.payload.step, told.backfill], ['cancelled', 0, false]);
  });

  it('do readers one by one in a live queue, whose keys can be exported', async () => {
    const bench = await Bench.load([
      ...provisionerOn('live', { count: '2', addresses: '0, 7' }),
      node('keyway-quick-step', { address: 'payload', bus: 'multi' }),
      node('keyway-quick-step', { id: 'close', operation: 'close' }),
      node('keyway-step', { operation: 'retry', slot: 'live', slotType: 'str' }),
      node('keyway-export', { allow: true, target: 'message', format: 'json' }),
      node('keyway-slots', { operation: 'delete' }),
      node('keyway-slots', { id: 'list', operation: 'list' }),
    ]);
    const one = await result(bench, 'quick-step', { payload: 12 });
    assert.deepEqual([one.payload.outcome, one.payload.slot, one.slot.number], ['ok', 'live', 'live']);
    assert.deepEqual([one.step.address, one.step.foundAt ?? one.step.detail.foundAt.address], [12, 0]);
    assert.equal((await result(bench, 'quick-step', { payload: 7 })).payload.outcome, 'ok');
    const none = await result(bench, 'quick-step', { payload: 50 });
    assert.deepEqual([none.payload.outcome, none.payload.step], ['no_response', 2]);
    assert.equal((await result(bench, 'step', {})).payload.attempts, 2);
    assert.equal(await bench.failure('export', {}), 'SLOT_NOT_COMPLETE');
    assert.equal(await bench.failure('slots', { slot: { number: 'live' } }), 'SESSION_MISMATCH');
    const closed = await result(bench, 'close', {});
    assert.deepEqual([closed.payload.state, closed.payload.provisioned], ['complete', 2]);
    const exported = await result(bench, 'export', {});
    const { kind, session_id, scbks } = JSON.parse(exported.payload);
    assert.deepEqual([kind, session_id], ['osprio-provisioned-scbks', one.slot.session]);
    for (const { pdAddress, scbkHex } of scbks) {
      assert.ok(readersBench().reader(pdAddress).holdsKey(Buffer.from(scbkHex, 'hex')));
    }
    const gone = await result(bench, 'slots', exported);
    assert.deepEqual([gone.slot.number, gone.slot.state], ['live', 'empty']);
    const list = (await result(bench, 'list', {})).payload;
    assert.deepEqual(
      list.map(({ number, state }: Msg) => [number, state]),
      [...[1, 2, 3, 4, 5, 6, 7, 8].map((number) => [number, 'empty']), ['live', 'empty']],
    );
  });

  it('tell every edge once and in order, and tables for a dashboard', async () => {
    const bench = await Bench.load([
      ...provisionerOn('tell', { count: '2', addresses: '1, 2' }),
      node('keyway-slots', { operation: 'import', table: true, wires: [['progress']] }),
      node('keyway-step', { steps: 'all', wires: [['progress'], [], []] }),
      node('keyway-progress', { id: 'edges', wires: [['out']] }),
      node('keyway-progress', { id: 'steps', kind: 'steps', slots: '1', wires: [['out']] }),
      node('keyway-progress', { id: 'slots-table', kind: 'slots', wires: [['out']] }),
      node('keyway-progress', { id: 'other', slots: '2, live', wires: [['caught']] }),
    ]);
    bench.send('slots', { payload: profile() });
    const { payload: table } = await bench.progress.next();
    assert.deepEqual(table[1], {
      slot: 1,
      step: 1,
      address: 2,
      baud: 9600,
      state: 'pending',
      attempts: 0,
      stage: '',
      outcome: '',
      text: '',
      reader: '',
    });
    bench.send('step', {});
    await bench.progress.next(({ topic }) => topic === 'step/try');
    const last = await bench.out.next(({ topic, payload }) => topic === 'steps' && payload[1]?.state === 'success');
    assert.deepEqual(
      last.payload.map(({ outcome, stage }: Msg) => [outcome, stage]),
      [
        ['ok', 'done'],
        ['ok', 'done'],
      ],
    );
    await bench.out.next(({ topic, payload }) => topic === 'slots' && payload[0]?.state === 'complete');
    const edges = bench.out.messages.filter(({ topic }) => topic.startsWith('step/'));
    const numbers = edges.map(({ payload }) => payload.seq as number);
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    );
    const stages = edges.filter(({ payload }) => payload.step === 1).map(({ payload }) => payload.stage);
    for (const stage of ['locate', 'challenge', 'keyset', 'lock-check', 'verify', 'auto-verify', 'done']) {
      assert.ok(stages.includes(stage), stage);
    }
    assert.deepEqual(bench.caught.messages, []);
    assert.equal(bench.lastStatus('edges')?.text, '2/2 ok');
  });

  it('own the port: nobody else of this Node-RED gets it', async () => {
    const bench = await Bench.load([...provisionerOn('own'), node('keyway-slots')]);
    await result(bench, 'slots', {});
    assert.equal(holderOf('virtual:own'), 'provisioner gateway own');
    await assert.rejects(openLink('virtual:own', { owner: 'x', baudRate: 9600 }), {
      code: 'PORT_BUSY',
      detail: { field: 'address', value: 'virtual:own', heldBy: 'provisioner gateway own' },
    });
  });
});
