import { toHex } from '../digest.ts';
import type { PartitionTable } from '../formats/partition-rules.ts';
import { PARTITION_DATA, SUBTYPE_DATA_OTA } from '../formats/partition-types.ts';
import type { Platform } from '../platform.ts';
import type { EraseRange, FlashPlan, PlanStep, Region } from '../types.ts';
import { hex } from '../units.ts';
import { fail } from './errors.ts';
import { type Range, sectorsOf, subtract, touch } from './ranges.ts';

/**
 * The order of a run that may be torn at any step: nothing of the new firmware boots before all of it is there. Keys
 * come before what they encrypt: the other way round, what was encrypted could be lost with them.
 */
const RANK: Readonly<Record<PlanStep['kind'], number>> = {
  erase: 1,
  'nvs-keys': 2,
  nvs: 3,
  data: 3,
  'partition-table': 4,
  app: 5,
  otadata: 6,
  merged: 7,
  bootloader: 8,
};

/** Steps in the order in which they are carried out; otadata is erased before anything else. */
export function inOrder(steps: readonly PlanStep[], table: PartitionTable | null): PlanStep[] {
  const otadata = table?.find(({ type, subtype }) => type === PARTITION_DATA && subtype === SUBTYPE_DATA_OTA);
  const isOtadata = (step: PlanStep) => otadata !== undefined && touch(sectorsOf(step), sectorsOf(otadata));
  const rank = (step: PlanStep) => (step.action === 'erase' && isOtadata(step) ? 0 : RANK[step.kind]);
  return [...steps].sort((a, b) => rank(a) - rank(b) || a.offset - b.offset);
}

/** What is to be erased and is not written anyway, each sector once. */
export function eraseSteps(
  erase: readonly EraseRange[],
  writes: readonly { readonly offset: number; readonly size: number }[],
): PlanStep[] {
  const taken: Range[] = writes.map(sectorsOf);
  const steps: PlanStep[] = [];
  for (const { offset, size, name } of erase) {
    for (const part of subtract({ offset, end: offset + size }, taken)) {
      steps.push({ action: 'erase', offset: part.offset, size: part.end - part.offset, name, kind: 'erase' });
      taken.push(part);
    }
  }
  return steps;
}

/** Each region as a step, with the sums that the flash must have after. */
export async function writeSteps(regions: readonly Region[], platform: Platform): Promise<PlanStep[]> {
  const steps: PlanStep[] = [];
  for (const { offset, data, name, kind } of regions) {
    const [sha256, md5] = [toHex(await platform.sha256(data)), toHex(await platform.md5(data))];
    steps.push({ action: 'write', offset, size: data.length, name, kind, sha256, md5, data });
  }
  return steps;
}

interface Written {
  readonly offset: number;
  readonly size: number;
  readonly name: string;
}

/** Two bytes cannot lie in one place: no force helps. @throws OVERLAP naming both. */
export function checkOverlaps(field: string, items: readonly Written[]): void {
  const sorted = items
    .map((item) => ({ item, range: sectorsOf(item) }))
    .sort((a, b) => a.range.offset - b.range.offset);
  for (const [i, next] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before === undefined || !touch(before.range, next.range)) continue;
    const show = ({ item }: typeof next) => `"${item.name}" (${hex(item.offset)} to ${hex(item.offset + item.size)})`;
    throw fail('OVERLAP', `${show(before)} and ${show(next)} overlap.`, {
      hint: 'Give each a place of its own.',
      detail: { field, value: [before.item.name, next.item.name] },
    });
  }
}

/** Partitions that no step touches. */
export function keptPartitions(table: PartitionTable | null, steps: readonly PlanStep[]): FlashPlan['keeps'] {
  return (table ?? [])
    .filter((partition) => !steps.some((step) => touch(sectorsOf(step), sectorsOf(partition))))
    .map(({ label, offset, size }) => ({ name: label, offset, size }));
}

/** Bytes that the steps write, uncompressed. */
export function bytesOf(steps: readonly PlanStep[]): number {
  return steps.reduce((sum, { action, size }) => (action === 'write' ? sum + size : sum), 0);
}
