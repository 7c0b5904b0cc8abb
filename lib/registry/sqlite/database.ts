import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { fail } from '../errors.ts';
import { sqlite } from '../sql/dialect.ts';
import { APPLICATION, BOOTSTRAP, MIGRATIONS, SCHEMA_VERSION } from '../sql/schema.ts';
import { BY_ROW, SQL } from '../sql/statements.ts';
import { ConstraintBroken, number, type Row, type SqlValue, text, type Work } from '../work.ts';
import { RowHints } from './hints.ts';
import { isConstraint } from './outcome.ts';

/** How long another program may hold a lock in the file. */
const BUSY_MS = 1000;

/**
 * Of a new file; one that exists keeps its own. A commit after a page was split within an index looks through the whole
 * page cache (balance_nonroot borrows the number of the locking page, pcache1Truncate then scans): with larger pages
 * there are fewer splits and fewer pages to look through. Still larger ones cost a single commit more to write.
 */
const PAGE_BYTES = 8192;

/** One connection to a SQLite file, with the registry's schema in it. */
export class Database {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #hints: RowHints;
  /** The last device whose hint was loaded; undefined when all are. */
  #loaded: { mac: string; namespace: string } | undefined = { mac: '', namespace: '' };

  constructor(path: string, options: { journal: 'wal' | 'delete'; maxBytes?: number | undefined; hints?: RowHints }) {
    this.path = path;
    this.#hints = options.hints ?? new RowHints();
    this.#db = new DatabaseSync(path);
    try {
      this.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
      this.#checkApplication();
      this.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
      this.exec(`PRAGMA journal_mode = ${options.journal}`);
      this.exec('PRAGMA synchronous = FULL');
      this.exec('PRAGMA fullfsync = ON');
      this.exec('PRAGMA checkpoint_fullfsync = ON');
      this.exec('PRAGMA foreign_keys = ON');
      this.exec('PRAGMA trusted_schema = OFF');
      this.exec('PRAGMA cell_size_check = ON');
      this.exec('PRAGMA secure_delete = ON');
      this.exec('PRAGMA cache_size = -196608');
      this.exec('PRAGMA journal_size_limit = 67108864');
      this.exec('PRAGMA wal_autocheckpoint = 4000');
      if (options.maxBytes !== undefined) this.limit(options.maxBytes);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }

  rows(sql: string, values: readonly SqlValue[] = []): readonly Row[] {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sqlite.statement(sql));
      // Lists vary in their conditions: there are many, but not without end.
      if (this.#statements.size >= 500) this.#statements.clear();
      this.#statements.set(sql, statement);
    }
    return statement.all(...values) as Row[];
  }

  /** Runs an operation; its transaction is the caller's matter. */
  run<T>(work: Work<T>): T {
    let next = work.next();
    while (!next.done) {
      const { sql, values, guarded } = next.value;
      let rows: readonly Row[];
      try {
        rows = sql === SQL.deviceByMac ? this.#deviceByMac(values) : this.rows(sql, values);
      } catch (error) {
        next = work.throw(guarded && isConstraint(error) ? new ConstraintBroken('', { cause: error }) : error);
        continue;
      }
      next = work.next(rows);
    }
    return next.value;
  }

  /**
   * Loads the hints of so many devices more. Without them lookups are as right, and slower: until this is done, each
   * device that is looked up brings its own.
   * @returns whether there are more
   */
  loadHints(count: number): boolean {
    const from = this.#loaded;
    if (from === undefined) return false;
    if (from.mac === '') this.#hints.reserve(Number(this.rows(BY_ROW.newest)[0]?.at_row ?? 0));
    const rows = this.rows(BY_ROW.devicesFrom, [from.mac, from.mac, from.namespace, count]);
    for (const row of rows) this.#hints.put(text(row, 'namespace'), text(row, 'mac'), number(row, 'at_row'));
    const last = rows.length < count ? undefined : rows.at(-1);
    this.#loaded = last && { mac: text(last, 'mac'), namespace: text(last, 'namespace') };
    return last !== undefined;
  }

  /** By the hint where there is one and it is right, else by the index. */
  #deviceByMac(values: readonly SqlValue[]): readonly Row[] {
    const [namespace, mac] = values as [string, string];
    const hint = this.#hints.find(namespace, mac);
    if (hint !== 0) {
      const rows = this.rows(BY_ROW.device, [hint]);
      if (rows[0]?.mac === mac && rows[0].namespace === namespace) return rows;
    }
    const rows = this.rows(BY_ROW.deviceByMac, values);
    if (rows[0] !== undefined) this.#hints.put(namespace, mac, number(rows[0], 'at_row'));
    return rows;
  }

  /** Runs in a transaction of its own. */
  transaction<T>(run: () => T): T {
    this.exec('BEGIN IMMEDIATE');
    try {
      const value = run();
      this.exec('COMMIT');
      return value;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  rollback(): void {
    try {
      this.exec('ROLLBACK');
    } catch {
      // SQLite has done so by itself after some errors.
    }
  }

  /** At most so many bytes in the file. */
  limit(maxBytes: number): void {
    const size = Number(this.rows('PRAGMA page_size')[0]?.page_size ?? 4096);
    this.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / size))}`);
  }

  /** Whether there is a registry in the file. */
  get hasSchema(): boolean {
    return this.#version() > 0;
  }

  /** Brings the schema up to what this version knows. @returns whether the registry is new. */
  migrate(now: number): boolean {
    const found = this.#version();
    if (found > SCHEMA_VERSION) {
      throw fail(
        'REGISTRY_TOO_NEW',
        `The registry ${this.path} has schema ${found}; this version knows ${SCHEMA_VERSION}.`,
        {
          hint: 'Install the version of this package that wrote it, or a newer one.',
          detail: { field: 'path', value: this.path, found, known: SCHEMA_VERSION },
        },
      );
    }
    if (found === SCHEMA_VERSION) return false;
    this.transaction(() => {
      this.exec(sqlite.schema(BOOTSTRAP));
      for (const { number, name, statements } of MIGRATIONS) {
        if (number <= found) continue;
        for (const sql of statements) this.exec(sqlite.schema(sql));
        this.rows(SQL.apply, [number, name, now]);
      }
      this.rows(SQL.putMeta, ['application', APPLICATION]);
    });
    return found === 0;
  }

  /** Everything into the one file, nothing beside it. Fails while somebody else reads. */
  settle(): void {
    this.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    const mode = this.rows('PRAGMA journal_mode = DELETE')[0]?.journal_mode;
    if (mode !== 'delete') throw fail('REGISTRY_BUSY', `The registry ${this.path} is being read by somebody else.`);
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  /** Refuses a file that is somebody else's before anything is written to it. */
  #checkApplication(): void {
    const tables = this.rows("SELECT name FROM sqlite_master WHERE type = 'table'").map((row) => row.name);
    if (tables.length === 0) return;
    const application = tables.includes('meta') ? this.rows(SQL.meta, ['application'])[0]?.value : undefined;
    if (application === APPLICATION) return;
    throw fail('REGISTRY_DAMAGED', `The file ${this.path} is a database, but no registry.`, {
      hint: 'Name another file.',
      detail: { field: 'path', value: this.path },
    });
  }

  #version(): number {
    const tables = this.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'migrations'");
    return tables.length === 0 ? 0 : Number(this.rows(SQL.applied)[0]?.number ?? 0);
  }
}
