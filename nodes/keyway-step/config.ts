import type { JobConfig } from '../shared/saved.ts';

export const operations = ['try', 'retry', 'skip', 'reset', 'cancel'] as const;

/** Which step, where no number is given: the next one that the verb is for, or every one of them. */
export const choicesOfSteps = ['next', 'all'] as const;

export interface StepConfig extends JobConfig {
  /** Id of a keyway-provisioner node. */
  provisioner: string;
  operation: string;
  operationType: string;
  /** A number from 1, or "live"; blank = the only slot that holds a plan. */
  slot: string;
  slotType: string;
  /** "next", "all", a number from 0, or a list of them. */
  steps: string;
  stepsType: string;
  whenBusy: 'queue' | 'refuse';
}

export const defaults = {
  name: '',
  provisioner: '',
  operation: 'try',
  operationType: 'op',
  slot: 'slot.number',
  slotType: 'msg',
  steps: 'next',
  stepsType: 'op',
  whenBusy: 'queue',
  timeout: '',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<StepConfig>;
