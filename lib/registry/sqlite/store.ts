import { createSecretKey, type KeyObject } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GENESIS, sealHead } from '../audit.ts';
import { fail } from '../errors.ts';
import { operationOf, READS } from '../operations/index.ts';
import { generationOf, merge, recall } from '../operations/merge.ts';
import type { RevocationLine } from '../revocations.ts';
import { SQL } from '../sql/statements.ts';
import type { By, RegistryEvent } from '../types.ts';
import { type Scope, Undone } from '../work.ts';
import { Database } from './database.ts';
import type { FromWorker, Problem, Reply, Request } from './messages.ts';
import { isIoError, registryError } from './outcome.ts';
import { RevocationLog, syncFolder } from './revocation-log.ts';

/** The key record that holds the key of the audit log, sealed by the keystore. */
export const AUDIT_KEY = 'registry.audit';

export interface StoreOptions {
  readonly path: string;
  readonly maxBytes?: number | undefined;
  /** How long a group gathers requests before it is made durable, in ms. */
  readonly groupMs: number;
}

/** The embedded store, as it runs in its thread: everything here is synchronous. */
export class SqliteStore {
  readonly #path: string;
  readonly #options: StoreOptions;
  #lock: DatabaseSync | undefined;
  #db: Database | undefined;
  #log: RevocationLog | undefined;
  #auditKey: KeyObject = createSecretKey(GENESIS);
  #generation = 0;

  constructor(options: StoreOptions) {
    this.#path = resolve(options.path);
    this.#options = options;
  }

  /** Takes the registry for this process and brings its schema up. @returns the sealed key of the audit log */
  open(now: number): Uint8Array | null {
    return this.#guarded(() => {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      openToWrite(this.#path);
      this.#lock = takeLock(this.#path);
      this.#db = this.#connect();
      this.#db.migrate(now);
      return (this.#db.rows(SQL.keyRecord, [AUDIT_KEY])[0]?.wrapped as Uint8Array | undefined) ?? null;
    });
  }

  /** Begins work, with the key of the audit log. `sealed` is kept where the key is new. */
  start(auditKey: Uint8Array, sealed: Uint8Array | null, now: number): RegistryEvent[] {
    return this.#guarded(() => {
      const db = this.#open;
      this.#auditKey = createSecretKey(auditKey);
      const fresh = sealed !== null;
      if (fresh) {
        db.transaction(() => {
          db.rows(SQL.makeAuditHead, [GENESIS, sealHead(this.#auditKey, 0, GENESIS)]);
          db.rows(SQL.putKeyRecord, [AUDIT_KEY, sealed, now]);
        });
      }
      const file = `${this.#path}.revoked`;
      // That of a registry that is gone cannot be read with the new key, and is nobody's to destroy.
      if (fresh && existsSync(file)) renameSync(file, `${file}.${now}`);
      this.#log = new RevocationLog(file, this.#auditKey);
      const events = this.#catchUp(now, fresh);
      this.#log.forget();
      return events;
    });
  }

  /** Runs requests until there are none, or the time of a group is over, and makes their changes durable. */
  group(queue: Request[], more: () => void): FromWorker {
    const db = this.#open;
    const until = performance.now() + this.#options.groupMs;
    const done: { readonly request: Request; reply?: Reply }[] = [];
    const events: RegistryEvent[] = [];
    const lines: RevocationLine[] = [];
    let reading = false;
    let writing = false;
    try {
      do {
        const request = queue.shift();
        if (request === undefined) break;
        const entry: (typeof done)[number] = { request };
        done.push(entry);
        if (!writing && !(request.name in READS)) {
          if (reading) db.exec('COMMIT');
          reading = false;
          db.exec('BEGIN IMMEDIATE');
          writing = true;
        } else if (!writing && !reading && queue.length > 0) {
          // Several that look: the file is locked for them once.
          db.exec('BEGIN');
          reading = true;
        }
        entry.reply = this.#one(request, writing, events, lines);
        if (queue.length === 0) more();
      } while (performance.now() < until);
      if (writing) this.#commit(lines);
      else if (reading) db.exec('COMMIT');
      return { replies: done.flatMap(({ reply }) => reply ?? []), events };
    } catch (error) {
      db.rollback();
      const problem = problemOf(registryError(error, this.#path));
      if (isIoError(error)) this.#reopen();
      // Who waits behind a lock would wait as long again, one after the other.
      if (!writing) done.push(...queue.splice(0).map((request) => ({ request })));
      // What only looked may have seen what was not kept: it looks again. What was refused stays so.
      const replies = done.map(({ request, reply }) => {
        if (request.name in READS) return this.#one(request, false, [], []);
        return reply !== undefined && 'problem' in reply ? reply : { id: request.id, problem };
      });
      return { replies, events: [] };
    }
  }

  /**
   * Loads hints of so many devices more; what goes wrong is left to the requests to find.
   * @returns whether there are more to load
   */
  loadHints(count: number): boolean {
    if (this.#log === undefined || this.#db === undefined) return false;
    try {
      return this.#db.loadHints(count);
    } catch {
      return false;
    }
  }

  #one(request: Request, writing: boolean, events: RegistryEvent[], lines: RevocationLine[]): Reply {
    const { id, name, argument } = request;
    const told: RegistryEvent[] = [];
    const revoked: RevocationLine[] = [];
    const scope = this.#scope(request.now, request.by, told, revoked);
    const db = this.#open;
    if (writing) db.rows('SAVEPOINT request');
    try {
      const value = db.run(operationOf(name)(scope, argument));
      if (writing) db.rows('RELEASE request');
      events.push(...told);
      lines.push(...revoked);
      return { id, value };
    } catch (error) {
      if (writing) {
        try {
          db.rows('ROLLBACK TO request');
          db.rows('RELEASE request');
        } catch {
          // SQLite has given up the whole transaction, and with it the group.
          throw error;
        }
      }
      if (error instanceof Undone) return { id, value: error.value };
      return { id, problem: problemOf(registryError(error, this.#path)) };
    }
  }

  /** The revocation log first: better a line too many than one too few. */
  #commit(lines: readonly RevocationLine[]): void {
    const db = this.#open;
    if (lines.length === 0) {
      db.exec('COMMIT');
      return;
    }
    const generation = this.#generation + 1;
    db.rows(SQL.putMeta, ['generation', String(generation)]);
    this.#log?.append(lines, generation);
    try {
      db.exec('COMMIT');
    } catch (error) {
      this.#log?.undo();
      throw error;
    }
    this.#generation = generation;
  }

  /** Copies a backup beside the registry and looks at it. @returns its sealed key of the audit log */
  inspect(source: string, now: number): Uint8Array | null {
    const copy = this.#restoring;
    this.discard();
    let db: Database | undefined;
    try {
      copyFileSync(source, copy);
      chmodSync(copy, 0o600);
      db = new Database(copy, { journal: 'delete' });
      const check = db.rows('PRAGMA integrity_check(1)')[0]?.integrity_check;
      if (check !== 'ok') throw new Error(`its check says "${check}"`);
      if (!db.hasSchema) throw new Error('it is no registry');
      db.migrate(now);
      return (db.rows(SQL.keyRecord, [AUDIT_KEY])[0]?.wrapped as Uint8Array | undefined) ?? null;
    } catch (error) {
      db?.close();
      db = undefined;
      this.discard();
      throw badBackup(source, error);
    } finally {
      db?.close();
    }
  }

  /** Puts the inspected backup in the place of the registry; the replaced one stays as `<path>.before-restore`. */
  restore(now: number, by: By): RegistryEvent[] {
    return this.#guarded(() => {
      const events: RegistryEvent[] = [];
      const lines: RevocationLine[] = [];
      const log = this.#log;
      if (log === undefined) throw closed();
      const current = this.#open;
      const known = [...log.all(), ...current.run(recall(this.#scope(now, by, [], [])))];
      const generation = this.#generation + 1;
      const copy = new Database(this.#restoring, { journal: 'delete', maxBytes: this.#options.maxBytes });
      try {
        copy.transaction(() => {
          const scope = this.#scope(now, by, events, lines);
          copy.run(merge(scope, { lines: known, restored: true, generation }));
          log.append(lines, generation);
        });
      } finally {
        copy.close();
      }
      current.settle();
      current.close();
      this.#db = undefined;
      try {
        const before = `${this.#path}.before-restore`;
        rmSync(before, { force: true });
        linkSync(this.#path, before);
        renameSync(this.#restoring, this.#path);
        syncFolder(dirname(this.#path));
      } finally {
        this.#db = this.#connect();
        this.#generation = this.#db.run(generationOf(this.#scope(now, by, [], [])));
      }
      return events;
    });
  }

  /** Forgets an inspected backup. */
  discard(): void {
    for (const end of ['', '-journal', '-wal', '-shm']) rmSync(`${this.#restoring}${end}`, { force: true });
  }

  /** Gives everything back. Never throws. */
  close(): void {
    for (const one of [this.#db, this.#log, this.#lock]) {
      try {
        one?.close();
      } catch {
        // The files are as durable as they were.
      }
    }
    this.#db = undefined;
    this.#log = undefined;
    this.#lock = undefined;
  }

  get #open(): Database {
    if (this.#db === undefined) throw closed();
    return this.#db;
  }

  get #restoring(): string {
    return `${this.#path}.restoring`;
  }

  #connect(): Database {
    return new Database(this.#path, { journal: 'wal', maxBytes: this.#options.maxBytes });
  }

  /** After an error of the disk what the file holds is known only from reading it again. */
  #reopen(): void {
    try {
      this.#db?.close();
    } catch {
      // It is to be opened anew anyway.
    }
    this.#db = this.#connect();
  }

  /**
   * Compares the store with the log beside it. One group ahead is a crash between the two; more, or a log that is
   * gone, means that somebody put an older file in place.
   */
  #catchUp(now: number, fresh: boolean): RegistryEvent[] {
    const [db, log] = [this.#open, this.#log];
    if (log === undefined) throw closed();
    const events: RegistryEvent[] = [];
    const revoked: RevocationLine[] = [];
    const scope = this.#scope(now, {}, events, revoked);
    const known = db.run(generationOf(scope));
    const lost = log.incomplete && !fresh && known > 0;
    const ahead = log.generation - known;
    this.#generation = Math.max(known, log.generation);
    if (ahead > 0 || lost) {
      const restored = lost || ahead > 1;
      const generation = this.#generation;
      db.transaction(() => db.run(merge(scope, { lines: log.since(known), restored, generation })));
    }
    log.tidy(now, this.#generation, lost ? db.run(recall(scope)) : revoked);
    return events;
  }

  #scope(now: number, by: By, events: RegistryEvent[], lines: RevocationLine[]): Scope {
    return {
      now,
      by,
      auditKey: this.#auditKey,
      emit: (event) => void events.push({ ...event, at: now }),
      revoke: (line) => void lines.push(line),
    };
  }

  #guarded<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw registryError(error, this.#path);
    }
  }
}

/** Copies a registry that is at work, as it is at one moment; writers go on meanwhile. */
export function backup(path: string, target: string): void {
  const part = `${target}.part`;
  try {
    rmSync(part, { force: true });
    closeSync(openSync(part, 'wx', 0o600));
    const db = new DatabaseSync(resolve(path));
    try {
      db.exec('PRAGMA busy_timeout = 5000');
      db.prepare('VACUUM INTO ?').run(part);
    } finally {
      db.close();
    }
    const file = openSync(part, 'r+');
    fsyncSync(file);
    closeSync(file);
    // A link, unlike a rename, never replaces what is there.
    linkSync(part, target);
    rmSync(part);
    syncFolder(dirname(resolve(target)));
  } catch (error) {
    rmSync(part, { force: true });
    throw badBackup(target, error);
  }
}

/** An error as it crosses threads. */
export function problemOf(error: Error): Problem {
  const { code = 'REGISTRY_FAILED', message, hint, detail } = error as Error & Partial<Problem>;
  return { code, message, ...(hint === undefined ? {} : { hint }), ...(detail === undefined ? {} : { detail }) };
}

function badBackup(file: string, cause: unknown): Error {
  if (cause instanceof Error && cause.name === 'KeywayError') return cause;
  const words = cause instanceof Error ? cause.message : String(cause);
  return fail('BAD_BACKUP', `The backup ${file} cannot be used: ${words}.`, {
    hint: 'Name a file that a backup of this registry wrote, or for a new backup one that does not exist yet.',
    detail: { field: 'file', value: file },
    cause,
  });
}

function closed(): Error {
  return fail('REGISTRY_CLOSED', 'The registry was closed.', { hint: 'Open it again.' });
}

/**
 * Makes the file for its owner alone; SQLite gives what it lays beside it the same mode. SQLite would also open a file
 * that may not be written, and say so only at the first change.
 */
function openToWrite(path: string): void {
  closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600));
}

/** Held as long as the registry is open. The system frees it when the process dies, however it dies. */
function takeLock(path: string): DatabaseSync {
  openToWrite(`${path}.lock`);
  const lock = new DatabaseSync(`${path}.lock`);
  try {
    lock.exec('PRAGMA busy_timeout = 0');
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (!(error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5)) throw error;
    throw fail('REGISTRY_LOCKED', `The registry ${path} is open elsewhere.`, {
      hint: 'Close the other Node-RED, or the other config node, that has it open; two of them need PostgreSQL.',
      detail: { field: 'path', value: path },
      cause: error,
    });
  }
}
