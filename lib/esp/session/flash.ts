import { isKeywayError, KeywayError } from '../../errors/index.ts';
import type { Link } from '../../link/index.ts';
import { checkPlan, checkPlanAgainstChip } from '../plan/index.ts';
import type { ChipFacts, FlashPlan, FlashResult, PlanStep } from '../types.ts';
import { hex } from '../units.ts';
import { fail, throwIfCancelled } from './errors.ts';
import { ProgressMeter } from './progress.ts';
import { type ChipSession, type ConnectOptions, connectChip } from './session.ts';

/** How to flash. All but the platform has a default. */
export interface FlashOptions extends ConnectOptions {
  /** The rate to flash at, in baud. Default 460800. */
  readonly baudRate?: number | undefined;
  /** Whether the chip starts its firmware after. Default true. */
  readonly resetAfter?: boolean | undefined;
  /** Guards to override, beside those of the plan. */
  readonly force?: readonly string[] | undefined;
  /** False writes by the ROM loader alone: slow, for chips whose stub will not run. Default true. */
  readonly useStub?: boolean | undefined;
  /** Told what the chip is before anything is written; what it throws refuses the chip. */
  readonly onDetected?: ((facts: ChipFacts) => void) | undefined;
}

/**
 * Flashes a plan: connects, detects, checks the guards, starts the stub, speeds the line up, carries out the steps in
 * their order, each verified, and restarts the chip. Refused by a guard, the chip is restarted into the firmware it
 * has; cancelled or failed later, it stays in its loader with the line at rest. The link stays open.
 * @throws the codes of sessionErrors, planErrors and linkErrors.
 */
export async function flash(link: Link, plan: FlashPlan, options: FlashOptions): Promise<FlashResult> {
  const started = performance.now();
  checkPlan(plan, options.force);
  throwIfCancelled(options.signal);
  const session = await connectChip(link, options);
  try {
    const notes = await refuseOrForce(session, plan, options);
    const { signal, onProgress } = options;
    if (options.useStub !== false) await session.startStub({ signal, onProgress });
    const baudRate = await session.setBaudRate(options.baudRate ?? 460_800, { signal });
    const steps = await carryOut(session, plan, options);
    const meter = new ProgressMeter(onProgress);
    let restarted = false;
    if (options.resetAfter !== false) {
      meter.report('reset', 0, 1, 'steps');
      restarted = await session.reset();
      meter.report('reset', 1, 1, 'steps');
    }
    return {
      chip: session.facts,
      steps,
      bytes: plan.bytes,
      wireBytes: session.wireBytes,
      seconds: (performance.now() - started) / 1000,
      baudRate,
      restarted,
      notes,
    };
  } finally {
    await session.close();
  }
}

async function refuseOrForce(
  session: ChipSession,
  plan: FlashPlan,
  options: FlashOptions,
): Promise<FlashPlan['notes']> {
  try {
    options.onDetected?.(session.facts);
    return [...plan.notes, ...checkPlanAgainstChip(plan, session.facts, session.link.info, options.force ?? [])];
  } catch (error) {
    // Nothing was written: the chip goes back to what it did before.
    if (session.link.isOpen) await session.reset();
    throw error;
  }
}

type StepResults = FlashResult['steps'][number][];

async function carryOut(session: ChipSession, plan: FlashPlan, options: FlashOptions): Promise<StepResults> {
  const results: StepResults = [];
  try {
    await eachStep(session, plan, options, results);
  } catch (error) {
    throw cutShort(error, results.length, plan.steps.length);
  }
  return results;
}

/** A run that ends early says how far it came. */
function cutShort(error: unknown, done: number, steps: number): unknown {
  if (!isKeywayError(error)) return error;
  const { code, message, detail } = error;
  return new KeywayError(code, `${message} ${done} of ${steps} steps were done and verified before.`, {
    hint: error.hint ?? 'Flash the plan again: what is missing or half written is written anew.',
    cause: error,
    detail: { ...detail, stepsDone: done, steps },
  });
}

async function eachStep(
  session: ChipSession,
  plan: FlashPlan,
  options: FlashOptions,
  results: StepResults,
): Promise<void> {
  const { signal, onProgress } = options;
  const meter = new ProgressMeter(onProgress);
  let written = 0;
  for (const [i, step] of plan.steps.entries()) {
    throwIfCancelled(signal);
    const { action, offset, size, name } = step;
    const before = session.wireBytes;
    if (step.data === undefined) {
      await session.eraseRange(offset, size, { signal, onProgress, item: name });
      if (!(await session.isBlank(offset, size, { signal }))) {
        throw fail('NOT_ERASED', `"${name}" at ${hex(offset)} is not blank after it was erased.`, {
          hint: 'The flash chip or its wiring is faulty, or that part of it is write-protected.',
          detail: { offset, size, name },
        });
      }
      const wireBytes = session.wireBytes - before;
      results.push({ action, offset, size, name, wireBytes, verified: true, attempts: 1, resent: 0 });
      continue;
    }
    prepareNext(session, plan.steps[i + 1], signal);
    const base = written;
    meter.report('write', base, plan.bytes, 'B', name);
    const result = await session.writeRegion(
      { ...step, data: step.data },
      {
        signal,
        onBytes: (done) => meter.report('write', base + done, plan.bytes, 'B', name),
        onPhase: (phase) => {
          if (phase === 'verify') meter.report('verify', i, plan.steps.length, 'steps', name);
        },
      },
    );
    written += size;
    const { md5, attempts, resent, wireBytes } = result;
    results.push({ action, offset, size, name, wireBytes, md5, verified: true, attempts, resent });
  }
}

/** Compresses the next region while this one is on the line. Its failure, if any, comes back when it is written. */
function prepareNext(session: ChipSession, next: PlanStep | undefined, signal: AbortSignal | undefined): void {
  if (next?.data === undefined) return;
  session.prepareRegion({ ...next, data: next.data }, signal).catch(() => undefined);
}
