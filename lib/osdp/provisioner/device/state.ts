import type { Entry } from '../store/index.ts';
import type { Edge, PlanTerms, SlotCounts, StepPlan, StepStatus } from '../types.ts';

/** A step as it is kept. */
export interface KeptStep {
  readonly status: StepStatus;
  /** The version of the derived key that an unkeyed reader gets. */
  readonly next: number;
  /** Versions that attempts may have left on a reader, in their order. */
  readonly tried: readonly number[];
}

/** What of a plan never changes. */
export interface PlanHead {
  readonly session: string;
  readonly kdf: string;
  /** Base64 of the sealed seed. */
  readonly sealed: string;
  readonly terms: PlanTerms;
  /** The host that sealed it. */
  readonly host: { readonly id: string; readonly name: string };
  readonly createdAt: number;
  readonly armedUntil: number | null;
}

/** The records of a plan's journal. */
export type PlanRecord =
  | ({ readonly t: 'plan'; readonly steps: readonly StepPlan[] } & PlanHead)
  | EdgeRecord
  | { readonly t: 'flags'; readonly at: number; readonly closed: boolean; readonly exported: boolean }
  | { readonly t: 'time'; readonly at: number }
  /** The last one of an orderly end. */
  | { readonly t: 'clean'; readonly seq: number }
  /** Where everything stands: what came before are edges that were not acknowledged. */
  | ({ readonly t: 'state' } & Standing);

export interface EdgeRecord {
  readonly t: 'edge';
  readonly seq: number;
  readonly cause: Edge['cause'];
  readonly step: StepStatus;
  readonly summary: SlotCounts;
  readonly next: number;
  readonly tried: readonly number[];
  readonly exported: boolean;
  /** Numbers below this one may have been given out. */
  readonly top?: number;
  /** The host has the edges up to this one. */
  readonly acked?: number;
}

export interface Standing {
  readonly steps: readonly KeptStep[];
  readonly closed: boolean;
  readonly exported: boolean;
  /** The newest number that was given out. */
  readonly seq: number;
  readonly top: number;
  readonly acked: number;
  /** The latest time that was seen. */
  readonly at: number;
}

/** What a journal says. */
export interface Replayed extends Standing {
  readonly head: PlanHead;
  /** Edges that were not acknowledged, oldest first. */
  readonly edges: readonly { readonly seq: number; readonly entry: Entry }[];
}

/** How far numbers leap where records may have been lost: further than there can be edges in a file. */
const LEAP = 1 << 16;

export const encode = (record: PlanRecord): Buffer => Buffer.from(JSON.stringify(record));

export const decode = (content: Buffer): PlanRecord => JSON.parse(content.toString()) as PlanRecord;

/** A step that nobody has touched. */
export function newStep(plan: StepPlan, index: number, at: number, next = 0): KeptStep {
  return {
    status: {
      ...plan,
      index,
      state: 'pending',
      attempts: 0,
      stage: null,
      stageState: null,
      outcome: null,
      detail: null,
      identity: null,
      keyVersion: null,
      at,
    },
    next,
    tried: [],
  };
}

/**
 * Folds a journal's records.
 * @param cut whether something was cut off its end
 * @returns undefined when the first one is no plan
 */
export function replay(
  records: readonly { readonly content: Buffer; readonly entry: Entry }[],
  cut: boolean,
): Replayed | undefined {
  let head: PlanHead | undefined;
  let edges: { seq: number; entry: Entry }[] = [];
  let steps: KeptStep[] = [];
  let [closed, exported, clean] = [false, false, false];
  let [seq, top, acked, at] = [0, 0, 0, 0];
  for (const { content, entry } of records) {
    const record = decode(content);
    clean = record.t === 'clean';
    switch (record.t) {
      case 'plan': {
        const { t: _, steps: plans, ...rest } = record;
        head = rest;
        at = Math.max(at, head.createdAt);
        steps = plans.map((plan, index) => newStep(plan, index, rest.createdAt));
        break;
      }
      case 'edge': {
        const { step, next, tried } = record;
        steps[step.index] = { status: step, next, tried };
        exported = record.exported;
        seq = Math.max(seq, record.seq);
        top = Math.max(top, record.top ?? 0);
        acked = Math.max(acked, record.acked ?? 0);
        at = Math.max(at, step.at);
        edges.push({ seq: record.seq, entry });
        break;
      }
      case 'flags':
        closed = record.closed;
        exported = record.exported;
        at = Math.max(at, record.at);
        break;
      case 'time':
        at = Math.max(at, record.at);
        break;
      case 'clean':
        seq = Math.max(seq, record.seq);
        break;
      case 'state':
        steps = [...record.steps];
        ({ closed, exported } = record);
        seq = Math.max(seq, record.seq);
        top = Math.max(top, record.top);
        acked = Math.max(acked, record.acked);
        at = Math.max(at, record.at);
    }
  }
  if (head === undefined) return undefined;
  // Numbers that were told to a host but not kept are never given out again.
  if (!clean) seq = Math.max(seq, top) + (cut ? LEAP : 0);
  edges = edges.filter((edge) => edge.seq > acked).sort((a, b) => a.seq - b.seq);
  return { head, steps, closed, exported, seq, top: seq + 1, acked, at, edges };
}
