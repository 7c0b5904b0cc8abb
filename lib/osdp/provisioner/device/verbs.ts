import type { StepResult } from '../engine/index.ts';
import { fail } from '../errors.ts';
import type { StepState, StepStatus, StepVerb } from '../types.ts';
import type { KeptStep } from './state.ts';

const LEGAL: Readonly<Record<StepVerb, readonly StepState[]>> = {
  try: ['pending'],
  retry: ['failure'],
  skip: ['pending', 'failure'],
  reset: ['pending', 'attempting', 'success', 'failure', 'skipped'],
};

/** The last version of a derived key. */
export const VERSION_MOST = 255;

/** @throws VERB_NOT_LEGAL naming verb and state */
export function checkVerb(status: StepStatus, verb: StepVerb): void {
  const { state, index, queued } = status;
  const again = queued === true && (verb === 'try' || verb === 'retry');
  if (LEGAL[verb]?.includes(state) === true && !again) return;
  const legal = Object.entries(LEGAL).flatMap(([name, states]) => (states.includes(state) ? [name] : []));
  throw fail(
    'VERB_NOT_LEGAL',
    again
      ? `Step ${index} waits for the bus already: "${verb}" cannot be said to it twice.`
      : `"${String(verb)}" may not be said to step ${index}, which is in the state ${state}.`,
    {
      hint: again ? 'Wait for its turn, or skip or reset it.' : `Legal now: ${legal.join(', ')}.`,
      detail: { verb, state, step: index },
    },
  );
}

/** An attempt begins. The version that it may leave on the reader is noted before any key can leave. */
export function begun(step: KeptStep, at: number): KeptStep {
  const { queued: _, ...status } = step.status;
  return {
    ...step,
    status: {
      ...status,
      state: 'attempting',
      attempts: status.attempts + 1,
      stage: 'locate',
      stageState: 'in-flight',
      outcome: null,
      detail: null,
      identity: null,
      at,
    },
    tried: step.tried.includes(step.next) ? step.tried : [...step.tried, step.next],
  };
}

/** A try or retry waits for the bus. */
export function waiting(step: KeptStep, at: number): KeptStep {
  return { ...step, status: { ...step.status, queued: true, at } };
}

/** It waits no more, and was not begun. */
export function notWaiting(step: KeptStep, at: number): KeptStep {
  const { queued: _, ...status } = step.status;
  return { ...step, status: { ...status, at } };
}

/**
 * An attempt has ended.
 * @param before the versions that a reader could hold when it began
 */
export function ended(step: KeptStep, result: StepResult, before: readonly number[], at: number): KeptStep {
  const { outcome, stage, stageState, detail, identity, keyVersion, maybeKeyed } = result;
  const held = [...before, keyVersion, maybeKeyed].filter((one) => one !== null);
  return {
    ...step,
    status: {
      ...step.status,
      state: outcome === 'ok' ? 'success' : 'failure',
      stage,
      stageState,
      outcome,
      detail,
      identity,
      keyVersion: keyVersion ?? step.status.keyVersion,
      at,
    },
    tried: [...new Set(held)],
  };
}

/** Whether an attempt is under way at the step, or it waits for the bus or for a reader. */
export function isUnderWay({ state, stageState, queued }: StepStatus): boolean {
  return state === 'attempting' || queued === true || (state === 'pending' && stageState === 'in-flight');
}

/**
 * The power went, or the provisioner was ended, while something was under way at the step. Where the device may go on
 * by itself an attempt is pending again, and stays counted: it did not fail, and a reader that it left keyed is found
 * to be so. Elsewhere it has failed, and waits for a person.
 */
export function interrupted(step: KeptStep, autonomous: boolean, at: number): KeptStep {
  const { status } = notWaiting(step, at);
  if (status.state !== 'attempting') {
    const waited = status.state === 'pending' && status.stageState === 'in-flight';
    return { ...step, status: waited ? { ...status, stage: null, stageState: null, detail: null } : status };
  }
  const text = autonomous
    ? 'The provisioner was stopped in the middle of the attempt; the step is to be done again.'
    : 'The provisioner was stopped in the middle of the attempt: what was applied is not known. Retry finds out.';
  return {
    ...step,
    status: {
      ...status,
      state: autonomous ? 'pending' : 'failure',
      stageState: 'stalled',
      outcome: 'interrupted',
      detail: { text },
    },
  };
}

export function skipped(step: KeptStep, at: number): KeptStep {
  const { status } = notWaiting(step, at);
  const detail = { text: 'Skipped by a person.' };
  return { ...step, status: { ...status, state: 'skipped', outcome: 'user_skipped', detail } };
}

/**
 * Back to the beginning. What readers may hold stays known, so that one that was keyed is a success without a second
 * KEYSET. Only a reset of a success, by which a person says that the place is to be keyed again, raises the version:
 * the reader of before keeps its key and is recognised by it; another one, which is in install mode, never gets the
 * key that the first one took along.
 */
export function reset(step: KeptStep, at: number): KeptStep {
  const { status } = notWaiting(step, at);
  const raise = status.state === 'success' && step.tried.includes(step.next) && step.next < VERSION_MOST;
  return {
    ...step,
    status: {
      ...status,
      state: 'pending',
      attempts: 0,
      stage: null,
      stageState: null,
      outcome: null,
      detail: null,
      identity: null,
    },
    next: raise ? step.next + 1 : step.next,
  };
}
