import assert from 'node:assert/strict';
import { DeviceBench, OK, SILENT, steps, T0 } from './device-support.ts';

const HOUR = 3_600_000;

describe('a provisioner that is alone', () => {
  let bench: DeviceBench;
  beforeEach(async () => {
    bench = await DeviceBench.start();
  });
  afterEach(() => bench.close());

  const states = (slot = 1) => bench.device.open(slot).steps.map(({ state }) => state);

  it('goes on through pending steps in their order, one at a time', async () => {
    await bench.seal(1, steps(3), { autonomous: true });
    for (let i = 0; i < 3; i++) {
      const { run, end } = await bench.attempt();
      assert.deepEqual([run.plan.address, run.waitForReader], [i + 1, true]);
      assert.equal(bench.attempts.length, 0);
      assert.deepEqual([bench.step(1, i).state, bench.step(1, i).attempts], ['pending', 0]);
      await run.onFound?.();
      assert.deepEqual(
        [bench.step(1, i).state, bench.step(1, i).attempts],
        ['pending', 0],
        'told before it is written',
      );
      await run.beforeKeyset();
      assert.deepEqual([bench.step(1, i).state, bench.step(1, i).attempts], ['attempting', 1]);
      end(OK);
      await bench.settle();
    }
    assert.equal(bench.device.open(1).summary.state, 'complete');
    assert.equal(bench.attempts.length, 0);
  });

  it('never tries a failed step again, and passes its reader over', async () => {
    await bench.seal(1, steps(2), { autonomous: true });
    const first = await bench.attempt();
    await first.run.onFound?.();
    first.end({ ...OK, outcome: 'scbk_rejected', keyVersion: null });
    const second = await bench.attempt();
    assert.equal(second.run.plan.address, 2);
    assert.deepEqual(
      second.run.passOver?.map(({ serial }) => serial),
      ['10000001'],
    );
    await second.run.onFound?.();
    second.end(OK);
    await bench.settle();
    assert.deepEqual(states(), ['failure', 'success']);
    await bench.clock.advance(HOUR);
    assert.equal(bench.attempts.length, 0);
  });

  it('does not touch slots that are not autonomous, and takes autonomous ones in their order', async () => {
    await bench.seal(1, steps(1));
    await bench.seal(3, steps(1, 30), { autonomous: true });
    await bench.settle();
    await bench.seal(2, steps(1, 20), { autonomous: true });
    const { run, end } = await bench.attempt();
    assert.equal(run.plan.address, 30, 'the wait that was under way');
    await run.onFound?.();
    end(OK);
    const next = await bench.attempt();
    assert.equal(next.run.plan.address, 20);
    await next.run.onFound?.();
    next.end(OK);
    await bench.settle();
    assert.deepEqual(
      [bench.attempts.length, states(1), states(2), states(3)],
      [0, ['pending'], ['success'], ['success']],
    );
  });

  it('stops waiting when a host comes, counts nothing, and goes on when it has gone', async () => {
    await bench.seal(1, steps(2), { autonomous: true });
    const { run } = await bench.attempt();
    run.onStage('locate', 'in-flight', { text: 'Waiting for a reader.' });
    bench.attach();
    await bench.settle();
    assert.ok(run.signal.aborted);
    assert.deepEqual([bench.step(1, 0).state, bench.step(1, 0).attempts, bench.step(1, 0).stage], ['pending', 0, null]);
    assert.equal(bench.attempts.length, 0);
    bench.detach();
    assert.equal((await bench.attempt()).run.plan.address, 1);
  });

  it('lets an attempt that has begun end by itself when a host comes', async () => {
    await bench.seal(1, steps(2), { autonomous: true });
    const { run, end } = await bench.attempt();
    await run.onFound?.();
    bench.attach();
    await bench.settle();
    assert.equal(run.signal.aborted, false);
    end(OK);
    await bench.settle();
    assert.deepEqual(states(), ['success', 'pending']);
    assert.equal(bench.attempts.length, 0);
  });

  it('does not begin with a reader that comes at the moment when a host does', async () => {
    await bench.seal(1, steps(1), { autonomous: true });
    const { run } = await bench.attempt();
    bench.attach();
    await assert.rejects(async () => await run.onFound?.());
    await bench.settle();
    assert.deepEqual([bench.step(1, 0).state, bench.step(1, 0).attempts], ['pending', 0]);
  });

  it('tells of the wait once, not at every look', async () => {
    await bench.seal(1, steps(1), { autonomous: true });
    const { run } = await bench.attempt();
    for (let i = 0; i < 50; i++) {
      run.onStage('locate', 'in-flight', { text: i % 2 === 0 ? 'Two readers answer.' : 'The reader is passed over.' });
      await bench.clock.advance(100);
    }
    await bench.settle();
    assert.deepEqual(
      bench.device.edges(1, 0).map(({ step }) => step.detail?.text),
      ['Two readers answer.', 'The reader is passed over.'],
    );
    await bench.clock.advance(60_000);
    run.onStage('locate', 'in-flight', { text: 'Two readers answer.' });
    assert.equal(bench.device.edges(1, 0).length, 3);
  });

  it('waits for the port when it is gone, and counts nothing', async () => {
    const open = bench.openPort;
    bench.openPort = async () => {
      throw Object.assign(new Error('The port is not there.'), { code: 'PORT_GONE' });
    };
    await bench.seal(1, steps(1), { autonomous: true });
    await bench.settle();
    assert.deepEqual([bench.device.status().bus.state, states()], ['gone', ['pending']]);
    bench.openPort = open;
    await bench.clock.advance(5000);
    await bench.attempt();
    assert.equal(bench.device.status().bus.state, 'open');
  });

  it('a port that is gone fails the attempt that a person asks for', async () => {
    bench.attach();
    bench.openPort = async () => {
      throw Object.assign(new Error('The port is not there.'), { code: 'PORT_UNREACHABLE' });
    };
    await bench.seal(1, steps(1));
    await bench.device.verb(1, 0, 'try');
    await bench.settle();
    assert.deepEqual([bench.step(1, 0).state, bench.step(1, 0).outcome], ['failure', 'port_error']);
  });

  describe('until its time is over', () => {
    it('ends the wait, and begins no other', async () => {
      await bench.seal(1, steps(2), { autonomous: true, armingHours: 2 });
      assert.equal(bench.device.open(1).summary.armedUntil, T0 + 2 * HOUR);
      const { run } = await bench.attempt();
      await bench.clock.advance(2 * HOUR - 1000);
      assert.equal(run.signal.aborted, false);
      await bench.clock.advance(2000);
      await bench.settle();
      assert.ok(run.signal.aborted);
      assert.equal(bench.attempts.length, 0);
      assert.deepEqual(states(), ['pending', 'pending']);
      bench.attach();
      await bench.device.verb(1, 0, 'try');
      await bench.attempt();
    });

    it('a clock that goes back does not prolong it', async () => {
      await bench.seal(1, steps(2), { autonomous: true, armingHours: 2 });
      await bench.attempt();
      await bench.clock.advance(1.5 * HOUR);
      bench.day -= 24 * HOUR;
      await bench.clock.advance(0.6 * HOUR);
      await bench.settle();
      await bench.cut();
      await bench.settle();
      assert.equal(bench.attempts.length, 0);
    });

    it('neither does one that starts anew after every power cut', async () => {
      await bench.seal(1, steps(2), { autonomous: true, armingHours: 2 });
      for (let i = 0; i < 4; i++) {
        await bench.attempt();
        await bench.clock.advance(0.5 * HOUR);
        bench.day -= 0.5 * HOUR;
        await bench.cut();
        await bench.settle();
      }
      assert.equal(bench.attempts.length, 0);
    });
  });

  describe('after a power cut', () => {
    it('goes on, with an interrupted step again, its attempt counted and its key known', async () => {
      await bench.seal(1, steps(2), { autonomous: true });
      const first = await bench.attempt();
      await first.run.onFound?.();
      await first.run.beforeKeyset();
      await bench.cut();
      const { run, end } = await bench.attempt();
      const { state, attempts, outcome } = bench.step(1, 0);
      assert.deepEqual([state, attempts, outcome], ['pending', 1, 'interrupted']);
      assert.deepEqual([run.plan.address, run.keyVersion, run.again], [1, 0, true]);
      assert.equal(bench.device.edges(1, 0).at(-1)?.cause, 'power');
      await run.onFound?.();
      end({ keyVersion: 0 });
      await bench.settle();
      assert.deepEqual([bench.step(1, 0).state, bench.step(1, 0).attempts], ['success', 2]);
    });

    it('leaves a step that a person had tried in another slot to a person', async () => {
      bench.attach();
      await bench.seal(1, steps(2));
      await bench.device.verb(1, 0, 'try');
      await bench.device.verb(1, 1, 'try');
      await bench.attempt();
      await bench.cut();
      await bench.settle();
      assert.deepEqual(
        bench.device.open(1).steps.map(({ state, outcome, queued }) => [state, outcome, queued]),
        [
          ['failure', 'interrupted', undefined],
          ['pending', null, undefined],
        ],
      );
      assert.equal(bench.attempts.length, 0);
      bench.attach();
      await bench.device.verb(1, 0, 'retry');
      assert.equal((await bench.attempt()).run.again, true);
    });

    it('shows no wait that is over', async () => {
      await bench.seal(1, steps(2), { autonomous: true, armingHours: 1 });
      const { run } = await bench.attempt();
      run.onStage('locate', 'in-flight', { text: 'Waiting for a reader.' });
      await bench.settle();
      assert.equal(bench.step(1, 0).stage, 'locate');
      bench.day += 2 * HOUR;
      await bench.cut();
      assert.deepEqual([bench.step(1, 0).stage, bench.step(1, 0).state], [null, 'pending']);
    });

    it('does the same at an orderly end, which tells it', async () => {
      await bench.seal(1, steps(2), { autonomous: true });
      const { run } = await bench.attempt();
      await run.onFound?.();
      await bench.device.close();
      assert.ok(run.signal.aborted);
      await bench.open();
      assert.deepEqual([bench.step(1, 0).outcome, bench.step(1, 0).attempts], ['interrupted', 1]);
      await bench.attempt();
    });
  });

  it('a step that is skipped while its reader is waited for is not begun', async () => {
    await bench.seal(1, steps(2), { autonomous: true });
    const { run } = await bench.attempt();
    await bench.device.verb(1, 0, 'skip');
    await assert.rejects(async () => await run.onFound?.());
    assert.equal(bench.step(1, 0).state, 'skipped');
    assert.equal((await bench.attempt()).run.plan.address, 2);
  });

  it('keeps the word of a person before its own work', async () => {
    await bench.seal(1, steps(1), { autonomous: true });
    await bench.seal(2, steps(1, 40));
    const { run } = await bench.attempt();
    // Not attached: a word that comes in the moment before it is.
    await bench.device.verb(2, 0, 'try');
    assert.ok(run.signal.aborted);
    const next = await bench.attempt();
    assert.deepEqual([next.run.plan.address, next.run.waitForReader], [40, false]);
    next.end(SILENT);
    assert.equal((await bench.attempt()).run.plan.address, 1);
    assert.equal(bench.device.open(2).summary.failed, 1);
  });
});
