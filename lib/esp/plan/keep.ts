import type { PartitionTable } from '../formats/partition-rules.ts';
import type { FlashPlan, PlanStep } from '../types.ts';
import { hex } from '../units.ts';
import { fail } from './errors.ts';
import { sectorsOf, touch } from './ranges.ts';

interface Place {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

/** @throws NO_SUCH_PARTITION, KEEPS_TOUCHED naming the partition and the step. */
export function checkKeep(labels: readonly string[], table: PartitionTable, steps: readonly PlanStep[]): void {
  for (const [i, label] of labels.entries()) {
    const partition = table.find((entry) => entry.label === label);
    if (partition === undefined) {
      throw fail('NO_SUCH_PARTITION', `The partition "${label}" is to be kept, but the table has none of that name.`, {
        hint: `Choose from ${table.map((entry) => entry.label).join(', ')}.`,
        detail: { field: `keep[${i}]`, value: label },
      });
    }
    checkUntouched(`keep[${i}]`, { name: label, offset: partition.offset, size: partition.size }, steps);
  }
}

/** @throws KEEPS_TOUCHED */
export function checkUntouched(field: string, kept: Place, steps: readonly PlanStep[]): void {
  const step = steps.find((one) => touch(sectorsOf(one), sectorsOf(kept)));
  if (step === undefined) return;
  const does = step.action === 'erase' ? 'erases' : 'writes';
  throw fail(
    'KEEPS_TOUCHED',
    `The plan keeps "${kept.name}", but ${does} "${step.name}" at ${hex(step.offset)}, which lies in it.`,
    {
      hint: 'Leave that step out, or do not ask to keep the partition.',
      detail: { field, value: kept.name, step: step.name, offset: step.offset },
    },
  );
}

/**
 * A table that moves a partition loses what is in it, though no step touches its new place: of one that is kept, and
 * of NVS that is merged with new entries. That may grow. @throws KEEPS_TOUCHED
 */
export function checkNotMoved(plan: FlashPlan, own: PartitionTable, onChip: PartitionTable): void {
  const check = (field: string, label: string, merged: boolean): void => {
    const [now, then] = [onChip, own].map((table) => table.find((entry) => entry.label === label));
    if (now === undefined || then === undefined) return;
    if (now.offset === then.offset && (merged ? now.size <= then.size : now.size === then.size)) return;
    const place = ({ offset, size }: { offset: number; size: number }) => `${hex(offset)} to ${hex(offset + size)}`;
    throw fail(
      'KEEPS_TOUCHED',
      `The plan ${merged ? 'merges into' : 'keeps'} "${label}", which lies at ${place(now)} on the chip and at ${place(then)} in the table to be written.`,
      {
        hint: `Use a table that leaves the partition where it is, or ${merged ? 'replace it instead of merging' : 'do not ask to keep it'}.`,
        detail: { field, value: label, offset: then.offset, onChip: now.offset },
      },
    );
  };
  for (const [i, label] of (plan.keep ?? []).entries()) check(`keep[${i}]`, label, false);
  for (const [i, { name, nvs }] of plan.steps.entries()) if (nvs?.mode === 'merge') check(`steps[${i}]`, name, true);
}
