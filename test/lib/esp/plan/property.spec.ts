import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isKeywayError } from '../../../../lib/errors/index.ts';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import { planErrors, planFlash } from '../../../../lib/esp/plan/index.ts';
import type { EraseRange, PlanStep, Region, RegionKind } from '../../../../lib/esp/types.ts';
import { imageSet } from './sets.ts';

const kinds: RegionKind[] = ['bootloader', 'otadata', 'app', 'nvs', 'data', 'merged'];
const sector = fc.integer({ min: 0, max: 40 }).map((n) => n * 0x1000);
const offset = fc.oneof({ weight: 20, arbitrary: sector }, { weight: 1, arbitrary: fc.double() });
const region: fc.Arbitrary<Region> = fc.record({
  offset,
  data: fc
    .tuple(fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 0, max: 255 }))
    .map(([n, b]) => new Uint8Array(n).fill(b)),
  name: fc.string({ minLength: 1, maxLength: 8 }),
  kind: fc.constantFrom(...kinds),
});
const erase: fc.Arbitrary<EraseRange> = fc.record({
  offset: sector,
  size: fc.integer({ min: 1, max: 12 }).map((n) => n * 0x1000),
  name: fc.string({ minLength: 1, maxLength: 8 }),
});

const ranks = ['erase', 'nvs', 'data', 'partition-table', 'app', 'otadata', 'merged', 'bootloader'];
const rank = (step: PlanStep) => Math.max(1, ranks.indexOf(step.kind));
const roundUp = (value: number) => Math.ceil(value / 0x1000) * 0x1000;

/** Which step touches each sector; fails when two do. */
function sectorMap(steps: readonly PlanStep[]): Map<number, PlanStep> {
  const map = new Map<number, PlanStep>();
  for (const step of steps) {
    for (let at = step.offset; at < step.offset + step.size; at += 0x1000) {
      assert.ok(!map.has(at), `two steps touch 0x${at.toString(16)}`);
      map.set(at, step);
    }
  }
  return map;
}

describe('planFlash, for any regions', () => {
  it('gives a coded error, or a plan that is whole, ordered and free of overlap', async () => {
    let planned = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(region, { maxLength: 5 }),
        fc.array(erase, { maxLength: 4 }),
        async (regions, ranges) => {
          const plan = await planFlash(imageSet(regions), { platform: nodePlatform, erase: ranges }).catch((error) => {
            assert.ok(isKeywayError(error) && error.code in planErrors, String(error));
            return null;
          });
          if (plan === null) return;
          planned++;
          const map = sectorMap(plan.steps);
          for (const one of regions) {
            const step = map.get(one.offset);
            const blank = one.kind === 'otadata' && one.data.every((byte) => byte === 0xff);
            assert.equal(step?.action, blank ? 'erase' : 'write', 'each region has its step');
            if (!blank) assert.deepEqual(step?.data, one.data);
          }
          for (const { offset: from, size } of ranges) {
            for (let at = from; at < from + roundUp(size); at += 0x1000)
              assert.ok(map.has(at), 'what is to be erased is');
          }
          for (const [i, step] of plan.steps.entries()) {
            const next = plan.steps[i + 1];
            if (next !== undefined) assert.ok(rank(step) <= rank(next) || step.kind === 'data', 'in order');
          }
        },
      ),
      { numRuns: 500 },
    );
    assert.ok(planned > 50, `only ${planned} were plans`);
  });
});
