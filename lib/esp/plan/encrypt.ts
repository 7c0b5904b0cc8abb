import type { PartitionTable } from '../formats/partition-rules.ts';
import { partitionAt } from '../formats/recognise.ts';
import type { ChipFacts, FlashPlan, PlanStep } from '../types.ts';
import { tableOf } from './table.ts';

/**
 * Whether the chip decrypts what this step writes when it reads it: programs, tables, NVS keys and partitions that
 * the table flags. Never NVS, which has its own encryption. Data of which no table tells: null.
 */
export function isDecrypted(step: PlanStep, table: PartitionTable | null): boolean | null {
  if (step.action === 'erase' || step.kind === 'nvs') return false;
  if (step.kind !== 'data') return true;
  return table === null ? null : (partitionAt(table, step.offset)?.encrypted ?? false);
}

/**
 * The plan for a chip as it is: where it encrypts its flash and the plan says to write through that, the steps that it
 * decrypts are marked `encrypt`; for any other chip, none is. The table on the chip tells of data where the plan
 * brings none.
 */
export function encryptPlan(plan: FlashPlan, facts: ChipFacts, tableOnChip: PartitionTable | null): FlashPlan {
  const { encryption, manualEncryptDisabled } = facts.security;
  const through = plan.encryption === 'encrypt' && encryption !== 'off' && manualEncryptDisabled !== true;
  const table = through ? (tableOf(plan) ?? tableOnChip) : null;
  const steps = plan.steps.map(({ encrypt, ...step }) => {
    const wanted = through && (encrypt === true || isDecrypted(step, table) === true);
    return wanted ? { ...step, encrypt: true } : step;
  });
  return { ...plan, steps };
}
