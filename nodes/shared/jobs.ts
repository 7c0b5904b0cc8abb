import { codeOf, isKeywayError, KeywayError } from '../../lib/errors/index.ts';
import type { Progress } from '../../lib/esp/index.ts';
import { closeLingering } from './broker.ts';
import { fail } from './errors.ts';
import { Fields } from './evaluate.ts';
import { progressText, realTiming, Throttle, type Timing } from './progress.ts';
import { StatusLine } from './status.ts';
import type { JobConfig, Message, Red, RedNode } from './types.ts';

/** How long what runs may take to end when the flow is deployed again. */
const CLOSE_MS = 5000;

/** One message being worked on. */
export interface Job {
  /** `msg.job` when it came with one, so that a unit keeps its id down the line; else a new one. */
  readonly id: string;
  readonly msg: Message;
  /** Aborted by a cancel message, the timeout, or a new deploy. */
  readonly signal: AbortSignal;
  /** Starts the clock of the timeout field: waiting for a port does not count. */
  begin(): void;
  progress(progress: Progress): void;
  /** Blue ring with these words. */
  working(text: string): void;
  /** Yellow ring with these words: a person or another job has to do something. */
  waiting(text: string): void;
  /** The seconds since begin(). */
  seconds(): number;
}

/** What came of a message. It is written into the received message, which is sent on. */
export interface Outcome {
  readonly topic: string;
  readonly payload: unknown;
  /** Words of the final status; "ok" without. */
  readonly status?: string;
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
}

export interface Inputs {
  readonly status: StatusLine;
  /** Adds something to do when the node closes. */
  onClose(cleanup: () => Promise<void> | void): void;
}

interface Running {
  readonly id: string;
  readonly abort: AbortController;
  readonly settled: Promise<void>;
}

/**
 * The one way a node of ours takes messages: sends the received message on, calls done() exactly once, hands failures
 * to Catch with their own code, obeys `msg.cancel`, ends within 5 s when the flow is deployed again, and leaves a
 * true status behind on every path. Nothing thrown or rejected escapes it.
 */
export function onInput<C extends JobConfig>(options: InputOptions<C>): Inputs {
  const { red, node } = options;
  const status = new StatusLine(node, (count) => red._('keyway.status.jobs', { count: String(count) }));
  const running = new Set<Running>();
  const cleanups: (() => Promise<void> | void)[] = [];
  let order: Promise<void> = Promise.resolve();
  let serial = 0;

  node.on('input', (received, send, done) => {
    const msg = received as Message;
    if (msg.cancel === true) {
      cancel(typeof msg.job === 'string' && msg.job !== '' ? msg.job : undefined);
      Promise.resolve(options.onCancel?.()).then(() => done(), done);
      return;
    }
    const abort = new AbortController();
    const id = typeof msg.job === 'string' && msg.job !== '' ? msg.job : red.util.generateId();
    const before = order;
    const settled = handle(`${++serial}`, id, msg, abort, send, done, options.inOrder ? before : undefined);
    // A job that is cancelled while it queues must not let the next one overtake the one that works.
    if (options.inOrder) order = Promise.all([before, settled]).then(() => undefined);
    const entry: Running = { id, abort, settled };
    running.add(entry);
    void settled.then(() => running.delete(entry));
  });

  node.on('close', (_removed: boolean, closed: () => void) => {
    const reason = fail('CANCELLED', 'The flow was deployed again while the job ran.', {
      hint: 'Send the message once more.',
    });
    for (const job of running) job.abort.abort(reason);
    void finish().then(closed);
  });

  async function finish(): Promise<void> {
    const ended = Promise.all([...running].map((job) => job.settled)).then(() => undefined);
    await withLimit(ended);
    await withLimit(closeLingering()).catch((error: unknown) => node.warn(String(error)));
    for (const cleanup of cleanups) {
      await withLimit(Promise.resolve().then(cleanup)).catch((error: unknown) => node.warn(String(error)));
    }
  }

  function cancel(id: string | undefined): void {
    for (const job of running) {
      if (id !== undefined && job.id !== id) continue;
      job.abort.abort(fail('CANCELLED', `The job ${job.id} was cancelled.`, { detail: { job: job.id } }));
    }
  }

  async function handle(
    key: string,
    id: string,
    msg: Message,
    abort: AbortController,
    send: (msg: Message | (Message | null)[]) => void,
    done: (error?: Error) => void,
    turn: Promise<void> | undefined,
  ): Promise<void> {
    const timing = options.timing ?? realTiming;
    let clock: unknown;
    let begun = timing.now();
    let timeoutMs = 0;
    const phaseWord = (phase: string): string => red._(`keyway.phase.${phase}`);
    const throttle = new Throttle<Progress>((progress) => {
      status.working(key, progressText(progress, phaseWord));
      if (options.progressOutput === undefined) return;
      const note = {
        _msgid: msg._msgid,
        topic: `${options.verb}/progress`,
        job: id,
        payload: progress,
        ...(msg.device === undefined ? {} : { device: { ...msg.device } }),
      };
      send(atOutput(note, options.progressOutput, options.outputs ?? 1));
    }, 250);
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
      progress: (progress) => throttle.push(progress),
      working: (text) => status.working(key, text),
      waiting: (text) => status.waiting(key, text),
      seconds: () => Math.round(timing.now() - begun) / 1000,
    };
    try {
      if (turn !== undefined) await Promise.race([turn, aborted(abort.signal)]);
      abort.signal.throwIfAborted();
      job.working(red._('keyway.status.working'));
      const fields = new Fields(red, node, options.config, msg);
      timeoutMs = await fields.seconds('timeout');
      if (options.inOrder) job.begin();
      const outcome = await options.run(job, fields);
      throttle.stop();
      if (outcome === null) status.ended(key);
      else {
        msg.topic = outcome.topic;
        msg.payload = outcome.payload;
        msg.job = id;
        status.ok(key, outcome.status ?? red._('keyway.status.ok'));
        send(atOutput(msg, 0, options.outputs ?? 1));
      }
      done();
    } catch (thrown) {
      throttle.stop();
      const error = failureOf(thrown, abort.signal);
      status.failed(key, codeOf(error));
      msg.job = id;
      done(error);
    } finally {
      throttle.stop();
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
    return new KeywayError(reason.code, reason.message, {
      ...(reason.hint === undefined ? {} : { hint: reason.hint }),
      cause: thrown,
      detail,
    });
  }
  if (thrown instanceof Error && codeOf(thrown, '') !== '') return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new KeywayError('INTERNAL', text, { cause: thrown });
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

function withLimit(promise: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, CLOSE_MS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function atOutput(msg: Message, output: number, outputs: number): Message | (Message | null)[] {
  if (outputs === 1) return msg;
  return Array.from({ length: outputs }, (_unused, index) => (index === output ? msg : null));
}
