import { codeOf } from '../../../errors/index.ts';
import type { Clock } from '../../clock.ts';
import type { Mutex } from '../../panel/mutex.ts';
import { isTelling, ReaderKeeper, type StepResult, type StepRun } from '../engine/index.ts';
import { type ReaderIdentity, STAGES, type Stage, type StageState, type StepDetail } from '../types.ts';
import type { Bus } from './bus.ts';
import type { StepRunner } from './options.ts';
import type { DeviceTime } from './time.ts';
import { begun, ended, interrupted } from './verbs.ts';
import type { WorkQueue } from './work-queue.ts';

/** A step that is to be attempted. */
export interface Job {
  readonly queue: WorkQueue;
  readonly index: number;
  readonly cause: 'try' | 'retry' | 'quick' | 'autonomous';
}

export interface WorkerOptions {
  readonly bus: Bus;
  readonly run: StepRunner;
  readonly clock: Clock;
  readonly time: DeviceTime;
  /** Held by whoever changes plans: a job is picked within it. */
  readonly turn: Mutex;
  /** An error of ours: nothing of the bus or of the store. */
  readonly onFailure: (error: Error) => void;
  /** Whether an attempt may be begun: the store can be written, and nobody closes. */
  readonly mayBegin: () => boolean;
  /** The plan that goes on by itself now; none while a host is attached. */
  readonly autonomous: () => WorkQueue | undefined;
}

/** Why an attempt, or the wait for a reader, is ended from outside. */
type Reason = 'cancel' | 'pause' | 'stop';

interface Running extends Job {
  readonly abort: AbortController;
  /** Versions that a reader could hold before the attempt; undefined: it waits for a reader, no attempt is counted. */
  before: readonly number[] | undefined;
  /** The attempt is in the journal. */
  intent: Promise<void>;
  reason: Reason | undefined;
  done: Promise<void>;
  /** What was told of the wait, and when last. */
  readonly told: Map<string, number>;
}

/** After a port that could not be opened, and while a reader is waited for: how long until the next try or word, ms. */
const PORT_PAUSE_MS = 5000;
const TELL_WAIT_MS = 60_000;

/** Makes attempts, one at a time over all plans: those that a person asked for in their order, else by itself. */
export class Worker {
  readonly #options: WorkerOptions;
  #jobs: Job[] = [];
  #running: Running | undefined;
  #waking = false;
  #pausedUntil = 0;
  #stopTimer: (() => void) | undefined;
  #keeper: ReaderKeeper | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Nothing is under way that a person has asked for, and nothing waits. */
  get isFree(): boolean {
    return this.#running === undefined && this.#jobs.length === 0;
  }

  /** The step that is being attempted. */
  attempts(queue: WorkQueue, index?: number): boolean {
    const running = this.#running;
    return running?.before !== undefined && running.queue === queue && (index ?? running.index) === running.index;
  }

  hasJobs(queue: WorkQueue): boolean {
    return this.#jobs.some((job) => job.queue === queue);
  }

  /** Begins an attempt that is in the journal already. Within the turn, when it is free. */
  start(job: Job, before: readonly number[]): void {
    this.#start(job, { before, intent: Promise.resolve() });
  }

  /** It takes its turn when the bus is free. A wait for a reader gives way. */
  enqueue(job: Job): void {
    this.#jobs.push(job);
    this.pause();
  }

  /** A step waits no more. */
  drop(queue: WorkQueue, index?: number): Job[] {
    const dropped = this.#jobs.filter((job) => job.queue === queue && (index ?? job.index) === job.index);
    this.#jobs = this.#jobs.filter((job) => !dropped.includes(job));
    return dropped;
  }

  /** Nobody is to be waited for any more; an attempt that has begun ends by itself. */
  pause(): void {
    if (this.#running !== undefined && this.#running.before === undefined) this.#end(this.#running, 'pause');
    else this.wake();
  }

  /** Ends the attempt at a step of the plan, or the wait for its reader. Resolves when it is over. */
  async cancel(queue: WorkQueue, index?: number): Promise<void> {
    const running = this.#running;
    if (running === undefined || running.queue !== queue || (index ?? running.index) !== running.index) return;
    this.#end(running, running.before === undefined ? 'pause' : 'cancel');
    await running.done;
  }

  /** Looks for something to do. */
  wake(): void {
    if (this.#waking || this.#running !== undefined) return;
    this.#waking = true;
    void this.#options.turn
      .run(async () => {
        this.#waking = false;
        if (this.#running === undefined && this.#options.mayBegin()) this.#pick();
      })
      .catch(() => undefined);
  }

  /** The provisioner is closed: what is under way is interrupted. */
  async close(): Promise<void> {
    this.#jobs = [];
    this.#stopTimer?.();
    const running = this.#running;
    if (running !== undefined) {
      this.#end(running, 'stop');
      await running.done;
    }
    await this.#keeper?.release();
  }

  #pick(): void {
    const job = this.#jobs.shift();
    if (job !== undefined) {
      const running = this.#start(job, { before: undefined, intent: Promise.resolve() });
      this.#begin(running);
      return;
    }
    const queue = this.#options.autonomous();
    const step = queue?.steps.find(({ status }) => status.state === 'pending');
    if (queue === undefined || step === undefined) return;
    const wait = this.#pausedUntil - this.#options.clock.now();
    if (wait > 0) {
      this.#later(wait);
      return;
    }
    const { index } = step.status;
    this.#start({ queue, index, cause: 'autonomous' }, { before: undefined, intent: Promise.resolve() });
  }

  #later(ms: number): void {
    const { clock } = this.#options;
    this.#stopTimer?.();
    this.#stopTimer = clock.at(clock.now() + ms, () => this.wake(), true);
  }

  #start(job: Job, from: Pick<Running, 'before' | 'intent'>): Running {
    const running: Running = {
      ...job,
      ...from,
      abort: new AbortController(),
      reason: undefined,
      done: Promise.resolve(),
      told: new Map(),
    };
    this.#running = running;
    running.done = Promise.resolve()
      .then(() => this.#work(running))
      .catch((error: Error) => this.#options.onFailure(error))
      .finally(() => {
        this.#running = undefined;
        this.wake();
      });
    return running;
  }

  #end(running: Running, reason: Reason): void {
    running.reason ??= reason;
    if (!running.abort.signal.aborted) running.abort.abort();
  }

  /** The attempt is counted from here on. */
  #begin(running: Running): void {
    const { queue, index, cause } = running;
    const step = queue.step(index);
    running.before = step.tried;
    running.intent = queue.change({ index, step: begun(step, this.#options.time.now()), cause }, true);
    running.intent.catch(() => undefined);
  }

  async #work(running: Running): Promise<void> {
    const { queue, index } = running;
    let result: StepResult;
    let place: StepResult['place'] = null;
    try {
      await this.#keeper?.release();
      this.#keeper = undefined;
      const panel = await this.#options.bus.panel();
      result = await this.#options.run(panel, this.#runOf(running));
      place = result.place;
      // Some readers go astray when nobody talks to them.
      if (result.outcome !== 'ok' && place !== null && !panel.isClosed) {
        this.#keeper = new ReaderKeeper(panel);
        this.#keeper.hold(place);
      }
    } catch (error) {
      result = failed(running, error);
    }
    const step = queue.step(index);
    const at = this.#options.time.now();
    if (running.before === undefined) {
      if (result.outcome !== 'cancelled') this.#pausedUntil = this.#options.clock.now() + PORT_PAUSE_MS;
      if (step.status.stage === null) return;
      const status = { ...step.status, stage: null, stageState: null, detail: null, at };
      queue.change({ index, step: { ...step, status }, cause: 'autonomous' }, false).catch(() => undefined);
      return;
    }
    const stopped = running.reason === 'stop' && result.outcome === 'cancelled';
    const change = stopped
      ? { index, step: interrupted(step, queue.terms.autonomous, at), cause: 'power' as const }
      : {
          index,
          step: ended(step, result, running.before, at),
          cause: running.reason === 'cancel' ? ('cancel' as const) : ('attempt' as const),
        };
    // The next attempt need not wait for the disk; its KEYSET does.
    queue.change(change, true).catch(() => undefined);
  }

  #runOf(running: Running): StepRun {
    const { queue, index } = running;
    const { status, next, tried } = queue.step(index);
    const { address, baudRate, serial } = status;
    const waits = running.before === undefined;
    const before = running.before ?? tried;
    const met = queue.steps.flatMap(({ status: { state, identity, detail } }) =>
      state === 'failure' && (identity !== null || detail?.foundAt !== undefined) ? [identity] : [],
    );
    const known = met.filter((identity): identity is ReaderIdentity => identity !== null && isTelling(identity));
    return {
      plan: { address, baudRate, ...(serial === undefined ? {} : { serial }) },
      terms: queue.terms,
      key: (version) => queue.key(index, version),
      keyVersion: next,
      // A reader that was keyed with this version and is open still is not keyed once more.
      earlierVersions: [...(before.includes(next) ? [next] : []), ...queue.earlierVersions(index)],
      again: before.length > 0 || status.attempts > (waits ? 0 : 1),
      waitForReader: waits,
      ...(waits ? { passOver: known, passOverUnknown: known.length < met.length } : {}),
      beforeKeyset: () => running.intent.catch(() => queue.settle()),
      onStage: (stage, state, detail) => this.#stage(running, stage, state, detail),
      onFound: async () => {
        running.abort.signal.throwIfAborted();
        if (running.before === undefined) this.#begin(running);
      },
      signal: running.abort.signal,
      clock: this.#options.clock,
    };
  }

  #stage(running: Running, stage: Stage, stageState: StageState, detail?: Partial<StepDetail>): void {
    // The end of the attempt says these.
    if (stageState === 'stalled' || stage === 'done') return;
    const { queue, index } = running;
    const step = queue.step(index);
    const { status } = step;
    const text = detail?.text;
    const same = status.stage === stage && status.stageState === stageState;
    if (same && (text === undefined || text === status.detail?.text)) return;
    const { clock, time } = this.#options;
    if (running.before === undefined) {
      const word = text ?? '';
      const last = running.told.get(word) ?? Number.NEGATIVE_INFINITY;
      if (same && clock.now() - last < TELL_WAIT_MS) return;
      running.told.set(word, clock.now());
    }
    const told = { stage, stageState, at: time.now(), ...(text === undefined ? {} : { detail: { ...detail, text } }) };
    const cause = running.before === undefined ? 'autonomous' : 'attempt';
    queue.change({ index, step: { ...step, status: { ...status, ...told } }, cause }, false).catch(() => undefined);
  }
}

/** An attempt that did not end by its own word: the port, the store, the keystore, or an error of ours. */
function failed(running: Running, error: unknown): StepResult {
  const { queue, index, abort } = running;
  const { status, next } = queue.step(index);
  const stage = status.stage ?? 'locate';
  const code = codeOf(error);
  const cancelled = abort.signal.aborted;
  const outcome = cancelled ? 'cancelled' : code.startsWith('PORT_') ? 'port_error' : 'interrupted';
  return {
    outcome,
    stage,
    stageState: 'stalled',
    detail: { text: cancelled ? 'The attempt was cancelled.' : (error as Error).message },
    identity: null,
    keyVersion: null,
    // KEYSET may have left.
    maybeKeyed: STAGES.indexOf(stage) >= STAGES.indexOf('keyset') ? next : null,
    place: null,
    attempted: true,
  };
}
