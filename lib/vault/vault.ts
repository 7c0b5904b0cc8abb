import { randomBytes } from 'node:crypto';
import { digest, fingerprint, secretCopy, wipe } from './bytes.ts';
import { fail } from './errors.ts';

/** What a secret is kept under. */
export interface HandleTerms {
  /** What the secret is, in the word that the redeeming node expects: "private-key", "wifi-password". */
  kind: string;
  /** Certificate namespace that it belongs to; whoever redeems it must name the same. */
  namespace?: string;
  /** Node types that may redeem it, at least one. */
  redeemableBy: readonly string[];
  /** 1 to 2147483647. */
  expiresInMs: number;
  /** For people; not secret. */
  label?: string;
}

/** Who wants the bytes of a handle, and what for. */
export interface LeaseRequest {
  /** The type of the node that asks. */
  nodeType: string;
  kind: string;
  /** The job that works with it, for the message to a second holder. */
  job: string;
  namespace?: string;
}

/** The use of a secret by one job. Exactly one of `commit` and `abort` ends it; what comes later changes nothing. */
export interface Lease {
  /** Zeros once the lease has ended. @throws HANDLE_USED after the end. */
  readonly bytes: Buffer;
  /** The secret is where it belongs: its bytes are overwritten and the handle is used up. */
  commit(): void;
  /** The job failed: the handle may be redeemed again, unless its time is over. */
  abort(): void;
}

/** What may be shown of a handle. */
export interface HandleDescription {
  kind: string;
  namespace?: string;
  label?: string;
  fingerprint: string;
  expiresInMs: number;
  /** The job that holds it. */
  inUseBy?: string;
}

/** Milliseconds and a timer, replaceable for tests. */
export interface VaultClock {
  now(): number;
  /** Calls back once after `ms`; returns the way to cancel. */
  after(ms: number, callback: () => void): () => void;
}

const PREFIX = 'keyway:handle:';
const HANDLE = /^keyway:handle:[0-9a-f]{32}$/;
const LONGEST_MS = 2_147_483_647;
/** How many handles that ended are remembered, so that the error can say how. */
const REMEMBERED = 1000;

type Ending = 'HANDLE_USED' | 'HANDLE_EXPIRED';

interface Entry {
  readonly terms: HandleTerms;
  readonly bytes: Buffer;
  readonly expiresAt: number;
  readonly cancelTimer: () => void;
  lease: { readonly job: string; readonly bytes: Buffer } | undefined;
}

/** Whether a value has the form of a handle; it need not be a living one. */
export function isHandle(value: unknown): value is string {
  return typeof value === 'string' && HANDLE.test(value);
}

/** Secrets in memory: handles in, bytes out, once. */
export class Vault {
  readonly #clock: VaultClock;
  /** By digest of the handle, so that a look-up takes no time that tells of a handle. */
  readonly #entries = new Map<string, Entry>();
  readonly #ended = new Map<string, Ending>();

  constructor(clock: VaultClock = systemClock) {
    this.#clock = clock;
  }

  /**
   * Keeps a secret and gives the handle that stands for it. The given bytes are overwritten: from here on the vault
   * has the only copy.
   *
   * @throws BAD_SECRET
   */
  createHandle(bytes: Uint8Array, terms: HandleTerms): string {
    checkTerms(bytes, terms);
    const handle = `${PREFIX}${randomBytes(16).toString('hex')}`;
    const key = keyOf(handle);
    this.#entries.set(key, {
      terms: { ...terms, redeemableBy: [...terms.redeemableBy] },
      bytes: secretCopy(bytes),
      expiresAt: this.#clock.now() + terms.expiresInMs,
      cancelTimer: this.#clock.after(terms.expiresInMs, () => this.#expire(key)),
      lease: undefined,
    });
    wipe(bytes);
    return handle;
  }

  /**
   * Hands the secret to one job. A lease outlives the handle's time, so that a write under way is not torn; see
   * `withLease` for the form that cannot be left open.
   *
   * @throws HANDLE_UNKNOWN, HANDLE_USED, HANDLE_EXPIRED, HANDLE_IN_USE, HANDLE_NOT_FOR_YOU, HANDLE_WRONG_KIND.
   */
  lease(handle: string, request: LeaseRequest): Lease {
    const { key, entry } = this.#find(handle);
    checkRequest(entry.terms, request);
    if (entry.lease !== undefined) {
      throw fail('HANDLE_IN_USE', `The secret${named(entry.terms)} is in use by ${entry.lease.job}.`, {
        hint: 'Wait until that job has ended.',
        detail: { kind: entry.terms.kind, job: entry.lease.job },
      });
    }
    const held = { job: request.job, bytes: secretCopy(entry.bytes) };
    entry.lease = held;
    return new HeldLease(held.bytes, (committed) => {
      if (entry.lease !== held) return;
      entry.lease = undefined;
      if (committed) this.#remove(key, 'HANDLE_USED');
      else if (this.#clock.now() >= entry.expiresAt) this.#remove(key, 'HANDLE_EXPIRED');
    });
  }

  /** Leases for as long as `use` runs: committed when it succeeds, given back when it fails. */
  async withLease<T>(handle: string, request: LeaseRequest, use: (bytes: Buffer) => Promise<T>): Promise<T> {
    const lease = this.lease(handle, request);
    try {
      const result = await use(lease.bytes);
      lease.commit();
      return result;
    } finally {
      lease.abort();
    }
  }

  /** What may be shown of a living handle. @throws HANDLE_UNKNOWN, HANDLE_USED, HANDLE_EXPIRED. */
  describe(handle: string): HandleDescription {
    const { entry } = this.#find(handle);
    const { kind, namespace, label } = entry.terms;
    return {
      kind,
      ...(namespace === undefined ? {} : { namespace }),
      ...(label === undefined ? {} : { label }),
      fingerprint: fingerprint(entry.bytes),
      expiresInMs: Math.max(0, entry.expiresAt - this.#clock.now()),
      ...(entry.lease === undefined ? {} : { inUseBy: entry.lease.job }),
    };
  }

  /** Overwrites one secret, leased or not. Unknown handles are passed over. */
  discard(handle: string): void {
    if (isHandle(handle)) this.#remove(keyOf(handle), 'HANDLE_USED');
  }

  /** Overwrites all secrets, leased ones too: the process ends, or somebody pressed the button. */
  wipeAll(): void {
    for (const key of [...this.#entries.keys()]) this.#remove(key, 'HANDLE_USED');
  }

  #find(handle: string): { key: string; entry: Entry } {
    const key = isHandle(handle) ? keyOf(handle) : '';
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.lease === undefined && this.#clock.now() >= entry.expiresAt) this.#expire(key);
    const ending = this.#ended.get(key);
    if (ending === 'HANDLE_USED') {
      throw fail('HANDLE_USED', 'The secret of this handle was handed over already and is wiped.', {
        hint: 'Make a new one: a handle is good for one job that succeeds.',
      });
    }
    if (ending === 'HANDLE_EXPIRED') {
      throw fail('HANDLE_EXPIRED', 'The time of this handle is over and its secret is wiped.', {
        hint: 'Make a new one, and let it live longer if the job takes that long.',
      });
    }
    if (entry === undefined) {
      throw fail('HANDLE_UNKNOWN', 'This is no handle of a secret in this process.', {
        hint: 'Handles do not outlive a restart. Send the message through the node that makes the secret again.',
      });
    }
    return { key, entry };
  }

  #expire(key: string): void {
    // A leased secret is removed when its lease is given back.
    if (this.#entries.get(key)?.lease === undefined) this.#remove(key, 'HANDLE_EXPIRED');
  }

  #remove(key: string, ending: Ending): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.cancelTimer();
    wipe(entry.bytes);
    if (entry.lease !== undefined) wipe(entry.lease.bytes);
    this.#entries.delete(key);
    this.#ended.set(key, ending);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= REMEMBERED) break;
      this.#ended.delete(oldest);
    }
  }
}

class HeldLease implements Lease {
  readonly #bytes: Buffer;
  #end: ((committed: boolean) => void) | undefined;

  constructor(bytes: Buffer, end: (committed: boolean) => void) {
    this.#bytes = bytes;
    this.#end = end;
  }

  get bytes(): Buffer {
    if (this.#end === undefined) throw fail('HANDLE_USED', 'This lease has ended and its bytes are wiped.');
    return this.#bytes;
  }

  commit(): void {
    this.#finish(true);
  }

  abort(): void {
    this.#finish(false);
  }

  #finish(committed: boolean): void {
    const end = this.#end;
    this.#end = undefined;
    wipe(this.#bytes);
    end?.(committed);
  }
}

function keyOf(handle: string): string {
  return digest('handle', Buffer.from(handle)).toString('hex');
}

function named(terms: HandleTerms): string {
  return terms.label === undefined ? ` of kind "${terms.kind}"` : ` "${terms.label}"`;
}

function checkTerms(bytes: Uint8Array, terms: HandleTerms): void {
  const wrong = (field: string, message: string): Error => fail('BAD_SECRET', message, { detail: { field } });
  // A string cannot be overwritten, so none is taken.
  if (!(bytes instanceof Uint8Array)) throw wrong('bytes', 'A secret is kept as bytes: give a Buffer.');
  if (bytes.length === 0) throw wrong('bytes', 'The secret is empty.');
  if (terms.kind === '') throw wrong('kind', 'The secret has no kind.');
  if (terms.redeemableBy.length === 0) throw wrong('redeemableBy', 'No node type may redeem the secret.');
  const { expiresInMs } = terms;
  if (!Number.isInteger(expiresInMs) || expiresInMs < 1 || expiresInMs > LONGEST_MS) {
    throw wrong('expiresInMs', `A handle lives 1 to ${LONGEST_MS} ms, not ${String(expiresInMs)}.`);
  }
}

function checkRequest(terms: HandleTerms, request: LeaseRequest): void {
  if (!terms.redeemableBy.includes(request.nodeType)) {
    throw fail('HANDLE_NOT_FOR_YOU', `A ${request.nodeType} node may not redeem the secret${named(terms)}.`, {
      hint: `It was made for: ${terms.redeemableBy.join(', ')}.`,
      detail: { field: 'nodeType', value: request.nodeType },
    });
  }
  if (terms.namespace !== undefined && terms.namespace !== request.namespace) {
    const asked = request.namespace === undefined ? 'none' : `"${request.namespace}"`;
    throw fail(
      'HANDLE_NOT_FOR_YOU',
      `The secret${named(terms)} belongs to the certificate namespace "${terms.namespace}", and ${asked} was given.`,
      { detail: { field: 'namespace', value: request.namespace } },
    );
  }
  if (terms.kind !== request.kind) {
    throw fail('HANDLE_WRONG_KIND', `The handle stands for a ${terms.kind}, and a ${request.kind} is needed.`, {
      detail: { field: 'kind', value: terms.kind, wanted: request.kind },
    });
  }
}

const systemClock: VaultClock = {
  now: () => performance.now(),
  after(ms, callback) {
    // A waiting secret does not keep the process alive.
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
};
