import assert from 'node:assert/strict';
import { DeviceBench, HOST, newKey, OK, OTHER, SILENT, steps, TERMS } from './device-support.ts';

const at = (address: number) => ({ address, baudRate: 9600 });

describe('the live queue', () => {
  let bench: DeviceBench;
  beforeEach(async () => {
    bench = await DeviceBench.start();
    bench.attach();
  });
  afterEach(() => bench.close());

  it('tries each step as it comes, and is exportable once it is closed', async () => {
    const { device } = bench;
    const key = newKey();
    const begun = await device.beginLive(TERMS, key, HOST);
    assert.deepEqual([begun.slot, begun.state, begun.session, begun.total], ['live', 'ready', key.session, 0]);
    assert.equal(await device.quick(at(4)), 0);
    (await bench.attempt()).end(OK);
    await bench.settle();
    assert.equal(await device.quick(at(5)), 1);
    await assert.rejects(device.closeLive(), { code: 'SLOT_STATE' });
    await assert.rejects(device.exported('live', key.session), { code: 'SLOT_NOT_COMPLETE' });
    (await bench.attempt()).end(SILENT);
    await bench.settle();
    assert.deepEqual(
      bench.edges.map(({ seq, cause, step }) => [seq, cause, step.index, step.state]),
      [
        [1, 'quick', 0, 'attempting'],
        [2, 'attempt', 0, 'success'],
        [3, 'quick', 1, 'attempting'],
        [4, 'attempt', 1, 'failure'],
      ],
    );
    const closed = await device.closeLive();
    assert.deepEqual([closed.state, closed.provisioned, closed.failed], ['complete', 1, 1]);
    await assert.rejects(device.quick(at(6)), { code: 'SLOT_STATE' });
    await device.exported('live', key.session);
    assert.equal(device.open('live').summary.exported, true);
  });

  it('is on the disk before a key can leave', async () => {
    const { device } = bench;
    const key = newKey();
    await device.beginLive(TERMS, key, HOST);
    await bench.cut();
    assert.equal(bench.device.open('live').summary.session, key.session);
  });

  it('goes on with the session that it has, whoever begins it', async () => {
    const { device } = bench;
    const key = newKey();
    await device.beginLive(TERMS, key, HOST);
    const again = await device.beginLive({ ...TERMS, name: 'other' }, newKey(), OTHER);
    assert.deepEqual([again.session, again.name], [key.session, TERMS.name]);
    const { seed } = await device.seed('live', HOST);
    assert.deepEqual(Buffer.from(seed), Buffer.from(key.seed));
  });

  it('can be closed and exported by a host that died and came back', async () => {
    const key = newKey();
    await bench.device.beginLive(TERMS, key, HOST);
    await bench.device.quick(at(9));
    (await bench.attempt()).end(OK);
    await bench.settle();
    await bench.device.quick(at(10));
    const { run } = await bench.attempt();
    await run.beforeKeyset();
    await bench.cut();
    bench.attach();
    await bench.settle();
    assert.deepEqual(
      bench.device.open('live').steps.map(({ state, outcome }) => [state, outcome]),
      [
        ['success', 'ok'],
        ['failure', 'interrupted'],
      ],
    );
    await bench.device.verb('live', 1, 'retry');
    (await bench.attempt()).end(OK);
    await bench.settle();
    assert.equal((await bench.device.closeLive()).provisioned, 2);
    assert.deepEqual(Buffer.from((await bench.device.seed('live', HOST)).seed), Buffer.from(key.seed));
  });

  it('does not give way to another one while its keys were not exported', async () => {
    const { device } = bench;
    const key = newKey();
    await device.beginLive(TERMS, key, HOST);
    await device.quick(at(9));
    (await bench.attempt()).end(OK);
    await bench.settle();
    await device.closeLive();
    await assert.rejects(device.beginLive(TERMS, newKey(), HOST), { code: 'SLOT_OCCUPIED' });
    await device.exported('live', key.session);
    const next = newKey();
    assert.equal((await device.beginLive(TERMS, next, HOST)).session, next.session);
    assert.equal(device.open('live').steps.length, 0);
  });

  it('never gives one key to two readers at the same address', async () => {
    const { device } = bench;
    await device.beginLive(TERMS, newKey(), HOST);
    await device.quick(at(9));
    (await bench.attempt()).end(OK);
    await bench.settle();
    await device.quick(at(9));
    const { run, end } = await bench.attempt();
    assert.deepEqual([run.keyVersion, run.earlierVersions, run.again], [1, [0], false]);
    end({ ...OK, keyVersion: 1 });
    await bench.settle();
    await device.quick(at(9));
    const third = (await bench.attempt()).run;
    assert.deepEqual([third.keyVersion, third.earlierVersions], [2, [1, 0]]);
  });

  it('is reopened by a word to one of its steps', async () => {
    const { device } = bench;
    await device.beginLive(TERMS, newKey(), HOST);
    await device.quick(at(9));
    (await bench.attempt()).end(SILENT);
    await bench.settle();
    await device.closeLive();
    await device.verb('live', 0, 'retry');
    assert.equal(device.open('live').summary.state, 'ready');
  });

  it('shares the bus with the slots', async () => {
    const { device } = bench;
    await bench.seal(1, steps(1));
    await device.beginLive(TERMS, newKey(), HOST);
    await device.verb(1, 0, 'try');
    const { end } = await bench.attempt();
    await device.quick(at(9));
    assert.deepEqual([bench.step('live', 0).queued, bench.attempts.length], [true, 0]);
    end(OK);
    assert.equal((await bench.attempt()).run.plan.address, 9);
  });

  it('holds as many steps as it says', async () => {
    const { device } = bench;
    bench.always = async () => OK;
    await device.beginLive(TERMS, newKey(), HOST);
    for (let i = 0; i < device.status().limits.live; i++) await device.quick(at(i));
    await assert.rejects(device.quick(at(1)), { code: 'SLOT_STATE' });
  });

  it('refuses a bad step, and adds nothing', async () => {
    await bench.device.beginLive(TERMS, newKey(), HOST);
    await assert.rejects(bench.device.quick(at(127)), { code: 'BAD_PLAN' });
    assert.equal(bench.device.open('live').steps.length, 0);
  });

  it('is deleted like a slot', async () => {
    const key = newKey();
    await bench.device.beginLive(TERMS, key, HOST);
    await bench.device.quick(at(9));
    (await bench.attempt()).end(OK);
    await bench.settle();
    await assert.rejects(bench.device.remove('live', null, HOST), { code: 'SESSION_MISMATCH' });
    await bench.device.remove('live', key.session, HOST);
    assert.equal(bench.device.open('live').summary.state, 'empty');
    assert.ok([...bench.disk.content.keys()].every((name) => name.startsWith('device.log')));
  });
});
