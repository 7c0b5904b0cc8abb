import assert from 'node:assert/strict';
import { realClock } from '../../../lib/osdp/index.ts';

describe('the clock of the OSDP panel', () => {
  for (const [coarse, ms] of [
    [false, 0.2],
    [false, 6],
    [true, 3],
  ] as const) {
    it(`calls back ${coarse ? 'coarsely' : 'precisely'} after ${ms} ms, never before and never at once`, async () => {
      const time = realClock.now() + ms;
      let called = false;
      const done = new Promise<number>((resolve) => {
        realClock.at(time, () => resolve(realClock.now()), coarse);
        called = true;
      });
      assert.ok(called);
      assert.ok((await done) >= time);
    });
  }

  it('can be called off', async () => {
    let called = 0;
    const time = realClock.now() + 4;
    for (const [wait, coarse] of [
      [0, false],
      [4, false],
      [4, true],
    ] as const) {
      realClock.at(time - 4 + wait, () => called++, coarse)();
    }
    await new Promise<void>((resolve) => {
      realClock.at(time + 4, resolve, true);
    });
    assert.equal(called, 0);
  });
});
