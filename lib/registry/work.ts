import type { KeyObject } from 'node:crypto';
import type { RevocationLine } from './revocations.ts';
import type { By, RegistryEvent } from './types.ts';

/** What a column holds, in every dialect. */
export type SqlValue = string | number | Uint8Array | null;
export type Row = Readonly<Record<string, SqlValue>>;

/** One statement for the database. */
export interface Step {
  readonly sql: string;
  readonly values: readonly SqlValue[];
  /** Its breaking a constraint is expected: the driver throws ConstraintBroken, and the transaction goes on. */
  readonly guarded?: boolean;
}

/** A unique index or a reference refused the row. */
export class ConstraintBroken extends Error {}

/**
 * An operation: it yields statements and gets their rows. A driver runs it within a transaction, at once (SQLite) or
 * as answers come in (PostgreSQL); what it throws undoes all of it.
 */
export type Work<T> = Generator<Step, T, readonly Row[]>;

/** What an operation knows of its request. */
export interface Scope {
  /** By the clock of who asks. */
  readonly now: number;
  readonly by: By;
  /** A key object: node:crypto takes four times as long with the bytes themselves. */
  readonly auditKey: KeyObject;
  /** Tells it when the transaction is durable. */
  emit(event: Omit<RegistryEvent, 'at'>): void;
  /** Goes to the revocation log beside the store, before the transaction is. */
  revoke(line: RevocationLine): void;
}

/** Undoes what an operation did and still answers with a value: a dry run. */
export class Undone extends Error {
  readonly value: unknown;
  constructor(value: unknown) {
    super('undone');
    this.value = value;
  }
}

export function step(sql: string, ...values: SqlValue[]): Step {
  return { sql, values };
}

/** The one row that a statement gives, or undefined. */
export function* one(sql: string, ...values: SqlValue[]): Work<Row | undefined> {
  return (yield { sql, values })[0];
}

/** The text of a column that is never null. */
export function text(row: Row, column: string): string {
  return row[column] as string;
}

export function textOrNull(row: Row, column: string): string | null {
  return (row[column] ?? null) as string | null;
}

export function number(row: Row, column: string): number {
  return row[column] as number;
}

export function numberOrNull(row: Row, column: string): number | null {
  return (row[column] ?? null) as number | null;
}

export function bytes(row: Row, column: string): Uint8Array {
  return row[column] as Uint8Array;
}
