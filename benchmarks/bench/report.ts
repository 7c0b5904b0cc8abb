import { mkdir, writeFile } from 'node:fs/promises';

/**
 * One measured figure. `bar` is null where nothing is demanded, `holds` also where what it is to be measured beside is
 * missing, and `value` then too; `peer` is what it was measured beside.
 */
export interface Row {
  readonly measure: string;
  readonly value: number | null;
  readonly unit: string;
  readonly bar: number | null;
  readonly holds: boolean | null;
  readonly peer: string | null;
}

/** A row whose value must not exceed `bar`. */
export function atMost(measure: string, value: number, unit: string, bar: number, peer: string | null): Row {
  return { measure, value: round(value), unit, bar, holds: value <= bar, peer };
}

/** A row whose value must reach `bar`. */
export function atLeast(measure: string, value: number, unit: string, bar: number, peer: string | null): Row {
  return { measure, value: round(value), unit, bar, holds: value >= bar, peer };
}

/** A row that is only reported. */
export function reported(measure: string, value: number, unit: string, peer: string | null): Row {
  return { measure, value: round(value), unit, bar: null, holds: null, peer };
}

/** The middle one of an odd number of values. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}

const FOLDER = new URL('../../build/benchmarks/', import.meta.url);

/** Prints the table and writes `build/benchmarks/<name>.json`. @returns whether every bar holds. */
export async function report(name: string, rows: readonly Row[]): Promise<boolean> {
  console.table(
    rows.map(({ bar, holds, peer, ...row }) => ({
      ...row,
      value: row.value ?? '',
      bar:
        bar === null
          ? ''
          : holds === null || row.value === null
            ? bar
            : `${row.value <= bar === holds ? '≤' : '≥'} ${bar}`,
      holds: holds === null ? (bar === null ? '' : '?') : holds ? 'yes' : 'NO',
      peer: peer ?? '',
    })),
  );
  await mkdir(FOLDER, { recursive: true });
  await writeFile(new URL(`${name}.json`, FOLDER), `${JSON.stringify(rows, null, 2)}\n`);
  return rows.every(({ holds }) => holds !== false);
}
