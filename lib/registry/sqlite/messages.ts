import type { OperationName } from '../operations/index.ts';
import type { By, RegistryEvent } from '../types.ts';

/** One request to the store's thread. */
export interface Request {
  readonly id: number;
  readonly name: OperationName;
  readonly argument: unknown;
  readonly now: number;
  readonly by: By;
}

/** What is done to the store as a whole, between two groups of requests. */
export type Control =
  | { readonly do: 'open'; readonly now: number }
  | { readonly do: 'start'; readonly auditKey: Uint8Array; readonly sealed: Uint8Array | null; readonly now: number }
  | { readonly do: 'inspect'; readonly source: string; readonly now: number }
  | { readonly do: 'restore'; readonly now: number; readonly by: By }
  | { readonly do: 'discard' }
  | { readonly do: 'close' };

export type ToWorker = { readonly requests: readonly Request[] } | { readonly id: number; readonly control: Control };

/** An error as it crosses threads. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly problem: Problem };

/** The answers to a group, once it is durable, and what changed, in order. */
export interface FromWorker {
  readonly replies: readonly Reply[];
  readonly events: readonly RegistryEvent[];
}
