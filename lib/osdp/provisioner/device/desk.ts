import { fail } from '../errors.ts';
import { STEPS_MOST, type StepPlan, type StepVerb } from '../types.ts';
import { checkStep } from './check.ts';
import { type KeptStep, newStep } from './state.ts';
import type { DeviceTime } from './time.ts';
import {
  begun,
  checkVerb,
  interrupted,
  isUnderWay,
  notWaiting,
  reset,
  skipped,
  VERSION_MOST,
  waiting,
} from './verbs.ts';
import type { WorkQueue } from './work-queue.ts';
import type { Job, Worker } from './worker.ts';

/** What people ask of steps. All of it within the turn. */
export class Desk {
  readonly #worker: Worker;
  readonly #time: DeviceTime;
  /** Whether an attempt may be begun at once. */
  readonly #mayBegin: () => boolean;

  constructor(worker: Worker, time: DeviceTime, mayBegin: () => boolean) {
    this.#worker = worker;
    this.#time = time;
    this.#mayBegin = mayBegin;
  }

  /** @throws STEP_OUT_OF_RANGE, VERB_NOT_LEGAL; STORE_…: nothing was changed */
  async verb(queue: WorkQueue, index: number, verb: StepVerb): Promise<void> {
    checkVerb(queue.step(index).status, verb);
    if (verb === 'try' || verb === 'retry') await this.#ask({ queue, index, cause: verb }, queue.step(index));
    else {
      // The attempt at it, or the wait for its reader.
      await this.#worker.cancel(queue, index);
      const step = queue.step(index);
      const at = this.#time.now();
      const next = verb === 'reset' ? reset(step, at) : skipped(step, at);
      const reopens = verb === 'reset' && queue.closed ? { closed: false } : {};
      await queue.commit({ index, step: next, cause: verb }, reopens);
      this.#worker.drop(queue, index);
    }
    this.#worker.wake();
  }

  /**
   * Adds a step to the live queue. A reader at an address that the queue had before never gets the key of the reader of
   * then: the version is raised. The reader of then is recognised by its key.
   * @throws SLOT_STATE, BAD_PLAN; STORE_…: nothing was changed
   */
  async quick(queue: WorkQueue, asked: StepPlan): Promise<number> {
    if (queue.closed || queue.length >= STEPS_MOST) {
      const text = queue.closed ? 'The live queue is closed.' : `The live queue has ${STEPS_MOST} steps.`;
      throw fail('SLOT_STATE', text, {
        hint: queue.closed ? 'Begin another one.' : 'Close it, export its keys, and begin another one.',
        detail: { slot: queue.id, state: queue.summary().state, steps: queue.length },
      });
    }
    const plan = checkStep(asked);
    const versions = queue.steps.filter(({ status }) => status.address === plan.address).map(({ next }) => next);
    const next = Math.min(VERSION_MOST, Math.max(-1, ...versions) + 1);
    const index = queue.length;
    await this.#ask({ queue, index, cause: 'quick' }, newStep(plan, index, this.#time.now(), next));
    this.#worker.wake();
    return index;
  }

  /** @throws SLOT_STATE: a step is under way; STORE_… */
  async close(queue: WorkQueue): Promise<void> {
    if (this.#worker.attempts(queue) || this.#worker.hasJobs(queue)) {
      throw fail('SLOT_STATE', 'A step of the live queue is under way.', {
        hint: 'Wait for its end, or cancel it.',
        detail: { slot: queue.id, state: queue.summary().state },
      });
    }
    if (!queue.closed) await queue.commit(undefined, { closed: true });
  }

  /** Ends the attempt under way, and takes those back that wait. @throws STORE_…: it is ended, but not written yet */
  async cancel(queue: WorkQueue): Promise<void> {
    for (const { index } of this.#worker.drop(queue)) {
      const step = notWaiting(queue.step(index), this.#time.now());
      queue.change({ index, step, cause: 'cancel' }, true).catch(() => undefined);
    }
    if (this.#worker.attempts(queue)) await this.#worker.cancel(queue);
    await queue.settle();
  }

  /**
   * After the power went, or at an orderly end: nothing is under way and nothing waits.
   * @returns the steps whose attempt was cut off
   */
  recover(queue: WorkQueue): number[] {
    const cut: number[] = [];
    for (const step of queue.steps) {
      if (!isUnderWay(step.status)) continue;
      const { state, index } = step.status;
      const next = interrupted(step, queue.terms.autonomous, this.#time.now());
      queue.change({ index, step: next, cause: 'power' }, true).catch(() => undefined);
      if (state === 'attempting') cut.push(index);
    }
    return cut;
  }

  /** A person wants an attempt: now when nothing else is under way, else in its turn. */
  async #ask(job: Job, step: KeptStep): Promise<void> {
    const { queue, index, cause } = job;
    const at = this.#time.now();
    const reopens = queue.closed ? { closed: false } : {};
    if (this.#worker.isFree && this.#mayBegin()) {
      await queue.commit({ index, step: begun(step, at), cause }, reopens);
      this.#worker.start(job, step.tried);
    } else {
      await queue.commit({ index, step: waiting(step, at), cause }, reopens);
      this.#worker.enqueue(job);
    }
  }
}
