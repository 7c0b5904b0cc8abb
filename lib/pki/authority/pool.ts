import type { KeyObject } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { KeywayError } from '../../errors/index.ts';
import type { TemplateTerms } from '../certificate/template.ts';
import { fail } from '../errors.ts';
import type { Minted, MintOrder } from './mint.ts';
import type { FromWorker, ToWorker } from './mint.worker.ts';

export interface PoolOptions {
  /** How many threads, 1 … 64. Default: as many as this machine runs at once. */
  readonly workers?: number;
  /** How long they wait for work before they end, in milliseconds. Default 10000. */
  readonly idleMs?: number;
}

interface Job {
  readonly issuer: string;
  readonly order: MintOrder;
  resolve(minted: Minted): void;
  reject(error: Error): void;
}

interface Seat {
  readonly worker: Worker;
  /** Issuers that it has been told of, and in which state of theirs. */
  readonly knows: Map<string, number>;
  /** Batches that it was sent, in the order in which it answers. */
  readonly sent: Job[][];
}

const BATCH = 32;
/** A worker finds its next batch waiting when it ends one. */
const AHEAD = 2;

/** Makes certificates on several threads. They start with the first order and end when there are none for a while. */
export class MintPool {
  readonly #workers: number;
  readonly #idleMs: number;
  readonly #issuers = new Map<string, { terms: TemplateTerms; key: KeyObject; version: number }>();
  readonly #seats: Seat[] = [];
  #queue: Job[] = [];
  #next = 0;
  #planned = false;
  #versions = 0;
  #closed = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: PoolOptions = {}) {
    this.#workers = Math.min(64, Math.max(1, options.workers ?? availableParallelism()));
    this.#idleMs = options.idleMs ?? 10_000;
  }

  /** How many threads run. */
  get running(): number {
    return this.#seats.length;
  }

  /** Tells of an issuer, or that it has changed. */
  setIssuer(name: string, terms: TemplateTerms, key: KeyObject): void {
    this.#issuers.set(name, { terms, key, version: ++this.#versions });
  }

  /**
   * One certificate.
   * @throws AUTHORITY_CLOSED, WORKER_LOST; what Issuer.mint throws
   */
  mint(issuer: string, order: MintOrder): Promise<Minted> {
    if (this.#closed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#queue.push({ issuer, order, resolve, reject });
      if (this.#planned) return;
      // What is ordered in one turn goes out together.
      this.#planned = true;
      queueMicrotask(() => {
        this.#planned = false;
        this.#send();
      });
    });
  }

  /** Ends the threads; who still waits gets AUTHORITY_CLOSED. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    for (const job of this.#queue.splice(0)) job.reject(closed());
    this.#issuers.clear();
    const seats = this.#seats.splice(0);
    for (const job of seats.flatMap(({ sent }) => sent.flat())) job.reject(closed());
    await Promise.all(seats.map(({ worker }) => worker.terminate()));
  }

  #send(): void {
    while (this.#next < this.#queue.length) {
      const seat = this.#freeSeat();
      if (seat === undefined) break;
      const waiting = this.#queue.length - this.#next;
      // A small crowd is spread over all threads, a large one goes in whole batches.
      const size = Math.min(BATCH, Math.ceil(waiting / this.#workers));
      const jobs = this.#queue.slice(this.#next, this.#next + size);
      this.#next += jobs.length;
      this.#tell(seat, jobs);
    }
    if (this.#next === this.#queue.length || this.#next > 4096) {
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
  }

  #freeSeat(): Seat | undefined {
    const least = this.#seats.reduce<Seat | undefined>(
      (best, seat) => (best === undefined || seat.sent.length < best.sent.length ? seat : best),
      undefined,
    );
    if (least !== undefined && least.sent.length === 0) return least;
    if (this.#seats.length < this.#workers) return this.#start();
    return least !== undefined && least.sent.length < AHEAD ? least : undefined;
  }

  #tell(seat: Seat, jobs: Job[]): void {
    for (const name of new Set(jobs.map(({ issuer }) => issuer))) {
      const known = this.#issuers.get(name);
      if (known === undefined || seat.knows.get(name) === known.version) continue;
      seat.worker.postMessage({ issuer: name, terms: known.terms, key: known.key } satisfies ToWorker);
      seat.knows.set(name, known.version);
    }
    clearTimeout(this.#idle);
    seat.worker.ref();
    seat.sent.push(jobs);
    seat.worker.postMessage({ jobs: jobs.map(({ issuer, order }) => ({ issuer, order })) } satisfies ToWorker);
  }

  #start(): Seat {
    const file = import.meta.url.endsWith('.ts') ? './mint.worker.ts' : './mint.worker.js';
    const worker = new Worker(new URL(file, import.meta.url), { name: 'keyway-mint' });
    const seat: Seat = { worker, knows: new Map(), sent: [] };
    this.#seats.push(seat);
    worker.on('message', (answers: readonly FromWorker[]) => {
      this.#settle(seat, answers);
      this.#send();
    });
    worker.on('error', (error) => this.#lost(seat, error.message));
    worker.on('exit', (code) => this.#lost(seat, `its thread ended with code ${code}`));
    return seat;
  }

  #settle(seat: Seat, answers: readonly FromWorker[]): void {
    const jobs = seat.sent.shift() ?? [];
    for (const [i, job] of jobs.entries()) {
      const answer = answers[i];
      if (answer !== undefined && 'der' in answer) job.resolve(answer);
      else job.reject(errorOf(answer));
    }
    if (seat.sent.length > 0) return;
    seat.worker.unref();
    if (this.#seats.every(({ sent }) => sent.length === 0)) this.#rest();
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      for (const { worker } of this.#seats.splice(0)) void worker.terminate();
    }, this.#idleMs).unref();
  }

  #lost(seat: Seat, why: string): void {
    const at = this.#seats.indexOf(seat);
    if (at < 0) return;
    this.#seats.splice(at, 1);
    for (const job of seat.sent.flat()) job.reject(fail('WORKER_LOST', `A worker that issues stopped: ${why}.`));
    this.#send();
  }
}

function errorOf(answer: Exclude<FromWorker, Minted> | undefined): Error {
  if (answer === undefined) return fail('WORKER_LOST', 'A worker that issues gave no answer.');
  const { code, message, hint, detail } = answer;
  return new KeywayError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(detail === undefined ? {} : { detail }),
  });
}

function closed(): Error {
  return fail('AUTHORITY_CLOSED', 'The authority is closed.', { hint: 'Open it again.' });
}
