import assert from 'node:assert/strict';
import { openLink } from '../../../../lib/link/index.ts';
import { runStep } from '../../../../lib/osdp/provisioner/engine/index.ts';
import { ReaderBus, VirtualReader, type VirtualReaderOptions } from '../../../../lib/virtual/readers/index.ts';
import { derived } from './crash-model.ts';
import { DeviceBench, newKey, steps } from './device-support.ts';

let made = 0;

describe('a provisioner on a bus', () => {
  let bench: DeviceBench;
  let bus: ReaderBus;
  const keyed: number[] = [];

  beforeEach(async () => {
    keyed.length = 0;
    bench = await DeviceBench.start({ run: runStep });
    bus = new ReaderBus({ name: `provisioner-bus-${++made}`, clock: bench.clock });
    bench.openPort = () => openLink(`virtual:${bus.name}`, { owner: 'test', baudRate: 9600 });
  });
  afterEach(async () => {
    await bench.clock.run(bench.close());
    bus.close();
  });

  function connect(serial: number, key: Uint8Array | null = null, options: VirtualReaderOptions = {}): VirtualReader {
    const reader = new VirtualReader({ address: 0, id: { serial }, key, ...options });
    reader.on('keyed', () => keyed.push(serial));
    bus.add(reader);
    return reader;
  }

  async function until(done: () => boolean, what: string): Promise<void> {
    for (let i = 0; i < 600 && !done(); i++) await bench.clock.advance(100);
    assert.ok(done(), `never: ${what}`);
  }

  const states = () => bench.device.open(1).steps.map(({ state }) => state);

  it('commissions readers as they are connected, while nobody is there', async () => {
    const key = newKey();
    await bench.seal(1, steps(3), { autonomous: true }, key);
    await bench.clock.advance(60_000);
    assert.deepEqual([states(), bench.step(1, 0).attempts], [['pending', 'pending', 'pending'], 0]);
    for (let i = 0; i < 3; i++) {
      const reader = connect(100 + i);
      await until(() => states()[i] === 'success', `step ${i}`);
      const { identity, keyVersion, attempts, outcome } = bench.step(1, i);
      assert.deepEqual([identity?.serial, keyVersion, attempts, outcome], [`0000006${4 + i}`, 0, 1, 'ok']);
      assert.ok(reader.holdsKey(Buffer.from(derived(key, i + 1, 0), 'hex')));
    }
    assert.equal(bench.device.open(1).summary.state, 'complete');
  });

  it('a failed step is left alone, and its reader does not stop the next one', async () => {
    await bench.seal(1, steps(2), { autonomous: true });
    const stranger = connect(1, Buffer.from('8f1c44e2075b93d8216abe05f73c904d', 'hex'));
    await until(() => states()[0] === 'failure', 'the stranger is refused');
    assert.equal(bench.step(1, 0).outcome, 'scbk_rejected');
    await bench.clock.advance(30_000);
    assert.deepEqual([states(), bench.step(1, 0).attempts], [['failure', 'pending'], 1]);
    bus.remove(stranger);
    connect(2);
    await until(() => states()[1] === 'success', 'the next reader');
    assert.deepEqual([states(), keyed], [['failure', 'success'], [2]]);
  });

  it('a reader that was keyed when the power went is ok without a second KEYSET', async () => {
    const key = newKey();
    await bench.seal(1, steps(2), { autonomous: true }, key);
    const reader = connect(7);
    await until(() => keyed.length === 1, 'KEYSET');
    assert.equal(states()[0], 'attempting');
    await bench.cut(bench.disk.content, { run: runStep });
    assert.deepEqual([bench.step(1, 0).state, bench.step(1, 0).outcome], ['pending', 'interrupted']);
    await until(() => states()[0] === 'success', 'the step');
    const { attempts, detail, keyVersion } = bench.step(1, 0);
    assert.deepEqual([attempts, detail?.keyedBefore, keyVersion, keyed], [2, true, 0, [7]]);
    assert.ok(reader.holdsKey(Buffer.from(derived(key, 1, 0), 'hex')));
  });

  it('after a reset, the same reader keeps its key and another one gets another', async () => {
    const key = newKey();
    bench.attach();
    await bench.seal(1, steps(1), {}, key);
    const first = connect(7);
    const verb = (word: 'try' | 'reset') => bench.clock.run(bench.device.verb(1, 0, word));
    await verb('try');
    await until(() => states()[0] === 'success', 'the first');
    await verb('reset');
    await verb('try');
    await until(() => states()[0] === 'success', 'the same again');
    assert.deepEqual([keyed, bench.step(1, 0).keyVersion, bench.step(1, 0).detail?.keyedBefore], [[7], 0, true]);
    bus.remove(first);
    const second = connect(8);
    await verb('reset');
    await verb('try');
    await until(() => states()[0] === 'success', 'the second');
    assert.deepEqual([keyed, bench.step(1, 0).keyVersion], [[7, 8], 1]);
    assert.ok(second.holdsKey(Buffer.from(derived(key, 1, 1), 'hex')));
    assert.ok(!second.holdsKey(Buffer.from(derived(key, 1, 0), 'hex')));
  });

  it('a reader that was keyed and takes the default key still is not keyed twice', async () => {
    bench.attach();
    await bench.seal(1, steps(1));
    connect(7, null, { personality: { locksLate: true } });
    await bench.clock.run(bench.device.verb(1, 0, 'try'));
    await until(() => keyed.length === 1, 'KEYSET');
    await bench.cut(bench.disk.content, { run: runStep });
    bench.attach();
    // The port of the one before is let go.
    await bench.clock.advance(5000);
    await bench.clock.run(bench.device.verb(1, 0, 'retry'));
    await until(() => states()[0] === 'success', 'the retry');
    assert.deepEqual([keyed, bench.step(1, 0).detail?.keyedBefore], [[7], true]);
  });

  it('one reader that does not say who it is fails one step, not all of them', async () => {
    const mute = { kind: 'lose', direction: 'reply', name: 'PDID', times: Number.POSITIVE_INFINITY } as const;
    bus.fault(mute);
    await bench.seal(1, steps(3), { autonomous: true });
    const broken = connect(7);
    await until(() => states()[0] === 'failure', 'the failure');
    await bench.clock.advance(60_000);
    assert.deepEqual(states(), ['failure', 'pending', 'pending']);
    assert.match(bench.step(1, 1).detail?.text ?? '', /take it off/);
    bus.remove(broken);
    await bench.clock.advance(10_000);
    const alike = connect(8);
    await until(() => states()[1] === 'failure', 'the failure of the next one');
    await bench.clock.advance(60_000);
    assert.deepEqual(states(), ['failure', 'failure', 'pending']);
    bus.remove(alike);
    bus.medium.faults.clear();
    connect(9);
    await until(() => states()[2] === 'success', 'a good one');
  });

  it('readers that all have the same number of no meaning are not taken for one that failed', async () => {
    await bench.seal(1, steps(2), { autonomous: true });
    const stranger = connect(0, Buffer.from('8f1c44e2075b93d8216abe05f73c904d', 'hex'));
    await until(() => states()[0] === 'failure', 'the stranger is refused');
    await bench.clock.advance(30_000);
    assert.deepEqual(states(), ['failure', 'pending']);
    bus.remove(stranger);
    await bench.clock.advance(5000);
    connect(0);
    await until(() => states()[1] === 'success', 'the next reader');
  });

  it('a pulled port fails the attempt under way, and the next one opens it again', async () => {
    bench.attach();
    await bench.seal(1, steps(1));
    connect(7);
    await bench.clock.run(bench.device.verb(1, 0, 'try'));
    await bench.clock.advance(150);
    bus.pull();
    await until(() => states()[0] === 'failure', 'the failure');
    assert.deepEqual([bench.step(1, 0).outcome, bench.device.status().bus.state], ['port_error', 'gone']);
    bus.plug(bus.name);
    await bench.clock.run(bench.device.verb(1, 0, 'retry'));
    await until(() => states()[0] === 'success', 'the retry');
    assert.equal(bench.device.status().bus.state, 'open');
  });
});
