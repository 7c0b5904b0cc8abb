import assert from 'node:assert/strict';
import { ManualClock, realClock } from '../../../lib/virtual/index.ts';

describe('virtual bench: clocks', () => {
  it('carries out what falls due, in order, and nothing before', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    clock.at(20, () => seen.push('b'));
    clock.at(10, () => {
      seen.push(`a${clock.now()}`);
      clock.at(15, () => seen.push(`c${clock.now()}`));
    });
    clock.at(20, () => seen.push('d'));
    clock.at(12, () => seen.push('never'))();
    await clock.advance(9);
    assert.deepEqual(seen, []);
    await clock.advance(11);
    assert.deepEqual(seen, ['a10', 'c15', 'b', 'd']);
    assert.equal(clock.now(), 20);
  });

  it('runs until a promise settles, and says when it never will', async () => {
    const clock = new ManualClock();
    assert.equal(
      await clock.run(
        new Promise((resolve) => {
          clock.at(1e5, () => resolve(clock.now()));
        }),
      ),
      1e5,
    );
    await assert.rejects(clock.run(new Promise(() => undefined)), /nothing to do/);
  });

  it('never calls back early or within the call', async () => {
    for (const ms of [0, 0.3, 4.2]) {
      const due = realClock.now() + ms;
      let inside = true;
      const at = await new Promise<number>((resolve) => {
        realClock.at(due, () => {
          assert.equal(inside, false);
          resolve(realClock.now());
        });
        inside = false;
      });
      assert.ok(at >= due);
    }
    realClock.at(realClock.now() + 1, () => assert.fail('called off'))();
  });
});
