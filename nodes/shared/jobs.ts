import { codeOf, isKeywayError, KeywayError } from '../../lib/errors/index.ts';
import { closeLingering } from './broker.ts';
import { fail } from './errors.ts';
import { Fields } from './evaluate.ts';
import { type JobProgress, progressText, realTiming, Throttle, type Timing } from './progress.ts';
import { StatusLine } from './status.ts';
import type { JobConfig, Message, Red, RedNode } from './types.ts';

/** How long a node may take to close when the flow is deployed again, and how much of it is for its jobs to end. */
const CLOSE_MS = 5000;
const JOBS_MS = 4000;

/** One message being worked on. */
export interface Job {
  /** `msg.job` when it came with one, so that a unit keeps its id down the line; else a new one. */
  readonly id: string;
  readonly msg: Message;
  /** Aborted by a cancel message, the timeout, or a new deploy. */
  readonly signal: AbortSignal;
  /** Starts the clock of the timeout field: waiting for a port does not count. */
  begin(): void;
  progress(progress: JobProgress): void;
  /** Blue ring with these words. */
  working(text: string): void;
  /** Yellow ring with these words: a person or another job has to do something. */
  waiting(text: string): void;
  /** The seconds since begin(). */
  seconds(): number;
  /** What is done at close when the job does not end although it was aborted: takes from it what it holds. */
  lastResort(take: () => Promise<void>): void;
}

/** What came of a message. It is written into the received message, which is sent on. */
export interface Outcome {
  readonly topic: string;
  readonly payload: unknown;
  /** Words of the final status; "ok" without. */
  readonly status?: string;
  /** It ended, but not well: the status says so, the message goes on all the same. */
  readonly bad?: boolean;
  /** Which output it goes to; the first one without. */
  readonly output?: number;
}

export interface InputOptions<C extends JobConfig> {
  readonly red: Red;
  readonly node: RedNode;
  readonly config: C;
  /** How many outputs the node has; default 1. */
  readonly outputs?: number;
  /** Which output progress goes to; without one it is in the status alone. */
  readonly progressOutput?: number;
  /** Prefix of the topics: "flash". */
  readonly verb: string;
  /** One message at a time, in order. Nodes with a port leave it off: there the port decides. */
  readonly inOrder?: boolean;
  readonly timing?: Timing;
  /** A node whose output is no answer to the message gives null: nothing is sent. */
  run(job: Job, fields: Fields<C>): Promise<Outcome | null>;
  /** Beside the running jobs, what else a cancel message ends. */
  onCancel?(): Promise<void>;
  /** Called with the message of a job that failed or was cancelled, before it goes to Catch. */
  onFailed?(msg: Message): void;
}

export interface Inputs {
  readonly status: StatusLine;
  /** Adds something to do when the node closes. */
  onClose(cleanup: () => Promise<void> | void): void;
}

interface Running {
  readonly id: string;
  readonly abort: AbortController;
  settled: Promise<void>;
  /** See `Job.lastResort`. */
  take: () => Promise<void>;
}

/**
 * The one way a node of ours takes messages: sends the received message on, calls done() exactly once, hands failures
 * to Catch with their own code, obeys `msg.cancel`, ends within 5 s when the flow is deployed again, and leaves a
 * true status behind on every path. Nothing thrown or rejected escapes it.
 */
export function onInput<C extends JobConfig>(options: InputOptions<C>): Inputs {
  const { red, node } = options;
  const timing = options.timing ?? realTiming;
  const status = new StatusLine(node, (count) => red._('keyway.status.jobs', { count: String(count) }));
  const running = new Set<Running>();
  const cleanups: (() => Promise<void> | void)[] = [];
  let order: Promise<void> = Promise.resolve();
  let serial = 0;
  /** A job that outlives its node says nothing any more. */
  let closed = false;

  node.on('input', (received, send, done) => {
    const msg = received as Message;
    if (msg.cancel === true) {
      cancel(typeof msg.job === 'string' && msg.job !== '' ? msg.job : undefined);
      Promise.resolve()
        .then(() => options.onCancel?.())
        .then(() => done(), done)
        .catch(complain);
      return;
    }
    const abort = new AbortController();
    const id = typeof msg.job === 'string' && msg.job !== '' ? msg.job : red.util.generateId();
    const before = order;
    const entry: Running = { id, abort, settled: Promise.resolve(), take: async () => undefined };
    entry.settled = handle(`${++serial}`, entry, msg, send, options.inOrder ? before : undefined)
      .then((failure) => done(failure))
      .catch(complain);
    // A job that is cancelled while it queues must not let the next one overtake the one that works.
    if (options.inOrder) order = Promise.all([before, entry.settled]).then(() => undefined);
    running.add(entry);
    void entry.settled.then(() => running.delete(entry));
  });

  node.on('close', (_removed: boolean, ended: () => void) => {
    const reason = fail('CANCELLED', 'The flow was deployed again while the job ran.', {
      hint: 'Send the message once more.',
    });
    for (const job of running) job.abort.abort(reason);
    void withLimit(finish(), CLOSE_MS).then(ended);
  });

  async function finish(): Promise<void> {
    await withLimit(Promise.all([...running].map((job) => job.settled)), JOBS_MS);
    closed = true;
    status.mute();
    await Promise.all([...running].map((job) => job.take().catch(complain)));
    const last = [closeLingering, ...cleanups].map((cleanup) => Promise.resolve().then(cleanup).catch(complain));
    await Promise.all(last);
  }

  /** Resolves when the work is done, however it ends, or the time is over. */
  function withLimit(work: Promise<unknown>, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = timing.setTimeout(resolve, ms);
      const end = (): void => {
        timing.clearTimeout(timer);
        resolve();
      };
      work.then(end, end);
    });
  }

  /** For what goes wrong outside of a job: there is no message to hand to Catch. */
  function complain(error: unknown): void {
    node.warn(String(error));
  }

  function cancel(id: string | undefined): void {
    for (const job of running) {
      if (id !== undefined && job.id !== id) continue;
      job.abort.abort(fail('CANCELLED', `The job ${job.id} was cancelled.`, { detail: { job: job.id } }));
    }
  }

  /** Works on one message. Gives the error it failed with; never rejects for what the job does. */
  async function handle(
    key: string,
    entry: Running,
    msg: Message,
    send: (msg: Message | (Message | null)[]) => void,
    turn: Promise<void> | undefined,
  ): Promise<Error | undefined> {
    const { id, abort } = entry;
    let clock: unknown;
    let begun = timing.now();
    let timeoutMs = 0;
    let ended = false;
    const end = (): void => {
      ended = true;
      throttle.stop();
    };
    const tell = (note: Message, output: number): void => {
      if (!closed) send(atOutput(note, output, options.outputs ?? 1));
    };
    const phaseWord = (phase: string): string => red._(`keyway.phase.${phase}`);
    const throttle = new Throttle<JobProgress>(
      (progress) => {
        // A person has to plug the board in again.
        if (progress.phase === 'wait') status.waiting(key, phaseWord('wait'));
        else status.working(key, progressText(progress, phaseWord));
        if (options.progressOutput === undefined) return;
        const note = {
          _msgid: msg._msgid,
          topic: `${options.verb}/progress`,
          job: id,
          payload: progress,
          ...(msg.device === undefined ? {} : { device: { ...msg.device } }),
        };
        tell(note, options.progressOutput);
      },
      250,
      timing,
    );
    const job: Job = {
      id,
      msg,
      signal: abort.signal,
      begin: () => {
        begun = timing.now();
        if (timeoutMs > 0 && clock === undefined) {
          clock = timing.setTimeout(() => abort.abort(timedOut(timeoutMs)), timeoutMs);
        }
      },
      // What comes after the end must not stand in the way of the final status.
      progress: (progress) => void (ended || throttle.push(progress)),
      working: (text) => void (ended || status.working(key, text)),
      waiting: (text) => void (ended || status.waiting(key, text)),
      seconds: () => Math.round(timing.now() - begun) / 1000,
      lastResort: (take) => {
        entry.take = take;
      },
    };
    try {
      if (turn !== undefined) await Promise.race([turn, aborted(abort.signal)]);
      abort.signal.throwIfAborted();
      job.working(red._('keyway.status.working'));
      const fields = new Fields(red, node, options.config, msg);
      timeoutMs = await fields.seconds('timeout');
      if (options.inOrder) job.begin();
      const outcome = await options.run(job, fields);
      end();
      if (outcome === null) status.ended(key);
      else {
        msg.topic = outcome.topic;
        msg.payload = outcome.payload;
        msg.job = id;
        if (outcome.bad === true) status.failed(key, outcome.status ?? '');
        else status.ok(key, outcome.status ?? red._('keyway.status.ok'));
        tell(msg, outcome.output ?? 0);
      }
      return undefined;
    } catch (thrown) {
      end();
      const error = withHint(failureOf(thrown, abort.signal));
      options.onFailed?.(msg);
      status.failed(key, codeOf(error));
      msg.job = id;
      return error;
    } finally {
      if (clock !== undefined) timing.clearTimeout(clock);
    }
  }

  return { status, onClose: (cleanup) => void cleanups.push(cleanup) };
}

/** What a failure is to be called: why it was ended when it was, and always an error with an own code. */
function failureOf(thrown: unknown, signal: AbortSignal): Error {
  const reason: unknown = signal.aborted ? signal.reason : undefined;
  if (isKeywayError(reason)) {
    if (isKeywayError(thrown, reason.code)) return thrown;
    // How far a partial operation came is in what was thrown.
    const detail = { ...reason.detail, ...(isKeywayError(thrown) ? thrown.detail : {}) };
    const { stepsDone, steps } = detail;
    const came = stepsDone === undefined ? '' : ` ${stepsDone} of ${steps} steps were done and verified before.`;
    return new KeywayError(reason.code, `${reason.message}${came}`, {
      ...(reason.hint === undefined ? {} : { hint: reason.hint }),
      cause: thrown,
      detail,
    });
  }
  if (thrown instanceof Error && codeOf(thrown, '') !== '') return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return fail('INTERNAL', text, { cause: thrown });
}

/** Catch and the log are given the message alone: what to do belongs into it. */
function withHint(error: Error): Error {
  if (!isKeywayError(error) || error.hint === undefined || error.message.includes(error.hint)) return error;
  const { code, message, hint, cause, detail } = error;
  return new KeywayError(code, `${message} ${hint}`, { hint, cause, ...(detail === undefined ? {} : { detail }) });
}

function timedOut(ms: number): KeywayError {
  return fail('TIMEOUT', `The job did not end within ${ms / 1000} s.`, {
    hint: 'Give it more time in the timeout field, or look at what it waits for.',
    detail: { seconds: ms / 1000 },
  });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function atOutput(msg: Message, output: number, outputs: number): Message | (Message | null)[] {
  if (outputs === 1) return msg;
  return Array.from({ length: outputs }, (_unused, index) => (index === output ? msg : null));
}
