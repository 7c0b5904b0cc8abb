import assert from 'node:assert/strict';
import { VirtualReader } from '../../../../lib/virtual/readers/index.ts';
import { EngineBench, PLAN, TERMS } from './engine-bench.ts';

describe('two new readers that are connected at nearly the same time', () => {
  let bench: EngineBench;
  afterEach(() => bench.close());

  /** @returns how the step ended, and whether both readers are at its place. */
  async function race(baudRate: number, replyMs: number, laterMs: number) {
    bench = await EngineBench.start();
    const first = bench.at.add({ id: { serial: 1 } });
    const second = new VirtualReader({ id: { serial: 2 }, replyMs });
    const plan = { ...PLAN, baudRate };
    const work = bench.begin({ terms: { ...TERMS, bus: 'multi' }, plan });
    await bench.at.clock.advance(laterMs);
    bench.at.bus.add(second);
    const { outcome, detail } = await bench.at.run(work);
    return { outcome, keyed: detail.keyed, both: first.address === plan.address && second.address === plan.address };
  }

  for (const [baudRate, replyMs] of [
    [9600, 120],
    [115200, 60],
  ] as const) {
    it(`are not ok when both went to the place of the step at ${baudRate} baud, however they came`, async () => {
      let together = 0;
      for (let laterMs = 0; laterMs < 900; laterMs += 15) {
        const { outcome, keyed, both } = await race(baudRate, replyMs, laterMs);
        if (both) {
          together++;
          assert.equal(outcome, 'bus_collision', `${laterMs} ms later`);
          // What disturbed the move is looked into before a key leaves.
          if (baudRate === 115200) assert.equal(keyed, false, `${laterMs} ms later`);
        }
        await bench.close();
      }
      assert.ok(together > 0, 'they never went together');
    });
  }

  it('cost a reader that comes alone nothing', async () => {
    bench = await EngineBench.start();
    bench.at.add();
    const result = await bench.step({ terms: { ...TERMS, bus: 'multi' } });
    assert.deepEqual([result.outcome, result.detail.garbageBytes, bench.at.panel.line.unasked], ['ok', 0, 0]);
    assert.ok(bench.at.clock.now() < 1000, `${bench.at.clock.now()} ms`);
  });
});
