import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Personality } from '../../../../lib/virtual/readers/index.ts';
import { EngineBench, PLAN, scbk } from './engine-bench.ts';

const RUNS = Math.min(3000, Number(process.env.KEYWAY_FUZZ ?? 60));

/** Ways of a reader that a step may meet, and whether it can be commissioned. */
const natures: readonly [Partial<Personality>, boolean][] = [
  [{}, true],
  [{ defaultChallenge: 'silence' }, true],
  [{ defaultChallenge: 'own-key', keysetAck: 'plain' }, true],
  [{ keysetAck: 'dropped', badCheck: 'nak' }, true],
  [{ secureOnly: 'always' }, true],
  [{ locksLate: true }, true],
  [{ losesCom: true, silentUntilPolled: true }, true],
  [{ staysOpen: true }, false],
  [{ staysOpen: true, keysetAck: 'dropped' }, false],
  [{ forgetsKey: true }, false],
  [{ wrongRmac: 'own-key' }, false],
];

const losses = fc.array(
  fc.record({
    direction: fc.constantFrom('command' as const, 'reply' as const),
    kind: fc.constantFrom('lose' as const, 'damage' as const),
    after: fc.integer({ min: 0, max: 45 }),
    times: fc.constantFrom(1, 1, 1, 2, 4, 60),
  }),
  { maxLength: 8 },
);

describe('what a provisioning step says', () => {
  it('is true whatever frames are lost, and the next attempt ends as the reader allows', async function () {
    if (RUNS > 60) this.timeout(600_000);
    let bench: EngineBench | undefined;
    try {
      await fc.assert(
        fc.asyncProperty(
          losses,
          fc.constantFrom(...natures),
          fc.constantFrom('single' as const, 'multi' as const),
          fc.option(fc.integer({ min: 5, max: 1500 }), { nil: undefined }),
          async (faults, [personality, canBeDone], bus, cancelAt) => {
            bench = await EngineBench.start();
            const reader = bench.at.add({ personality });
            let keyings = 0;
            reader.on('keyed', () => keyings++);
            for (const fault of faults) bench.at.bus.fault(fault);
            if (cancelAt !== undefined) bench.at.clock.at(cancelAt, () => bench?.abort.abort());
            const result = await bench.step({ terms: { bus } });
            const { outcome, detail, keyVersion, maybeKeyed } = result;
            const holds = reader.holdsKey(scbk(PLAN.address));
            if (outcome === 'ok') assert.ok(bench.isDone(reader), 'ok is no lie');
            if (keyVersion !== null) assert.ok(holds, 'the reader holds what it is said to hold');
            if (detail.keyed === false) assert.ok(!holds, 'it holds none where none is said');
            if (holds) assert.ok(keyVersion === 0 || maybeKeyed === 0, 'a key that was taken is known of');
            if (maybeKeyed !== null) assert.equal(bench.journal.length, 1);
            const { frames } = bench.at.bus.stats;
            await bench.at.clock.advance(500);
            assert.equal(bench.at.bus.stats.frames, frames, 'nothing is said after the end');

            bench.at.bus.medium.faults.clear();
            const second = await bench.step({ terms: { bus }, again: true, signal: new AbortController().signal });
            assert.equal(second.outcome === 'ok', canBeDone, second.detail.text);
            if (second.outcome === 'ok') assert.ok(bench.isDone(reader));
            if (!personality.forgetsKey) assert.equal(keyings, 1, 'it is keyed once');
            await bench.close();
          },
        ),
        { numRuns: RUNS },
      );
    } finally {
      await bench?.close();
    }
  });
});
