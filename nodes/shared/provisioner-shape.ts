import type { Edge, SlotId, SlotSummary, StepStatus } from '../../lib/osdp/index.ts';
import type { Message } from './types.ts';

/** Where an OSDP plan stands: `msg.slot`. Nodes add to it, none takes away. */
export interface SlotFacts {
  number: SlotId;
  name: string;
  state: string;
  session: string;
  total: number;
  provisioned: number;
  failed: number;
  skipped: number;
  /** Steps that nobody has decided about yet, the failed ones not among them. */
  left: number;
  exported: boolean;
  /** ISO 8601; blank where there is none. */
  created: string;
  armedUntil: string;
}

export function slotFacts(summary: SlotSummary): SlotFacts {
  const { slot, name, state, session, total, provisioned, failed, skipped, exported, createdAt, armedUntil } = summary;
  return {
    number: slot,
    name: name ?? '',
    state,
    session: session ?? '',
    total,
    provisioned,
    failed,
    skipped,
    left: total - provisioned - failed - skipped,
    exported,
    created: timeOf(createdAt),
    armedUntil: timeOf(armedUntil),
  };
}

/** A step as messages carry it: what it is to become, where it stands, who the reader said that it is. */
export function stepFacts(step: StepStatus): Record<string, unknown> {
  const { index, address, baudRate, state, queued, attempts, stage, stageState, outcome, detail, identity } = step;
  const wanted = step.serial === undefined ? {} : { wantedSerial: step.serial };
  const { text = '', ...seen } = detail ?? {};
  return {
    index,
    address,
    baudRate,
    ...wanted,
    state: queued === true ? 'queued' : state,
    attempts,
    stage: stage ?? '',
    stageState: stageState ?? '',
    outcome: outcome ?? '',
    text,
    ...(identity ?? {}),
    ...(Object.keys(seen).length === 0 ? {} : { detail: seen }),
    time: timeOf(step.at),
  };
}

/** What an edge says, flat: for a Switch, a table, a log. */
export function edgeFacts({ slot, session, seq, cause, step, summary }: Edge): Record<string, unknown> {
  const { index, time, ...rest } = stepFacts(step);
  const { state: slotState, ...counts } = summary;
  return { slot, session, seq, cause, time, step: index, ...rest, slotState, ...counts };
}

/** Lays what is known of a slot over `msg.slot`. */
export function addSlot(msg: Message, facts: Partial<SlotFacts>): void {
  const place = msg as { slot?: unknown };
  const before = typeof place.slot === 'object' && place.slot !== null ? place.slot : {};
  place.slot = { ...before, ...facts };
}

/** What is known of a step is that of this one alone: nothing of another reader stays. */
export function setStep(msg: Message, facts: Record<string, unknown>): void {
  (msg as { step?: unknown }).step = facts;
}

function timeOf(ms: number | null): string {
  return ms === null ? '' : new Date(ms).toISOString();
}
