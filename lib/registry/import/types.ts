import type { By } from '../types.ts';

/** How devices are imported. */
export interface ImportOptions {
  /** Checks everything, also against the registry, and writes nothing. Default: false. */
  readonly dryRun?: boolean;
  /** Leaves wrong lines out instead of refusing all. Default: false. */
  readonly skipBad?: boolean;
  /** The namespace of lines that name none. */
  readonly namespace?: string;
  /** What a column of the file means: `{ 'Device MAC': 'mac', Site: 'attribute:site' }`. Null: it is left out. */
  readonly columns?: Readonly<Record<string, string | null>>;
  /** Normalises the MACs of the file. Default: they must be 12 lower-case hex digits. */
  readonly normaliseMac?: (text: string) => string;
  readonly by?: By;
}

/** What is wrong with one line. */
export interface ImportProblem {
  /** Of the CSV, from 1, the header counted; of a JSON array the place, from 1. */
  readonly line: number;
  readonly field?: string;
  readonly code: string;
  readonly message: string;
}

/** What came of an import. */
export interface ImportReport {
  readonly dryRun: boolean;
  /** Devices that were read. */
  readonly devices: number;
  /** Devices that were added, or would be. */
  readonly added: number;
  readonly problems: readonly ImportProblem[];
}
