import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { PlanTerms, SlotSeed, StepPlan } from '../../../../lib/osdp/provisioner/types.ts';
import { openKeystore } from '../../../../lib/vault/index.ts';
import { DeviceBench, HOST, newKey, OK, OTHER, SILENT, steps, TERMS } from './device-support.ts';
import { findsSecret } from './store-support.ts';

describe('the slots of a provisioner', () => {
  let bench: DeviceBench;
  beforeEach(async () => {
    bench = await DeviceBench.start();
    bench.attach();
  });
  afterEach(() => bench.close());

  const states = () => bench.device.slots().map(({ state }) => state);

  it('lists every slot and the live queue in one go', async () => {
    await bench.seal(3, steps(4));
    await bench.device.verb(3, 1, 'skip');
    const list = bench.device.slots();
    assert.deepEqual(
      list.map(({ slot }) => slot),
      [1, 2, 3, 4, 5, 6, 7, 8, 'live'],
    );
    const { name, state, total, provisioned, failed, skipped, seq } = list[2] ?? {};
    assert.deepEqual([name, state, total, provisioned, failed, skipped, seq], ['door row', 'ready', 4, 0, 0, 1, 1]);
  });

  it('holds 126 steps and no more', async () => {
    const { device } = bench;
    await device.begin(1, TERMS, newKey(), HOST);
    await device.addSteps(1, steps(126), HOST);
    await assert.rejects(device.addSteps(1, [{ address: 0, baudRate: 9600 }], HOST), { code: 'BAD_PLAN' });
    assert.equal((await device.seal(1, HOST)).total, 126);
  });

  it('forgets a plan that its host did not seal', async () => {
    const { device } = bench;
    await device.begin(1, TERMS, newKey(), HOST);
    await device.addSteps(1, steps(2), HOST);
    assert.equal(device.open(1).steps.length, 2);
    bench.detach();
    assert.equal(states()[0], 'empty');
    bench.attach();
    await device.begin(1, TERMS, newKey(), HOST);
    await device.abandon(1);
    assert.equal(states()[0], 'empty');
    await device.begin(1, TERMS, newKey(), HOST);
    await bench.cut();
    assert.equal(states()[0], 'empty');
    assert.ok(
      [...bench.disk.content.keys()].every((name) => name.startsWith('device.log')),
      'nothing was written',
    );
  });

  it('refuses what a slot is not ready for, and says so by a code', async () => {
    const { device } = bench;
    const refused = (work: Promise<unknown>, code: string) => assert.rejects(work, { code });
    for (const slot of [0, 9, -1, 1.5]) {
      await refused(device.begin(slot, TERMS, newKey(), HOST), 'SLOT_OUT_OF_RANGE');
      assert.throws(() => device.open(slot), { code: 'SLOT_OUT_OF_RANGE' });
    }
    for (const work of [
      () => device.verb(1, 0, 'try'),
      () => device.cancel(1),
      () => device.remove(1, null, HOST),
      () => device.seed(1, HOST),
      () => device.exported(1, 'x'),
      () => device.closeLive(),
      () => device.quick({ address: 1, baudRate: 9600 }),
    ]) {
      await refused(work(), 'SLOT_EMPTY');
    }
    await refused(device.addSteps(1, steps(1), HOST), 'SLOT_STATE');
    await refused(device.seal(1, HOST), 'SLOT_STATE');
    await device.abandon(1);
    await device.begin(1, TERMS, newKey(), HOST);
    await refused(device.begin(1, TERMS, newKey(), HOST), 'SLOT_OCCUPIED');
    await refused(device.addSteps(1, steps(1), OTHER), 'NOT_YOUR_SLOT');
    await refused(device.seal(1, OTHER), 'NOT_YOUR_SLOT');
    await refused(device.seal(1, HOST), 'BAD_PLAN');
    await refused(device.verb(1, 0, 'try'), 'SLOT_STATE');
    await device.addSteps(1, steps(1), HOST);
    await device.seal(1, HOST);
    await refused(device.begin(1, TERMS, newKey(), HOST), 'SLOT_OCCUPIED');
    await refused(device.addSteps(1, steps(1, 9), HOST), 'SLOT_STATE');
    await refused(device.abandon(1), 'SLOT_STATE');
    await refused(device.exported(1, bench.device.open(1).summary.session ?? ''), 'SLOT_NOT_COMPLETE');
  });

  const BAD_TERMS: Partial<Record<keyof PlanTerms, readonly unknown[]>> = {
    name: ['', 'x'.repeat(65), 7],
    bus: ['ring', null],
    factory: [
      { address: 127, baudRate: 9600 },
      { address: 0, baudRate: 9601 },
    ],
    capabilities: [['LED?'], ['led', 'teleport'], 'led', Array.from({ length: 65 }, () => 'led')],
    timeoutMs: [-1, 0.5, 600_001, Number.NaN],
    autoVerify: ['yes'],
    autonomous: [1],
    armingHours: [0, 169, Number.NaN],
  };
  for (const [field, values] of Object.entries(BAD_TERMS)) {
    it(`refuses terms with a bad ${field}`, async () => {
      for (const value of values) {
        const terms = { ...TERMS, [field]: value } as PlanTerms;
        await assert.rejects(bench.device.begin(1, terms, newKey(), HOST), { code: 'BAD_PLAN' }, String(value));
      }
      assert.equal(states()[0], 'empty');
    });
  }

  it('refuses bad steps and bad seeds', async () => {
    const { device } = bench;
    const bad: Partial<Record<string, unknown>>[] = [{ seed: new Uint8Array(15) }, { session: 'XY' }, { kdf: 'md5' }];
    for (const one of bad) {
      const key = { ...newKey(), ...one } as Omit<SlotSeed, 'slot'>;
      await assert.rejects(device.begin(1, TERMS, key, HOST), { code: 'BAD_PLAN' });
    }
    const taken = await bench.seal(2);
    await assert.rejects(device.begin(1, TERMS, { ...newKey(), session: taken.session }, HOST), { code: 'BAD_PLAN' });
    await device.begin(1, TERMS, newKey(), HOST);
    const lists: Partial<StepPlan>[][] = [
      [{ address: 127 }],
      [{ address: -1 }],
      [{ baudRate: 14400 }],
      [{ serial: 'abc' }],
      [{ address: 5 }, { address: 5 }],
      [{ serial: '00000001' }, { address: 6, serial: '00000001' }],
    ];
    for (const list of lists) {
      const plan = list.map((one) => ({ address: 5, baudRate: 9600, ...one }));
      await assert.rejects(device.addSteps(1, plan, HOST), { code: 'BAD_PLAN' }, JSON.stringify(list));
    }
    assert.equal(device.open(1).steps.length, 0);
  });

  it('offers the modes that it was started with', async () => {
    await bench.close();
    bench = await DeviceBench.start({ modes: ['live'], slots: 3 });
    assert.deepEqual(bench.device.status().modes, ['live']);
    assert.deepEqual(
      bench.device.slots().map(({ slot }) => slot),
      ['live'],
    );
    await assert.rejects(bench.device.begin(1, TERMS, newKey(), HOST), { code: 'MODE_UNSUPPORTED' });
    await bench.close();
    bench = await DeviceBench.start({ modes: ['offline'], slots: 3 });
    assert.equal(bench.device.slots().length, 3);
    await assert.rejects(bench.device.beginLive(TERMS, newKey(), HOST), { code: 'MODE_UNSUPPORTED' });
    await assert.rejects(bench.device.quick({ address: 1, baudRate: 9600 }), { code: 'MODE_UNSUPPORTED' });
  });

  it('keeps a plan in a slot that the settings took away', async () => {
    await bench.seal(7);
    await bench.cut(bench.disk.content, { slots: 2 });
    assert.equal(bench.device.status().limits.slots, 7);
    assert.equal(states()[6], 'ready');
  });

  describe('delete', () => {
    /** Nothing opens the seed any more, and nothing comes back. */
    async function gone(slot: number): Promise<void> {
      assert.equal(bench.device.slots()[slot - 1]?.state, 'empty');
      assert.ok([...bench.disk.content.keys()].every((name) => name.startsWith('device.log')));
      await bench.cut();
      assert.equal(bench.device.slots()[slot - 1]?.state, 'empty');
      await bench.seal(slot);
    }

    it('is legal in staging', async () => {
      await bench.device.begin(1, TERMS, newKey(), HOST);
      await bench.device.remove(1, null, HOST);
      assert.equal(states()[0], 'empty');
    });

    it('is legal in ready, with no attempt made', async () => {
      await bench.seal(1);
      await bench.device.remove(1, null, HOST);
      await gone(1);
    });

    it('ends an attempt first', async () => {
      const { session } = await bench.seal(1);
      await bench.device.verb(1, 0, 'try');
      const { run } = await bench.attempt();
      // A key may have left: the session must be named.
      await assert.rejects(bench.device.remove(1, null, HOST), { code: 'SESSION_MISMATCH' });
      assert.equal(run.signal.aborted, false);
      await bench.device.remove(1, session, HOST);
      assert.ok(run.signal.aborted);
      await gone(1);
    });

    it('takes words back that wait', async () => {
      await bench.seal(1);
      await bench.seal(2, steps(2, 20));
      await bench.device.verb(1, 0, 'try');
      const { end } = await bench.attempt();
      await bench.device.verb(2, 0, 'try');
      await bench.device.remove(2, null, HOST);
      end({});
      await bench.settle();
      assert.equal(bench.attempts.length, 0);
    });

    it('is legal after failures that keyed nobody', async () => {
      await bench.seal(1);
      await bench.device.verb(1, 0, 'try');
      (await bench.attempt()).end(SILENT);
      await bench.settle();
      await bench.device.remove(1, null, HOST);
      await gone(1);
    });

    it('of keyed readers that were never exported must name the session', async () => {
      const { session } = await bench.seal(1, steps(1));
      await bench.device.verb(1, 0, 'try');
      (await bench.attempt()).end(OK);
      await bench.settle();
      assert.equal(states()[0], 'complete');
      await assert.rejects(bench.device.remove(1, null, HOST), { code: 'SESSION_MISMATCH' });
      await assert.rejects(bench.device.remove(1, newKey().session, HOST), { code: 'SESSION_MISMATCH' });
      await bench.device.remove(1, session, HOST);
      await gone(1);
    });

    it('of exported keys need not, until one more reader is keyed', async () => {
      const { session } = await bench.seal(1, steps(1));
      await bench.device.verb(1, 0, 'try');
      (await bench.attempt()).end(OK);
      await bench.settle();
      await assert.rejects(bench.device.exported(1, newKey().session), { code: 'SESSION_MISMATCH' });
      await bench.device.exported(1, session);
      assert.equal(bench.device.open(1).summary.exported, true);
      await bench.cut();
      assert.equal(bench.device.open(1).summary.exported, true);
      bench.attach();
      await bench.device.verb(1, 0, 'reset');
      await bench.device.verb(1, 0, 'try');
      (await bench.attempt()).end({ ...OK, keyVersion: 1 });
      await bench.settle();
      assert.equal(bench.device.open(1).summary.exported, false);
      await assert.rejects(bench.device.remove(1, null, HOST), { code: 'SESSION_MISMATCH' });
      await bench.device.verb(1, 0, 'reset');
      await bench.device.verb(1, 0, 'skip');
      await bench.device.exported(1, session);
      await bench.device.remove(1, null, HOST);
      await gone(1);
    });

    it('of exported keys must name it again when another key left and nobody knows whether it was taken', async () => {
      const { session } = await bench.seal(1, steps(1));
      await bench.device.verb(1, 0, 'try');
      (await bench.attempt()).end(OK);
      await bench.settle();
      await bench.device.exported(1, session);
      await bench.device.verb(1, 0, 'reset');
      await bench.device.verb(1, 0, 'try');
      (await bench.attempt()).end({ ...OK, outcome: 'no_response', keyVersion: null, maybeKeyed: 1 });
      await bench.settle();
      await assert.rejects(bench.device.remove(1, null, HOST), { code: 'SESSION_MISMATCH' });
      await bench.cut();
      await assert.rejects(bench.device.remove(1, null, HOST), { code: 'SESSION_MISMATCH' });
      assert.equal(bench.device.open(1).summary.exported, false);
    });

    it('leaves no file that, with the keystore, opens the seed', async () => {
      const key = await bench.seal(1);
      await bench.settle();
      const before = bench.disk.content;
      const marks = bench.disk.acts.length;
      await bench.device.remove(1, null, HOST);
      // The key file was overwritten where it lay and synced before its name went.
      const acts = bench.disk.acts.slice(marks).map(({ act }) => act);
      assert.deepEqual(acts.slice(0, 6), ['rename', 'sync-folder', 'write', 'sync', 'remove', 'sync-folder']);
      for (const bytes of [...before.values(), ...bench.disk.content.values()]) {
        assert.ok(!findsSecret(bytes, key.seed), 'the seed lies in clear');
      }
    });
  });

  describe('seed', () => {
    it('is read back by who sealed it, and each time a line tells of it first', async () => {
      const key = await bench.seal(1);
      const { seed, session, kdf } = await bench.device.seed(1, HOST);
      assert.deepEqual([Buffer.from(seed), session, kdf], [Buffer.from(key.seed), key.session, key.kdf]);
      const lines = (bench.disk.content.get('device.log') ?? '').toString().trim().split('\n');
      const told = lines.map((line) => JSON.parse(line) as { event: string; host?: { name: string } });
      assert.deepEqual(
        told.map(({ event, host }) => [event, host?.name]),
        [
          ['chain-begun', undefined],
          ['sealed', 'bench laptop'],
          ['seed-read', 'bench laptop'],
        ],
      );
      assert.equal(bench.log.filter(({ event }) => event === 'seed-read').length, 1);
    });

    it('is not read by another host, unless it is enrolled; that is logged too', async () => {
      await bench.close();
      let enrolled = false;
      bench = await DeviceBench.start({ isEnrolled: ({ id }) => enrolled && id === OTHER.id });
      const key = await bench.seal(1);
      await assert.rejects(bench.device.seed(1, OTHER), { code: 'NOT_YOUR_SLOT' });
      assert.match((bench.disk.content.get('device.log') ?? '').toString(), /"seed-denied"/);
      enrolled = true;
      assert.deepEqual(Buffer.from((await bench.device.seed(1, OTHER)).seed), Buffer.from(key.seed));
    });

    it('is sealed anew when the keystore has another key, and the old file is overwritten where it lay', async () => {
      const names = ['KEYWAY_TEST_OLD', 'KEYWAY_TEST_NEW'];
      for (const name of names) process.env[name] = randomBytes(32).toString('hex');
      const [old, next] = names.map((environment) => ({ environment }));
      await bench.close();
      bench = await DeviceBench.start({ keystore: await openKeystore({ source: old as { environment: string } }) });
      const key = await bench.seal(1);
      await bench.settle();
      const before = bench.disk.content.get('slot-01.key');
      const both = await openKeystore({
        source: next as { environment: string },
        previous: [old as { environment: string }],
      });
      await bench.cut(bench.disk.content, { keystore: both });
      const after = bench.disk.content.get('slot-01.key') ?? Buffer.alloc(0);
      assert.equal(both.keyIdOf(after), both.keyId);
      const acts = bench.disk.acts.map(({ act }) => act);
      const anew = ['create', 'write', 'sync', 'rename', 'sync-folder', 'write', 'sync'];
      // The key of the log's chain, then that of the slot.
      const log = ['truncate', 'sync', 'write', 'sync'];
      assert.deepEqual(acts.slice(0, 18), [...anew, ...log, ...anew]);
      const [over] = bench.disk.acts.slice(16);
      assert.ok(over?.act === 'write' && before !== undefined && over.bytes.length === before.length);
      assert.ok(!over.bytes.equals(before));
      assert.deepEqual(Buffer.from((await bench.device.seed(1, HOST)).seed), Buffer.from(key.seed));
      both.close();
    });

    it('is not handed out when the line cannot be written', async () => {
      await bench.seal(1);
      bench.disk.trouble = (act) => (act.act === 'sync' ? 'ENOSPC' : undefined);
      await assert.rejects(bench.device.seed(1, HOST), { code: 'STORE_FULL' });
      bench.disk.trouble = () => undefined;
      await bench.device.seed(1, HOST);
      const log = (bench.disk.content.get('device.log') ?? '').toString();
      assert.equal(log.match(/seed-read/g)?.length, 1);
    });
  });

  it('lets one host in at a time, and tells who is there', async () => {
    assert.equal(bench.device.status().host?.name, HOST.name);
    assert.throws(() => bench.device.attach(OTHER, () => undefined), { code: 'HOST_ATTACHED' });
    const seen: (string | null)[] = [];
    const stop = bench.device.onStatus(({ host }) => seen.push(host?.name ?? null));
    bench.detach();
    bench.device.attach(OTHER, () => undefined)();
    stop();
    assert.deepEqual(seen, [null, OTHER.name, null]);
  });

  it('goes on when somebody who listens fails', async () => {
    bench.detach();
    bench.device.attach(HOST, () => {
      throw new Error('This host is broken.');
    });
    await bench.seal(1);
    await bench.device.verb(1, 0, 'try');
    (await bench.attempt()).end(OK);
    await bench.settle();
    assert.equal(bench.step(1, 0).state, 'success');
    assert.ok(bench.log.some(({ event, text }) => event === 'failure' && text === 'This host is broken.'));
  });

  it('refuses everything once it is closed', async () => {
    await bench.seal(1);
    await bench.device.close();
    await bench.device.close();
    await assert.rejects(bench.device.verb(1, 0, 'try'), { code: 'PROVISIONER_CLOSED' });
  });
});
