import type { Outcome, SlotId, SlotPicture, SlotState, SlotSummary, Stage, StepState, StepStatus } from '../types.ts';

/** A step as one row of a table; blanks instead of nulls. */
export interface StepRow {
  readonly slot: SlotId;
  /** From 0: what a verb takes. */
  readonly step: number;
  readonly address: number;
  readonly baud: number;
  readonly state: StepState;
  readonly attempts: number;
  /** "keyset", and with "…" behind it while it is under way. */
  readonly stage: Stage | `${Stage} …` | '';
  readonly outcome: Outcome | '';
  /** What happened, in one sentence. */
  readonly text: string;
  /** "AABBCC 01020304": who the reader said it is. */
  readonly reader: string;
}

/** A slot as one row of a table. */
export interface SlotRow {
  readonly slot: SlotId;
  readonly name: string;
  readonly state: SlotState;
  readonly total: number;
  readonly provisioned: number;
  readonly failed: number;
  readonly skipped: number;
  /** Steps that nobody has decided about yet, the failed ones not among them. */
  readonly left: number;
  readonly exported: boolean;
  readonly session: string;
}

/** What a dashboard shows of a slot (one row a step) or of all slots (one row a slot). No secret is in it. */
export function slotTable(picture: SlotPicture): StepRow[];
export function slotTable(summaries: readonly SlotSummary[]): SlotRow[];
export function slotTable(shown: SlotPicture | readonly SlotSummary[]): StepRow[] | SlotRow[] {
  if ('steps' in shown) return shown.steps.map((step) => stepRow(shown.summary.slot, step));
  return shown.map(slotRow);
}

export function stepRow(slot: SlotId, step: StepStatus): StepRow {
  const { stage, stageState, identity } = step;
  return {
    slot,
    step: step.index,
    address: step.address,
    baud: step.baudRate,
    state: step.state,
    attempts: step.attempts,
    stage: stage === null ? '' : stageState === 'in-flight' ? `${stage} …` : stage,
    outcome: step.outcome ?? '',
    text: step.detail?.text ?? '',
    reader: identity === null ? '' : `${identity.vendor} ${identity.serial}`,
  };
}

function slotRow(summary: SlotSummary): SlotRow {
  const { slot, name, state, total, provisioned, failed, skipped, exported, session } = summary;
  const left = total - provisioned - failed - skipped;
  return {
    slot,
    name: name ?? '',
    state,
    total,
    provisioned,
    failed,
    skipped,
    left,
    exported,
    session: session ?? '',
  };
}
