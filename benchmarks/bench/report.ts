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

/** The rows whose bar is a floor: the table says so. */
const floors = new WeakSet<Row>();

/** A row whose value must reach `bar`. */
export function atLeast(measure: string, value: number, unit: string, bar: number, peer: string | null): Row {
  const row = { measure, value: round(value), unit, bar, holds: value >= bar, peer };
  floors.add(row);
  return row;
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
    rows.map((row) => ({
      measure: row.measure,
      value: row.value ?? '',
      unit: row.unit,
      bar: row.bar === null ? '' : `${floors.has(row) ? '≥' : '≤'} ${row.bar}`,
      holds: row.holds === null ? (row.bar === null ? '' : '?') : row.holds ? 'yes' : 'NO',
      peer: row.peer ?? '',
    })),
  );
  await mkdir(FOLDER, { recursive: true });
  await writeFile(new URL(`${name}.json`, FOLDER), `${JSON.stringify(rows, null, 2)}\n`);
  return rows.every(({ holds }) => holds !== false);
}
