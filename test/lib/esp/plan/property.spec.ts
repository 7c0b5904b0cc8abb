import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isKeywayError } from '../../../../lib/errors/index.ts';
import { decodePartitionTable } from '../../../../lib/esp/formats/partition-binary.ts';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import type { NvsRecipe } from '../../../../lib/esp/nvs/types.ts';
import {
  checkPlan,
  describePlan,
  type PlanOptions,
  placePlan,
  planErrors,
  planFlash,
} from '../../../../lib/esp/plan/index.ts';
import type { EraseRange, FlashPlan, PlanStep, Region, RegionKind } from '../../../../lib/esp/types.ts';
import { imageSet, tableBytes } from './sets.ts';

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

const ranks = ['erase', 'nvs-keys', 'nvs', 'partition-table', 'app', 'otadata', 'merged', 'bootloader'];
const rank = ({ kind }: PlanStep) => ranks.indexOf(kind === 'data' ? 'nvs' : kind);
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

/** What holds for every plan. */
function sound(plan: FlashPlan): Map<number, PlanStep> {
  checkPlan(plan);
  const map = sectorMap(plan.steps);
  for (const { name, offset: from, size } of plan.keeps) {
    for (let at = from; at < from + size; at += 0x1000) assert.ok(!map.has(at), `"${name}" is kept, and touched`);
  }
  for (const [i, step] of plan.steps.entries()) {
    const next = plan.steps[i + 1];
    if (next !== undefined) assert.ok(rank(step) <= rank(next), `${step.kind} before ${next.kind}`);
  }
  return map;
}

const coded = (error: unknown): null => {
  assert.ok(isKeywayError(error) && error.code in planErrors, String(error));
  return null;
};

describe('planFlash, for any regions', () => {
  it('gives a coded error, or a plan that is whole, ordered and free of overlap', async () => {
    let planned = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(region, { maxLength: 5 }),
        fc.array(erase, { maxLength: 4 }),
        async (regions, ranges) => {
          const plan = await planFlash(imageSet(regions), { platform: nodePlatform, erase: ranges }).catch(coded);
          if (plan === null) return;
          planned++;
          const map = sound(plan);
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
        },
      ),
      { numRuns: 500 },
    );
    assert.ok(planned > 50, `only ${planned} were plans`);
  });
});

const table = decodePartitionTable(tableBytes);
const labels = table.map(({ label }) => label);
const secret = 'canary-value';
const recipe: fc.Arbitrary<NvsRecipe> = fc.record({
  mode: fc.constantFrom('replace', 'merge'),
  items: fc.constant([
    { namespace: 'wifi', key: 'pass', encoding: 'string', value: secret } as const,
    { namespace: 'id', key: 'key', encoding: 'blob', handle: 'handle' } as const,
  ]),
  encryption: fc.constantFrom({ scheme: 'none' } as const, { scheme: 'hmac', handle: 'h' } as const),
});
/** Places in the table's partitions, so that most plans hold. */
const placed: fc.Arbitrary<Region> = fc
  .tuple(fc.constantFrom(...table), fc.integer({ min: 1, max: 6 }))
  .map(([{ label, offset: at, size, type, subtype }, sectors]) => ({
    offset: at,
    data: new Uint8Array(Math.min(size, sectors * 0x1000)).fill(sectors),
    name: `${label}.bin`,
    kind: type === 0 ? 'app' : subtype === 0 ? 'otadata' : 'data',
  }));
const options = fc.record(
  {
    mode: fc.constantFrom('as-is', 'provisioning', 'direct'),
    keep: fc.subarray(labels, { maxLength: 2 }),
    nvs: fc.array(fc.record({ partition: fc.constantFrom('nvs', 'nvs', 'phy_init'), recipe }), { maxLength: 2 }),
    erase: fc.array(erase, { maxLength: 1 }),
    encryption: fc.constantFrom('refuse', 'encrypt'),
  },
  { requiredKeys: [] },
);

describe('planFlash with modes, NVS and things to keep', () => {
  it('never touches what it keeps, whether the table is its own, known or only on the chip', async () => {
    const seen = { own: 0, known: 0, late: 0, kept: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(placed, { maxLength: 3 }),
        options,
        fc.constantFrom('own' as const, 'known' as const, 'late' as const),
        async (regions, chosen, whose) => {
          const own = { offset: 0x8000, data: tableBytes, name: 'table', kind: 'partition-table' } as const;
          const set = imageSet(whose === 'own' ? [...regions, own] : regions);
          const wanted: PlanOptions = { ...chosen, platform: nodePlatform, ...(whose === 'known' ? { table } : {}) };
          const plan = await planFlash(set, wanted).catch(coded);
          if (plan === null) return;
          sound(plan);
          const whole = await Promise.resolve(plan)
            .then((one) => placePlan(one, table))
            .catch(coded);
          if (whole === null) {
            assert.equal(whose, 'late', 'a plan that was held against its table holds');
            return;
          }
          sound(whole);
          assert.deepEqual(placePlan(whole, table), whole, 'placing twice changes nothing');
          seen[whose]++;
          for (const label of chosen.keep ?? []) {
            assert.ok(
              whole.keeps.some(({ name }) => name === label),
              `${label} is kept`,
            );
            seen.kept++;
          }
          if (whose !== 'late') assert.deepEqual(whole, plan);
          assert.ok(!JSON.stringify(describePlan(whole)).includes(secret), 'a description shows no value');
        },
      ),
      { numRuns: 1000 },
    );
    for (const [what, times] of Object.entries(seen)) assert.ok(times > 10, `${what}: only ${times}`);
  });
});
