import assert from 'node:assert/strict';
import { ReaderKeeper, type StepResult } from '../../../../lib/osdp/provisioner/engine/index.ts';
import type { ReaderIdentity } from '../../../../lib/osdp/provisioner/types.ts';
import { EngineBench, PLAN, type RunOptions, scbk } from './engine-bench.ts';

describe('a provisioning step that waits for its reader', () => {
  let bench: EngineBench;
  let found: number;
  let result: StepResult | undefined;
  afterEach(() => bench.close());

  async function wait(options: RunOptions = {}): Promise<void> {
    bench = await EngineBench.start();
    await go(options);
  }
  async function go(options: RunOptions = {}): Promise<void> {
    found = 0;
    result = undefined;
    const onFound = async (): Promise<void> => {
      found++;
    };
    bench
      .begin({ waitForReader: true, onFound, ...options })
      .then((one) => {
        result = one;
      })
      .catch((error: unknown) => assert.fail(error as Error));
    await bench.at.clock.advance(0);
  }

  it('begins its one attempt when one appears, however late', async () => {
    await wait({ terms: { timeoutMs: 2000 } });
    await bench.at.clock.advance(60_000);
    assert.deepEqual([result, found, bench.milestones], [undefined, 0, ['locate in-flight']]);
    const reader = bench.at.add();
    await bench.at.clock.advance(3000);
    assert.deepEqual([result?.outcome, result?.attempted, found], ['ok', true, 1]);
    assert.ok(bench.isDone(reader));
    assert.deepEqual(bench.milestones.slice(0, 3), ['locate in-flight', 'locate reached', 'comset in-flight']);
  });

  it('makes the attempt at once with one that is there', async () => {
    bench = await EngineBench.start();
    bench.at.add();
    await go();
    await bench.at.clock.advance(300);
    assert.deepEqual([result?.outcome, found], ['ok', 1]);
  });

  it('takes the reader that sits at its own place already', async () => {
    await wait({ earlierVersions: [0], again: true });
    await bench.at.clock.advance(5000);
    bench.at.add({ ...PLAN, key: scbk(17), personality: { secureOnly: 'all' } });
    await bench.at.clock.advance(3000);
    assert.deepEqual([result?.outcome, result?.detail.keyedBefore], ['ok', true]);
  });

  it('finds one that knows the checksum only', async () => {
    await wait();
    bench.at.add({ personality: { noCrc: true } });
    await bench.at.clock.advance(6000);
    assert.equal(result?.outcome, 'ok');
  });

  it('passes over readers at other places, collisions and noise', async () => {
    await wait();
    bench.at.add({ address: 40 });
    const two = [bench.at.add(), bench.at.add()];
    await bench.at.clock.advance(10_000);
    assert.deepEqual([result, found], [undefined, 0]);
    assert.match(bench.told.at(-1)?.text ?? '', /no valid frame/);
    assert.equal(bench.told.length, 2, 'it is said once');
    bench.at.bus.remove(two[1] as (typeof two)[0]);
    await bench.at.clock.advance(3000);
    assert.equal(result?.outcome, 'ok');
  });

  it('passes over a reader that has failed before', async () => {
    bench = await EngineBench.start();
    const refusing = bench.at.add({ personality: { comsetNak: 9 } });
    const failed = await bench.step();
    assert.equal(failed.outcome, 'comset_refused');
    await go({ passOver: [failed.identity as ReaderIdentity] });
    await bench.at.clock.advance(10_000);
    assert.deepEqual([result, found], [undefined, 0]);
    assert.match(bench.told.at(-1)?.text ?? '', /4B5759 10000000 failed in another step/);
    bench.at.bus.remove(refusing);
    bench.at.add({ id: { serial: 2 } });
    await bench.at.clock.advance(3000);
    assert.deepEqual([result?.outcome, (result as StepResult | undefined)?.identity?.serial], ['ok', '00000002']);
  });

  it('takes the reader that it is for, though it has failed in another step', async () => {
    bench = await EngineBench.start();
    bench.at.add();
    const failed = await bench.step({ plan: { serial: 'DEADBEEF' } });
    assert.equal(failed.outcome, 'wrong_serial');
    await go({ passOver: [failed.identity as ReaderIdentity], plan: { serial: '10000000' } });
    await bench.at.clock.advance(3000);
    assert.equal(result?.outcome, 'ok');
  });

  it('makes one attempt only, and the reader may fail it', async () => {
    await wait();
    bench.at.add({ personality: { keysetNak: 9 } });
    await bench.at.clock.advance(3000);
    assert.deepEqual([result?.outcome, result?.attempted, found], ['keyset_failed', true, 1]);
  });

  it('has made no attempt when it is cancelled or the port goes', async () => {
    for (const [end, outcome] of [
      [() => bench.abort.abort(), 'cancelled'],
      [() => bench.at.bus.pull(), 'port_error'],
    ] as const) {
      await wait();
      await bench.at.clock.advance(1234);
      end();
      await bench.at.clock.advance(1000);
      assert.deepEqual([result?.outcome, result?.attempted, found, result?.stage], [outcome, false, 0, 'locate']);
      if (outcome === 'cancelled') await bench.close();
    }
  });

  it('lets others talk on the bus meanwhile', async () => {
    await wait();
    const ran: number[] = [];
    for (let i = 0; i < 3; i++) void bench.at.panel.exclusive(async () => void ran.push(bench.at.clock.now()));
    await bench.at.clock.advance(3000);
    assert.equal(ran.length, 3);
    bench.abort.abort();
    await bench.at.clock.advance(1000);
  });

  it('goes back to the rate of its reader where others have changed it', async () => {
    bench = await EngineBench.start();
    bench.at.add();
    const result = await bench.step({ waitForReader: true, onFound: () => bench.at.panel.setBaudRate(57600) });
    assert.equal(result.outcome, 'ok');
  });

  it('hands on what the caller refuses with', async () => {
    bench = await EngineBench.start();
    bench.at.add();
    const failure = new Error('the disk is full');
    await assert.rejects(bench.step({ waitForReader: true, onFound: () => Promise.reject(failure) }), failure);
  });
});

describe('a keeper of the reader in hand', () => {
  let bench: EngineBench;
  let keeper: ReaderKeeper | undefined;
  afterEach(async () => {
    await bench.close();
    await keeper?.release();
    keeper = undefined;
  });
  const polls = () => bench.at.recorder.export().match(/"out"/g)?.length ?? 0;

  it('polls it at least every 2 s at its place, until it is let go', async () => {
    bench = await EngineBench.start();
    bench.at.add({ personality: { keysetNak: 9 } });
    const { place } = await bench.step();
    assert.deepEqual(place, PLAN);
    await bench.at.run(bench.at.panel.setBaudRate(9600));
    keeper = new ReaderKeeper(bench.at.panel);
    const before = polls();
    keeper.hold(place as typeof PLAN);
    await bench.at.clock.advance(20_000);
    assert.ok(polls() - before >= 10);
    assert.deepEqual([keeper.answers, bench.at.panel.baudRate], [true, 9600]);
    await keeper.release();
    const after = polls();
    await bench.at.clock.advance(5000);
    assert.equal(polls(), after);
  });

  it('counts a refusal as an answer, and sees a reader go', async () => {
    bench = await EngineBench.start();
    const reader = bench.at.add({ key: scbk(3), personality: { secureOnly: 'all' } });
    keeper = new ReaderKeeper(bench.at.panel, { everyMs: 500 });
    keeper.hold({ address: 0, baudRate: 9600 });
    await bench.at.clock.advance(1000);
    assert.equal(keeper.answers, true);
    bench.at.bus.remove(reader);
    await bench.at.clock.advance(1500);
    assert.equal(keeper.answers, false);
  });

  it('is heard by one that knows the checksum only', async () => {
    bench = await EngineBench.start();
    bench.at.add({ personality: { noCrc: true } });
    keeper = new ReaderKeeper(bench.at.panel, { everyMs: 500 });
    keeper.hold({ address: 0, baudRate: 9600 });
    await bench.at.clock.advance(3000);
    assert.equal(keeper.answers, true);
  });

  it('gives way to a step, and to another place', async () => {
    bench = await EngineBench.start();
    bench.at.add();
    keeper = new ReaderKeeper(bench.at.panel, { everyMs: 50 });
    keeper.hold({ address: 9, baudRate: 38400 });
    await bench.at.clock.advance(500);
    keeper.hold({ address: 0, baudRate: 9600 });
    await bench.at.clock.advance(500);
    assert.equal(keeper.answers, true);
    assert.equal((await bench.step()).outcome, 'ok');
  });

  it('ends with its port', async () => {
    bench = await EngineBench.start();
    keeper = new ReaderKeeper(bench.at.panel);
    keeper.hold(PLAN);
    bench.at.bus.pull();
    await bench.at.clock.advance(3000);
    await keeper.release();
    assert.equal(keeper.answers, undefined);
  });
});
