import { SECTOR } from '../units.ts';

/**
 * Whole sectors in which `wanted` differs from `held`, neighbours joined, as offset and size from the start; the last
 * one ends where `wanted` does. What lies beyond the end of `held` is not known and counts as different.
 */
export function changedSectors(held: Uint8Array, wanted: Uint8Array): { offset: number; size: number }[] {
  const ranges: { offset: number; size: number }[] = [];
  for (let offset = 0; offset < wanted.length; offset += SECTOR) {
    const end = Math.min(wanted.length, offset + SECTOR);
    if (end <= held.length && sameRun(held, wanted, offset, end)) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last.offset + last.size === offset) last.size += end - offset;
    else ranges.push({ offset, size: end - offset });
  }
  return ranges;
}

function sameRun(a: Uint8Array, b: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (a[i] !== b[i]) return false;
  return true;
}
