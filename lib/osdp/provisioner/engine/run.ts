import { waitUntil } from '../../clock.ts';
import type { Panel } from '../../panel/panel.ts';
import type { Outcome, StepDetail } from '../types.ts';
import { Attempt, spell } from './attempt.ts';
import { examine, verify } from './check.ts';
import { CallerFailure, endOf, type Halt, StepEnd } from './end.ts';
import { forget, locate, lookOut, nothingHeard, WAIT_MS } from './locate.ts';
import { move } from './move.ts';
import { challenge, keyset, learn, prove } from './secure.ts';
import { refuseTwin } from './twin.ts';
import type { StepResult, StepRun } from './types.ts';

/** What an attempt may take when the plan leaves it to the device, in ms. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Makes one attempt at one step, from finding the reader to its session under the new key. The panel's poll loop
 * rests meanwhile, but not while a reader is waited for; the line is left at the rate of the reader. `ok` means that
 * the new key has opened a fresh session and that the default key is refused.
 *
 * @returns how it ended; whatever happens on the bus is an outcome.
 * @throws what `key`, `beforeKeyset` or `onFound` throw. Once KEYSET has left, none of them is called but `key`.
 */
export async function runStep(panel: Panel, run: StepRun): Promise<StepResult> {
  const halting = new AbortController();
  const halt = (outcome: Halt['outcome'], text: string): void => {
    halting.abort({ outcome, text } satisfies Halt);
  };
  const cancel = (): void => halt('cancelled', 'The attempt was cancelled');
  if (run.signal.aborted) cancel();
  else run.signal.addEventListener('abort', cancel, { once: true });
  const a = new Attempt(panel.line, run, halting.signal);
  const state = { attempted: false };
  let stopTimer: (() => void) | undefined;
  try {
    if (run.waitForReader) {
      await awaitReader(panel, a);
      await run.onFound?.().catch((error: unknown) => {
        throw new CallerFailure(error);
      });
    }
    state.attempted = true;
    const timeoutMs = run.terms.timeoutMs > 0 ? run.terms.timeoutMs : DEFAULT_TIMEOUT_MS;
    stopTimer = a.clock.at(
      a.clock.now() + timeoutMs,
      () => halt('step_timeout', `The attempt took longer than ${timeoutMs / 1000} s`),
      true,
    );
    return await panel.exclusive(() => attempt(a, state));
  } catch (error) {
    if (error instanceof CallerFailure) throw error.cause;
    return finish(a, endFor(a, error), state);
  } finally {
    stopTimer?.();
    run.signal.removeEventListener('abort', cancel);
    a.found?.restart();
  }
}

/** Stays in locate until a reader answers; between two rounds others may talk on the bus. */
async function awaitReader(panel: Panel, a: Attempt): Promise<void> {
  a.enter('locate');
  const waiting = nothingHeard();
  for (;;) {
    try {
      if (await panel.exclusive(() => lookOut(a, waiting))) return;
    } catch (error) {
      // Only a reader that is there to stay can fail the step.
      const end = endOf(error, panel.line.link.isOpen);
      if (end === undefined || end.outcome === 'port_error') throw error;
      forget(a);
    }
    await waitUntil(a.clock, a.clock.now() + WAIT_MS, { coarse: true, signal: a.halt });
  }
}

async function attempt(a: Attempt, state: { attempted: boolean }): Promise<StepResult> {
  try {
    if (a.found === undefined) {
      a.enter('locate');
      await locate(a);
    } else await a.line.setBaudRate((a.place ?? a.target).baudRate);
    await examine(a);
    a.reach('locate');
    await move(a);
    await refuseTwin(a);
    const acknowledged = (await challenge(a)) ? await keyset(a) : true;
    await prove(a, acknowledged);
    await verify(a);
    await refuseTwin(a);
    a.reach('done');
    return result(a, 'ok', a.detail(success(a), {}), state);
  } catch (error) {
    const end = endFor(a, error);
    await learn(a);
    return finish(a, end, state);
  }
}

function success(a: Attempt): string {
  const how = a.keyedBefore ? 'held its key already' : 'has its key';
  return `The reader ${how} and is locked, at ${spell(a.target)}.`;
}

/** @throws what is no business of the bus. */
function endFor(a: Attempt, error: unknown): StepEnd {
  if (error instanceof CallerFailure) throw error;
  if (a.halt.aborted && error === a.halt.reason) {
    const { outcome, text } = a.halt.reason as Halt;
    return new StepEnd(outcome, `${text} in ${a.stage}.`);
  }
  const end = endOf(error, a.line.link.isOpen);
  if (end === undefined) throw error;
  return end;
}

function finish(a: Attempt, end: StepEnd, state: { attempted: boolean }): StepResult {
  const detail = a.detail(end.message, end.detail);
  a.stall(end.stage ?? a.stage, detail);
  return result(a, end.outcome, detail, state);
}

function result(a: Attempt, outcome: Outcome, detail: StepDetail, { attempted }: { attempted: boolean }): StepResult {
  return {
    outcome,
    stage: a.stage,
    stageState: a.stageState,
    detail,
    identity: a.identity,
    keyVersion: a.keyVersion,
    maybeKeyed: a.maybeKeyed,
    place: a.place ?? null,
    attempted,
  };
}
