import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isKeywayError } from '../../../../lib/errors/index.ts';
import { decodePartitionTable } from '../../../../lib/esp/formats/partition-binary.ts';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import {
  checkPlan,
  checkPlanAgainstTable,
  describePlan,
  placePlan,
  planFlash,
} from '../../../../lib/esp/plan/index.ts';
import type { FlashPlan } from '../../../../lib/esp/types.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT } from '../formats/fuzz.ts';
import { imageSet, tableBytes, wholeSet } from './sets.ts';

const recipe = {
  mode: 'merge',
  items: [{ namespace: 'a', key: 'b', encoding: 'u8', value: 1 }],
  clears: ['c'],
  encryption: { scheme: 'hmac', handle: 'h' },
} as const;
const whole = wholeSet();
const plans: FlashPlan[] = [
  await planFlash(whole, { platform: nodePlatform, keep: ['phy_init'], encryption: 'encrypt' }),
  await planFlash(imageSet([]), { platform: nodePlatform, nvs: [{ partition: 'nvs', recipe }] }),
  await planFlash(imageSet([]), {
    platform: nodePlatform,
    nvs: [{ partition: 'nvs', recipe, offset: 0x9000, size: 0x6000 }],
  }),
];
const table = decodePartitionTable(tableBytes);

type Path = (string | number)[];

/** Every place in a plan, bytes being one place. */
function places(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key]))];
}

function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>;
  copy[key] = replaced(copy[key], rest, by);
  return copy;
}

const change = fc.nat(plans.length - 1).chain((which) =>
  fc.record({
    which: fc.constant(which),
    path: fc.constantFrom(...places(plans[which])),
    by: fc.oneof(
      fc.constantFrom(undefined, null, -1, 0, 4096, 2 ** 32, Number.NaN, '', 'nvs', true, [], {}, new Uint8Array(5)),
      fc.anything({ withBigInt: true, withNullPrototype: true }),
    ),
  }),
);

describe('a plan that comes back, fuzzed', () => {
  it('is refused with a code, or can be placed, checked and shown without another error', () => {
    let taken = 0;
    fc.assert(
      fc.property(change, ({ which, path, by }) => {
        const odd = replaced(plans[which], path, by) as FlashPlan;
        try {
          checkPlan(odd);
          const placed = placePlan(odd, table);
          checkPlanAgainstTable(placed, table);
          checkPlan(placed);
          describePlan(placed);
          taken++;
        } catch (error) {
          assert.ok(isKeywayError(error), `${path.join('.')}: ${error instanceof Error ? error.stack : String(error)}`);
        }
      }),
      { numRuns: FUZZ_RUNS },
    );
    assert.ok(taken > FUZZ_RUNS / 100, `${taken} taken`);
  });
}).timeout(FUZZ_TIMEOUT);
