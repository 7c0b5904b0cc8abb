import type { PartitionTable } from '../formats/partition-rules.ts';
import type { FlashPlan, PlanStep } from '../types.ts';
import { fail, GuardBook } from './errors.ts';
import { checkKeep, checkNotMoved } from './keep.ts';
import { placeNvs, withKeys } from './nvs.ts';
import { needsKeys } from './recipe.ts';
import { bytesOf, checkOverlaps, eraseSteps, inOrder, keptPartitions } from './steps.ts';
import { checkAgainstTable, hasHome, tableOf } from './table.ts';

/** Whether a recipe wants its keys in a partition that no step writes yet. */
function lacksKeys(plan: FlashPlan): boolean {
  return needsKeys(plan.steps) && !plan.steps.some(({ kind }) => kind === 'nvs-keys');
}

/** What cannot be done without the table on the chip. */
function mustBePlaced(plan: FlashPlan): boolean {
  return (plan.unplaced ?? []).length > 0 || lacksKeys(plan);
}

/** Whether the partition table on the chip must be read before the plan is carried out: to place, keep or check. */
export function planNeedsTable(plan: FlashPlan): boolean {
  if (mustBePlaced(plan) || (plan.keep ?? []).length > 0) return true;
  if (plan.steps.some(({ nvs }) => nvs?.mode === 'merge')) return true;
  return plan.steps.some((step) => step.action === 'write' && hasHome(step)) && tableOf(plan) === null;
}

/**
 * The plan with every NVS partition at its place in the table that was read from the chip; null where none could be
 * read. A plan that is whole comes back with what the table says it keeps. `force` as in `planFlash`, beside the plan's.
 * @throws TABLE_MISSING, NO_SUCH_PARTITION, NOT_IN_TABLE, NVS_WRONG_ENCRYPTION, OVERLAP, KEEPS_TOUCHED, BAD_FORCE.
 */
export function placePlan(
  plan: FlashPlan,
  tableOnChip: PartitionTable | null,
  force: readonly string[] = [],
): FlashPlan {
  const own = tableOf(plan);
  const table = own ?? tableOnChip;
  if (table === null) {
    if (!mustBePlaced(plan)) return plan;
    const labels = (plan.unplaced ?? []).map(({ partition }) => `"${partition}"`).join(', ') || 'the NVS keys';
    throw fail('TABLE_MISSING', `Where ${labels} belongs cannot be told: no partition table was read from the chip.`, {
      hint: 'Plan it with the table of the chip, or with the offset and size of the partition.',
      detail: { field: 'unplaced', value: (plan.unplaced ?? []).map(({ partition }) => partition) },
    });
  }
  const guards = new GuardBook([...plan.force, ...force]);
  const { unplaced = [], ...rest } = plan;
  const wishes = unplaced.map(({ partition, nvs }) => ({ partition, recipe: nvs }));
  const placed = placeNvs(wishes, table, guards).steps.filter(({ kind }) => kind === 'nvs');
  const writes = withKeys([...plan.steps.filter(({ action }) => action === 'write'), ...placed], table);
  checkOverlaps('steps', writes);
  const erases: PlanStep[] = eraseSteps(
    plan.steps.filter(({ action }) => action === 'erase'),
    writes,
  );
  const steps = inOrder([...erases, ...writes], table);
  checkKeep(plan.keep ?? [], table, steps);
  const notes = [...plan.notes, ...guards.notes];
  return { ...rest, steps, keeps: keptPartitions(table, steps), bytes: bytesOf(steps), notes };
}

/**
 * Holds a plan against the table that was read from the chip, or null where none could be read. A plan that brings
 * its own table was held against that when it was made: here only what it keeps or merges into must lie where it lay.
 * @returns what was overridden, and NO_TABLE_ON_CHIP where there was nothing to hold it against.
 * @throws NOT_IN_TABLE, NVS_WRONG_ENCRYPTION, DOES_NOT_FIT, NO_SUCH_PARTITION, KEEPS_TOUCHED, TABLE_MISSING, BAD_FORCE.
 */
export function checkPlanAgainstTable(
  plan: FlashPlan,
  tableOnChip: PartitionTable | null,
  force: readonly string[] = [],
): FlashPlan['notes'] {
  const guards = new GuardBook([...plan.force, ...force]);
  const own = tableOf(plan);
  if (own !== null) {
    if (tableOnChip !== null) checkNotMoved(plan, own, tableOnChip);
    return guards.notes;
  }
  if (tableOnChip !== null) {
    checkAgainstTable(plan.steps, tableOnChip, guards);
    checkKeep(plan.keep ?? [], tableOnChip, plan.steps);
    return guards.notes;
  }
  // What was kept by a table that the plan was made with is kept.
  const label = (plan.keep ?? []).find((wanted) => !plan.keeps.some(({ name }) => name === wanted));
  if (label !== undefined) {
    throw fail('TABLE_MISSING', `"${label}" is to be kept, but no partition table was read from the chip.`, {
      hint: 'Plan it with the table of the chip, or do not ask to keep it.',
      detail: { field: 'keep', value: plan.keep },
    });
  }
  if (planNeedsTable(plan)) {
    guards.note(
      'NO_TABLE_ON_CHIP',
      'No partition table could be read from the chip: the places in the plan were held against none.',
    );
  }
  return guards.notes;
}
