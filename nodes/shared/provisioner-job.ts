import { KeywayError } from '../../lib/errors/index.ts';
import {
  type Edge,
  type SlotId,
  type SlotPicture,
  STAGES,
  type StepRow,
  type StepStatus,
  stepRow,
} from '../../lib/osdp/index.ts';
import type { ProvisionerHost } from '../../lib/osdp/node.ts';
import { fail } from './errors.ts';
import type { Fields } from './evaluate.ts';
import type { Job } from './jobs.ts';
import { type Provisioner, provisionerById } from './provisioner.ts';
import { addSlot, setStep, slotFacts, stepFacts } from './provisioner-shape.ts';
import type { Red, RedNode } from './types.ts';

/** What a node that does steps saves. */
export interface StepNodeConfig {
  readonly provisioner: string;
  readonly whenBusy: 'queue' | 'refuse';
}

/** A number from 1, or "live"; undefined when blank. @throws BAD_FIELD */
export async function readSlot<C extends { slot: string }>(fields: Fields<C>): Promise<SlotId | undefined> {
  const value = await fields.value('slot');
  if (value === undefined || value === null || value === '') return undefined;
  if (value === 'live') return 'live';
  return await fields.number('slot', { min: 1, max: 64 });
}

/** The slot that is meant where none was named: the only one that holds a plan. @throws BAD_FIELD, SLOT_EMPTY */
export async function chosenSlot(asked: SlotId | undefined, host: ProvisionerHost): Promise<SlotId> {
  if (asked !== undefined) return asked;
  const used = (await host.slots()).filter(({ state }) => state !== 'empty').map(({ slot }) => slot);
  const [only, ...more] = used;
  if (only === undefined) {
    throw new KeywayError('SLOT_EMPTY', 'No slot holds a plan.', {
      hint: 'Create one from a plan first, or begin a live queue with a quick step node.',
      detail: { field: 'slot' },
    });
  }
  if (more.length === 0) return only;
  throw fail('BAD_FIELD', `The field "slot" is blank, and ${used.length} slots hold a plan.`, {
    hint: 'Say which one: a number from 1, or live.',
    detail: { field: 'slot', used },
  });
}

/** A slot that holds a plan. @throws SLOT_EMPTY, SLOT_OUT_OF_RANGE */
export async function openUsed(host: ProvisionerHost, slot: SlotId): Promise<SlotPicture> {
  const picture = await host.open(slot);
  if (picture.summary.state !== 'empty') return picture;
  const what = slot === 'live' ? 'There is no live queue.' : `Slot ${slot} is empty.`;
  throw new KeywayError('SLOT_EMPTY', what, {
    hint: slot === 'live' ? 'Begin one with a quick step node.' : 'Create it from a plan first.',
    detail: { field: 'slot', value: slot },
  });
}

/** Has steps done on the provisioner that the node names, one job at a time. Waiting does not count as time. */
export async function withProvisioner<T>(
  red: Red,
  node: RedNode,
  config: StepNodeConfig,
  job: Job,
  work: (host: ProvisionerHost, provisioner: Provisioner) => Promise<T>,
): Promise<T> {
  const provisioner = provisionerById(config.provisioner);
  const host = await provisioner.host(job.signal);
  const giveBack = await provisioner.turns.take({
    owner: node.name || node.type,
    wait: config.whenBusy !== 'refuse',
    signal: job.signal,
    onWaiting: () => job.waiting(red._('keyway.status.queuedStep')),
  });
  try {
    job.begin();
    job.working(red._('keyway.status.working'));
    return await work(host, provisioner);
  } finally {
    giveBack();
  }
}

/** One step that was done. */
export interface DoneStep {
  readonly edge: Edge;
  readonly row: StepRow;
}

export interface StepWork {
  readonly slot: SlotId;
  /** The newest edge of the slot before. */
  readonly after: number;
  /** Which one of how many, for the progress. */
  readonly at: number;
  readonly of: number;
  /** Whether a flow that is deployed again is why the job ends: the step goes on then. */
  readonly goesOn: () => boolean;
  act(): Promise<number>;
}

/** Does one step and waits for how it ends. What goes on meanwhile is the job's progress. */
export async function doStep(
  job: Job,
  provisioner: Provisioner,
  host: ProvisionerHost,
  work: StepWork,
): Promise<DoneStep> {
  const { slot, after, at, of, goesOn, act } = work;
  const edge = await provisioner.outcome({
    slot,
    after,
    signal: job.signal,
    act,
    onEdge: ({ step }) => tellStage(job, step, at, of),
    onAbort: async () => {
      if (!goesOn()) await host.cancel(slot);
    },
  });
  setStep(job.msg, stepFacts(edge.step));
  return { edge, row: stepRow(slot, edge.step) };
}

function tellStage(job: Job, { stage, state, address, index }: StepStatus, at: number, of: number): void {
  if (state !== 'attempting' || stage === null) return;
  const whole = of === 1;
  job.progress({
    phase: stage,
    done: whole ? STAGES.indexOf(stage) : at,
    total: whole ? STAGES.length - 1 : of,
    unit: whole ? 'stages' : 'readers',
    rate: null,
    secondsLeft: null,
    address,
    step: index,
  });
}

/** What is told of the steps that were done: the last one, and a row for each. */
export function resultOf(done: readonly DoneStep[], job: Job): Record<string, unknown> {
  const last = done.at(-1) as DoneStep;
  const { summary } = last.edge;
  const left = summary.total - summary.provisioned - summary.failed - summary.skipped;
  return { ...last.row, seconds: job.seconds(), left, steps: done.map(({ row }) => row) };
}

/** Writes into the message where the slot stands now. */
export async function showSlot(job: Job, host: ProvisionerHost, slot: SlotId): Promise<void> {
  const summary = (await host.slots()).find((one) => one.slot === slot);
  if (summary !== undefined) addSlot(job.msg, slotFacts(summary));
}
