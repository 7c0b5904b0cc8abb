import { isBuiltin } from 'node:module';
import { Worker } from 'node:worker_threads';
import { KeywayError } from '../../errors/index.ts';
import { fail } from '../errors.ts';
import type { Answer, Argument, OperationName } from '../operations/index.ts';
import type { By, RegistryEvent } from '../types.ts';
import type { Control, FromWorker, Problem, Request } from './messages.ts';
import type { StoreOptions } from './store.ts';
import type { WorkerTask } from './worker.ts';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Says what is missing where this Node has no SQLite. @throws SQLITE_MISSING */
export function checkSqlite(has: (name: string) => boolean = isBuiltin, version: string = process.versions.node): void {
  if (has('node:sqlite')) return;
  throw fail('SQLITE_MISSING', `Node ${version} has no node:sqlite, in which the registry is kept.`, {
    hint: 'Run Node-RED on Node 22.13 or newer.',
    detail: { version, needed: '22.13' },
  });
}

/** The embedded store as the main thread sees it: requests of one turn of the event loop travel together. */
export class SqliteEngine {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #tell: (event: RegistryEvent) => void;
  #outbox: Request[] = [];
  #nextId = 1;
  #gone: Error | undefined;
  readonly #exited: Promise<void>;

  constructor(options: StoreOptions, tell: (event: RegistryEvent) => void) {
    this.#tell = tell;
    this.#worker = startWorker({ task: 'serve', options });
    this.#worker.on('message', (message: FromWorker) => this.#answer(message));
    this.#worker.on('error', (error) => this.#lost(error));
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#lost(undefined);
        resolve();
      });
    });
    this.#worker.unref();
  }

  /** One operation. @throws its own codes; REGISTRY_CLOSED; those of the disk: then nothing of it was kept */
  call<N extends OperationName>(name: N, argument: Argument<N>, now: number, by: By): Promise<Answer<N>> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      const id = this.#wait(resolve as (value: unknown) => void, reject);
      if (this.#outbox.length === 0) queueMicrotask(() => this.#send());
      this.#outbox.push({ id, name, argument, now, by });
    });
  }

  /** Something done to the store as a whole, after what was asked before. */
  control(control: Control): Promise<unknown> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      const id = this.#wait(resolve, reject);
      this.#send();
      this.#worker.postMessage({ id, control });
    });
  }

  /** Finishes what was asked and ends the thread. */
  async close(): Promise<void> {
    if (this.#gone === undefined) {
      const done = this.control({ do: 'close' }).catch(() => undefined);
      this.#gone = fail('REGISTRY_CLOSED', 'The registry was closed.', { hint: 'Open it again.' });
      await done;
    }
    this.#worker.ref();
    await this.#exited;
  }

  #wait(resolve: (value: unknown) => void, reject: (error: Error) => void): number {
    const id = this.#nextId++;
    if (this.#waiting.size === 0) this.#worker.ref();
    this.#waiting.set(id, { resolve, reject });
    return id;
  }

  #send(): void {
    if (this.#outbox.length === 0) return;
    const requests = this.#outbox;
    this.#outbox = [];
    this.#worker.postMessage({ requests });
  }

  #answer({ replies, events }: FromWorker): void {
    for (const reply of replies) {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ('problem' in reply) waiting?.reject(errorOf(reply.problem));
      else waiting?.resolve(reply.value);
    }
    if (this.#waiting.size === 0) this.#worker.unref();
    for (const event of events) this.#tell(event);
  }

  #lost(cause: Error | undefined): void {
    this.#gone ??= fail('REGISTRY_FAILED', `The registry’s thread stopped: ${cause?.message ?? 'nobody says why'}.`, {
      hint: 'What was answered is kept. Open the registry again, and please report this error.',
      ...(cause === undefined ? {} : { cause }),
    });
    for (const { reject } of this.#waiting.values()) reject(this.#gone);
    this.#waiting.clear();
  }
}

/** Copies a registry in a thread of its own, so that requests go on. @throws BAD_BACKUP */
export async function backupInThread(path: string, target: string): Promise<void> {
  const worker = startWorker({ task: 'backup', path, target });
  await new Promise<void>((resolve, reject) => {
    worker.on('message', ({ replies: [reply] }: FromWorker) => {
      if (reply !== undefined && 'problem' in reply) reject(errorOf(reply.problem));
      else resolve();
    });
    worker.on('error', reject);
    worker.on('exit', () => reject(fail('REGISTRY_FAILED', 'The thread that made the backup stopped.')));
  });
}

function startWorker(task: WorkerTask): Worker {
  const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
  return new Worker(new URL(file, import.meta.url), {
    name: 'keyway-registry',
    workerData: task,
    // Node still calls its SQLite experimental, once a thread.
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
}

function errorOf({ code, message, hint, detail }: Problem): Error {
  return new KeywayError(code, message, { ...(hint && { hint }), ...(detail && { detail }) });
}
