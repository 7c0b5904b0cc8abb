import type { LinkInfo } from '../../link/index.ts';
import type { PartitionTable } from '../formats/partition-rules.ts';
import type { ChipFacts, FlashPlan } from '../types.ts';
import { encryptPlan } from './encrypt.ts';
import { checkPlanAgainstChip } from './guards.ts';
import { checkPlanAgainstTable, placePlan } from './place.ts';

/** What a plan meets when it is to be carried out. */
export interface PlanMeets {
  readonly facts: ChipFacts;
  readonly link: LinkInfo;
  /** As read from the chip; null where `planNeedsTable` said no, or none could be read. */
  readonly table: PartitionTable | null;
  /** Guards to be overridden beside the plan's own. */
  readonly force?: readonly string[] | undefined;
}

/**
 * The plan as it is to be carried out on this chip: every NVS partition placed, encrypted writes marked, all guards
 * asked. Its notes are those of the plan and of everything that was met.
 * @throws the codes of placePlan, checkPlanAgainstChip and checkPlanAgainstTable.
 */
export function settlePlan(plan: FlashPlan, { facts, link, table, force = [] }: PlanMeets): FlashPlan {
  // Without a table, what the chip itself forbids is the better reason.
  if (table === null) checkPlanAgainstChip(encryptPlan(plan, facts, null), facts, link, force);
  const settled = encryptPlan(placePlan(plan, table, force), facts, table);
  const notes = [
    ...settled.notes,
    ...checkPlanAgainstChip(settled, facts, link, force, table),
    ...checkPlanAgainstTable(settled, table, force),
  ];
  return { ...settled, notes };
}
