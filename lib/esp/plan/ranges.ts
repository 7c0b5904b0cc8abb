import { roundUp, SECTOR } from '../units.ts';

/** Ranges of flash, in bytes: `offset` to before `end`. */
export interface Range {
  readonly offset: number;
  readonly end: number;
}

export function sectorsOf(item: { readonly offset: number; readonly size: number }): Range {
  return { offset: item.offset, end: roundUp(item.offset + item.size, SECTOR) };
}

export function touch(a: Range, b: Range): boolean {
  return a.offset < b.end && b.offset < a.end;
}

/** What is left of `range` without `holes`, in order. */
export function subtract(range: Range, holes: readonly Range[]): Range[] {
  let rest: Range[] = [range];
  for (const hole of holes) {
    rest = rest.flatMap((part) => {
      if (!touch(part, hole)) return [part];
      const left = { offset: part.offset, end: Math.min(part.end, hole.offset) };
      const right = { offset: Math.max(part.offset, hole.end), end: part.end };
      return [left, right].filter(({ offset, end }) => offset < end);
    });
  }
  return rest.sort((a, b) => a.offset - b.offset);
}
