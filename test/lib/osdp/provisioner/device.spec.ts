import assert from 'node:assert/strict';
import { DeviceBench, HOST, newKey, steps, TERMS } from './device-support.ts';

describe('the device side of a provisioner', () => {
  let bench: DeviceBench;
  beforeEach(async () => {
    bench = await DeviceBench.start();
  });
  afterEach(() => bench.close());

  it('takes a plan, does its steps and is complete', async () => {
    const { device } = bench;
    bench.attach();
    const key = newKey();
    await device.begin(2, TERMS, key, HOST);
    assert.equal(device.slots()[1]?.state, 'staging');
    await device.addSteps(2, steps(2), HOST);
    const sealed = await device.seal(2, HOST);
    assert.deepEqual([sealed.state, sealed.total, sealed.session], ['ready', 2, key.session]);
    await device.verb(2, 0, 'try');
    assert.equal(bench.step(2, 0).state, 'attempting');
    const first = await bench.attempt();
    first.run.onStage('comset', 'in-flight');
    await first.run.beforeKeyset();
    first.end({});
    await bench.settle();
    assert.deepEqual(
      bench.edges.map(({ seq, cause, step }) => [seq, cause, step.state, step.stage]),
      [
        [1, 'try', 'attempting', 'locate'],
        [2, 'attempt', 'attempting', 'comset'],
        [3, 'attempt', 'success', 'done'],
      ],
    );
    await device.verb(2, 1, 'skip');
    assert.equal(device.open(2).summary.state, 'complete');
  });
});
