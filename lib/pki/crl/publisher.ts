import { isKeywayError } from '../../errors/index.ts';
import { wholeSeconds } from '../authority/ground.ts';
import type { TrustEvent } from '../trust/types.ts';
import { fail } from './errors.ts';
import { writeCrlFile } from './file.ts';
import { parseCrl } from './inspect.ts';
import { ROOT_LIST } from './names.ts';
import { toPemText } from './pem.ts';
import { RevokedOf } from './revoked-of.ts';
import type { Crl, CrlCause, CrlEvent, CrlPublisherOptions } from './types.ts';

const DAY = 86_400_000;
/** A list is valid for a day, and made anew half-way. */
const VALID = DAY;
const HALF = VALID / 2;
/** The revocations of one burst go into one list: the first of them waits this long … */
const GATHER_MS = 20;
/** … and lists that revocations lead to are at least so far apart. */
const APART_MS = 400;
/** How often the clock is looked at: a machine may have slept. */
const LOOK_MS = 30_000;
/** The root's list is valid for a year: so long before its end somebody should bring the passphrase. */
const ROOT_WARN = 30 * DAY;
/** Namespaces that cannot issue have no list. */
const NO_LIST = ['AUTHORITY_MISSING', 'NAMESPACE_UNKNOWN', 'BAD_SETTINGS'];

interface Held {
  readonly revoked: RevokedOf;
  crl: Crl | undefined;
  /** When the list before was made: what ended by then has stood in a list after its end. */
  issuedAt: number;
  /** The making that waits, or runs. */
  planned: (() => void) | undefined;
  making: Promise<void>;
  lastMade: number;
}

/** Makes the revocation lists of all certificate namespaces, and keeps them current. */
export class CrlPublisher {
  readonly #options: CrlPublisherOptions;
  readonly #clock: () => number;
  readonly #later: (ms: number, run: () => void) => () => void;
  readonly #held = new Map<string, Held>();
  #root: Crl | undefined;
  #silence: (() => void) | undefined;
  #stopLooking: (() => void) | undefined;
  #files: Promise<void> = Promise.resolve();
  /** Files that do not hold the newest lists. */
  readonly #stale = new Set<string>();
  #warned = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: CrlPublisherOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    this.#later = options.later ?? afterwards;
  }

  /**
   * Makes a list of each namespace, then follows the registry. Await it before a listener opens. What cannot be made or
   * written is told as `crl.failed`, and tried again. @throws what the store throws
   */
  async start(): Promise<void> {
    const { store } = this.#options;
    this.#silence = store.subscribe((event) => this.#take(event));
    await this.#readRoot();
    const names = (await store.namespaces()).map(({ name }) => name);
    await Promise.all(names.map((namespace) => this.#issue(namespace, 'start')));
    await this.#files;
    await this.#lookAtRoot(this.#clock());
    this.#missFiles();
    this.#lookLater();
  }

  /** The list of a namespace; 'keyway' is that of our services, 'keyway/root' that of the root. @throws CRL_UNKNOWN */
  current(name: string): Crl {
    const found = name === ROOT_LIST ? this.#root : this.#held.get(name)?.crl;
    if (found !== undefined) return found;
    throw unknown(name);
  }

  /** Those that there are. */
  lists(): readonly Crl[] {
    const all = [...this.#held.values()].map(({ crl }) => crl);
    return [...all, this.#root].filter((crl) => crl !== undefined);
  }

  /** Makes a list now. @throws CRL_UNKNOWN, CRL_FAILED */
  async publish(name: string): Promise<Crl> {
    if (name === ROOT_LIST) await this.#readRoot();
    else await this.#issue(name, 'asked', true);
    await this.#files;
    return this.current(name);
  }

  /** The root's list was signed anew: takes it over, and writes the files that hold it. */
  async rootChanged(): Promise<void> {
    await this.#readRoot();
    this.#write(undefined);
    await this.#files;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#silence?.();
    this.#stopLooking?.();
    for (const { planned } of this.#held.values()) planned?.();
    await Promise.allSettled([...this.#held.values()].map(({ making }) => making));
    await this.#files;
  }

  #take(event: TrustEvent): void {
    const { topic, namespace } = event;
    if (topic === 'registry.restored') {
      for (const name of this.#held.keys()) {
        this.#held.get(name)?.revoked.forget();
        this.#plan(name, 'asked');
      }
    } else if (topic === 'namespace.changed' && namespace !== null) {
      this.#plan(namespace, 'asked');
    } else if (topic === 'certificate.revoked' && namespace !== null) {
      // The root's list needs its key.
      if (event.detail?.kind === 'intermediate' || event.detail?.kind === 'root') return;
      this.#of(namespace).revoked.take(event);
      this.#plan(namespace, 'revocation');
    }
  }

  #of(namespace: string): Held {
    const found = this.#held.get(namespace);
    if (found !== undefined) return found;
    const revoked = new RevokedOf(this.#options.store, namespace);
    const never = Number.NEGATIVE_INFINITY;
    const made: Held = {
      ...{ revoked, crl: undefined, issuedAt: never, planned: undefined, lastMade: never },
      making: Promise.resolve(),
    };
    this.#held.set(namespace, made);
    return made;
  }

  #plan(namespace: string, cause: CrlCause): void {
    const held = this.#of(namespace);
    if (held.planned !== undefined || this.#closed) return;
    const wait = Math.max(GATHER_MS, held.lastMade + APART_MS - performance.now());
    held.planned = this.#later(wait, () => {
      held.planned = undefined;
      void this.#issue(namespace, cause);
    });
  }

  /** One after the other for a namespace; never rejects unless asked to. */
  #issue(namespace: string, cause: CrlCause, throws = false): Promise<void> {
    const held = this.#of(namespace);
    const made = held.making.then(() => this.#make(namespace, held, cause));
    held.making = made.catch((error: unknown) => {
      if (isKeywayError(error, ...NO_LIST)) {
        // It may get its authority later: then the registry tells of it.
        if (held.crl === undefined) this.#held.delete(namespace);
        return;
      }
      this.#tell({ topic: 'crl.failed', namespace, path: null, error: failed(namespace, error) });
    });
    return throws ? made.catch((error: unknown) => Promise.reject(failed(namespace, error))) : held.making;
  }

  async #make(namespace: string, held: Held, cause: CrlCause): Promise<void> {
    const { authority, store } = this.#options;
    const now = this.#clock();
    const newest = await store.newestTime();
    if (now + 5000 < newest) {
      throw fail('CRL_FAILED', `The clock says ${iso(now)}, and the newest record is from ${iso(newest)}.`, {
        hint: 'Set the clock of this machine: a list with a wrong time locks every device out at brokers that check it.',
        detail: { now, newest },
      });
    }
    // What ended before the list before was made has stood in a list after its end, and may go (RFC 5280 §3.3).
    const from = Number.isFinite(held.issuedAt) ? held.issuedAt : now - VALID;
    const { der: entries, count } = await held.revoked.entries(from);
    const thisUpdate = wholeSeconds(now);
    const nextUpdate = thisUpdate + VALID;
    const { der, number } = await authority.issueCrl(namespace, { thisUpdate, nextUpdate, entries });
    held.crl = crlOfDer({ name: namespace, der, number, entries: count, thisUpdate, nextUpdate });
    held.issuedAt = now;
    // Many revocations make few lists; one that follows a list made for another reason need not wait.
    if (cause === 'revocation') held.lastMade = performance.now();
    const told = { namespace, cause, number, entries: count, thisUpdate, nextUpdate };
    this.#tell({ topic: 'crl.issued', ...told });
    this.#write(namespace);
  }

  async #readRoot(): Promise<void> {
    const der = await this.#options.authority.rootCrl();
    if (der === undefined) return;
    const { number, count, thisUpdate, nextUpdate } = parseCrl(der);
    const times = { thisUpdate, nextUpdate: nextUpdate ?? thisUpdate };
    this.#root = crlOfDer({ name: ROOT_LIST, der, number: number ?? 0, entries: count, ...times });
  }

  /** Looks what is due, and again a little later. */
  #look(): void {
    if (this.#closed) return;
    const now = this.#clock();
    for (const [namespace, { crl, planned }] of this.#held) {
      // Without a list: its making failed, or the namespace has no authority yet.
      const due = crl === undefined || now >= crl.thisUpdate + HALF || now < crl.thisUpdate - 5000;
      if (due && planned === undefined) void this.#issue(namespace, 'half-life');
    }
    if (this.#stale.size > 0) this.#write(undefined);
    void this.#lookAtRoot(now);
    this.#lookLater();
  }

  #lookLater(): void {
    this.#stopLooking = this.#later(LOOK_MS, () => this.#look());
  }

  /** A root without a passphrase signs by itself; for any other somebody must come. */
  async #lookAtRoot(now: number): Promise<void> {
    const root = this.#root;
    const early = root === undefined ? 0 : Math.min(ROOT_WARN, (root.nextUpdate - root.thisUpdate) / 2);
    if (root !== undefined && now < root.nextUpdate - early) return;
    if (Math.abs(now - this.#warned) < DAY) return;
    this.#warned = now;
    try {
      await this.#options.authority.renewRootCrl();
      await this.rootChanged();
    } catch (cause) {
      // Without a root there is nobody that could be locked out.
      if (isKeywayError(cause, 'AUTHORITY_MISSING')) return;
      const what = root === undefined ? 'is not there yet' : `ends on ${iso(root.nextUpdate)}`;
      const error = fail('CRL_NO_ROOT_LIST', `The revocation list of the root ${what}.`, {
        hint: 'Have the root sign it with its passphrase: brokers that check the whole chain refuse everyone without.',
        detail: { nextUpdate: root?.nextUpdate ?? null },
        cause,
      });
      this.#tell({ topic: 'crl.failed', namespace: ROOT_LIST, path: null, error });
    }
  }

  /** A file that names a namespace without a list is never written: that is said once. */
  #missFiles(): void {
    for (const { path, namespaces } of this.#options.files ?? []) {
      const missing = namespaces.find((name) => this.#held.get(name)?.crl === undefined);
      if (missing === undefined) continue;
      this.#tell({ topic: 'crl.failed', namespace: missing, path, error: unknown(missing) });
    }
  }

  /** Writes the files that hold this list; without one, all. */
  #write(namespace: string | undefined): void {
    for (const file of this.#options.files ?? []) {
      const lists = file.namespaces.map((name) => this.#held.get(name)?.crl);
      const concerned = namespace === undefined || file.namespaces.includes(namespace);
      if (concerned && lists.every((crl) => crl !== undefined)) this.#stale.add(file.path);
    }
    const paths = [...this.#stale];
    this.#files = this.#files.then(async () => {
      for (const path of paths) await this.#writeFile(path);
    });
  }

  async #writeFile(path: string): Promise<void> {
    const file = this.#options.files?.find((one) => one.path === path);
    if (file === undefined || !this.#stale.delete(path)) return;
    const lists = file.namespaces.map((name) => this.#held.get(name)?.crl);
    const all = [...lists, ...(file.root === false ? [] : [this.#root])].filter((crl) => crl !== undefined);
    try {
      await writeCrlFile(path, all.map(({ pem }) => pem).join(''));
      this.#tell({ topic: 'crl.written', path, namespaces: file.namespaces });
    } catch (cause) {
      this.#stale.add(path);
      const error = fail('CRL_FILE_NOT_WRITABLE', `The file ${path} cannot be written: ${codeText(cause)}.`, {
        hint: 'Correct its folder’s owner or mode, or the path; it is tried again. The broker works with the list before.',
        detail: { field: 'path', value: path },
        cause,
      });
      this.#tell({ topic: 'crl.failed', namespace: null, path, error });
    }
  }

  #tell(event: CrlEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch (error) {
      // A listener's fault is not the lists'.
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();
const codeText = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown';

function afterwards(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms).unref();
  return () => clearTimeout(timer);
}

function failed(namespace: string, cause: unknown): Error {
  if (isKeywayError(cause, 'CRL_FAILED', 'CRL_UNKNOWN')) return cause;
  if (isKeywayError(cause, ...NO_LIST)) return unknown(namespace);
  const words = cause instanceof Error ? cause.message : 'nobody says why';
  return fail('CRL_FAILED', `The revocation list of "${namespace}" could not be made: ${words}`, {
    hint: 'Correct what it says; it is tried again. Until then the list before is served.',
    detail: { field: 'namespace', value: namespace },
    cause,
  });
}

function crlOfDer(parts: Omit<Crl, 'pem' | 'etag'>): Crl {
  let pem: string | undefined;
  return {
    ...parts,
    // Numbers never come again; the time tells registries apart that count alike.
    etag: `"${parts.number}-${(parts.thisUpdate / 1000).toString(36)}"`,
    // Only files need it, and it is large.
    get pem() {
      pem ??= toPemText(parts.der);
      return pem;
    },
  };
}

function unknown(name: string): Error {
  return fail('CRL_UNKNOWN', `There is no revocation list ${JSON.stringify(name.slice(0, 64))}.`, {
    hint: 'Name a certificate namespace that has an issuing authority, or keyway, or keyway/root.',
    detail: { field: 'namespace', value: name.slice(0, 64) },
  });
}
