import type { Keystore } from '../../../vault/index.ts';
import { deriveScbk } from '../../secure/keys.ts';
import { fail } from '../errors.ts';
import { type Journal, openSeed, type Store } from '../store/index.ts';
import type { Edge, PlanTerms, SlotCounts, SlotId, SlotPicture, SlotSummary, StepStatus } from '../types.ts';
import { EdgeLine, type Waiting } from './edges.ts';
import { type EdgeRecord, encode, type KeptStep, type PlanHead, type Replayed } from './state.ts';

/** How many numbers of edges are set apart at a time: far more than one attempt needs. */
const RESERVE = 512;

/** What a change of a step is: durable before it counts, or noted on the way. */
export interface Change {
  readonly index: number;
  readonly step: KeptStep;
  readonly cause: Edge['cause'];
}

/** A sealed plan, or the live queue: its steps, its edges, its journal and what opens its seed. */
export class WorkQueue {
  readonly id: SlotId;
  /** The name of its files. */
  readonly name: string;
  readonly head: PlanHead;
  readonly line: EdgeLine;
  readonly #keystore: Keystore;
  #keyRecord: Uint8Array;
  #journal!: Journal;
  #steps: KeptStep[];
  /** As told by the edges that were given out. */
  readonly #shown: StepStatus[];
  /** Steps as they were, while a change of them is being made durable; undefined: it was not there. */
  readonly #uncommitted = new Map<number, KeptStep | undefined>();
  #closed: boolean;
  #exported: boolean;
  #seq: number;
  /** Numbers below it may be given out without a word in the journal. */
  #top: number;
  /** As the journal knows it. */
  #ackedThere: number;
  #latest: number;
  #syncing: Promise<void> | undefined;
  readonly #rewriteBytes: number;
  #rewriting = false;
  /** The journal cannot be written. */
  onTrouble: (error: Error) => void = () => undefined;

  constructor(
    place: { id: SlotId; name: string; keystore: Keystore; keyRecord: Uint8Array; rewriteBytes: number },
    from: Replayed,
  ) {
    this.id = place.id;
    this.name = place.name;
    this.head = from.head;
    this.#keystore = place.keystore;
    this.#rewriteBytes = place.rewriteBytes;
    this.#keyRecord = place.keyRecord;
    this.#steps = [...from.steps];
    this.#shown = from.steps.map(({ status }) => status);
    this.#closed = from.closed;
    this.#exported = from.exported;
    this.#seq = from.seq;
    this.#top = from.top;
    this.#ackedThere = from.acked;
    this.#latest = from.at;
    this.line = new EdgeLine({ slot: place.id, session: from.head.session }, from);
  }

  /** Before anything else. */
  begin(journal: Journal): void {
    this.#journal = journal;
    journal.onTrouble = (error) => this.onTrouble(error);
  }

  get terms(): PlanTerms {
    return this.head.terms;
  }

  get session(): string {
    return this.head.session;
  }

  get length(): number {
    return this.#steps.length;
  }

  get latest(): number {
    return this.#latest;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get exported(): boolean {
    return this.#exported;
  }

  get owner(): string {
    return `${this.name} ${this.session}`;
  }

  get sealed(): { sealed: Buffer; keyRecord: Uint8Array } {
    return { sealed: Buffer.from(this.head.sealed, 'base64'), keyRecord: this.#keyRecord };
  }

  /** Whether a reader may hold a key that was never exported. */
  get holdsUnexported(): boolean {
    return !this.#exported && this.#steps.some(({ tried }) => tried.length > 0);
  }

  /** @throws STEP_OUT_OF_RANGE */
  step(index: number): KeptStep {
    const step = this.#steps[index];
    if (step !== undefined && !(this.#uncommitted.has(index) && this.#uncommitted.get(index) === undefined))
      return step;
    throw fail('STEP_OUT_OF_RANGE', `There is no step ${String(index)} in the plan: it has ${this.length}.`, {
      hint: `Steps are counted from 0 to ${this.length - 1}.`,
      detail: { field: 'step', value: index, steps: this.length },
    });
  }

  get steps(): readonly KeptStep[] {
    return this.#steps;
  }

  summary(): SlotSummary {
    const { terms, session, createdAt, armedUntil } = this.head;
    const { id: slot, exported } = this;
    const counts = this.#counts(this.#shown);
    return { slot, name: terms.name, session, createdAt, armedUntil, exported, seq: this.line.newest, ...counts };
  }

  picture(): SlotPicture {
    return { summary: this.summary(), terms: this.terms, steps: [...this.#shown] };
  }

  /**
   * Changes a step at once. `important` ones are given out when they are on the disk.
   * @returns when it is there; it rejects as `settle` does, and may be left alone: the change is kept
   */
  change(change: Change, important: boolean): Promise<void> {
    const edge = this.#apply(change);
    const reserve = important || edge.seq >= this.#top;
    const one = this.line.add(edge);
    one.ready = !reserve;
    one.entry = this.#journal.append(encode(this.#record(edge, change.step, reserve)));
    const done = reserve ? this.settle() : Promise.resolve();
    done.catch(() => undefined);
    this.line.release();
    this.#tidy();
    return done;
  }

  /**
   * Changes a step, and flags of the plan, when that is on the disk; else nothing is changed.
   * @throws STORE_FULL, STORE_READ_ONLY, STORE_IO
   */
  async commit(change: Change | undefined, flags: { closed?: boolean; exported?: boolean } = {}): Promise<void> {
    const before = { closed: this.#closed, exported: this.#exported };
    const contents: Buffer[] = [];
    let one: Waiting | undefined;
    const old = change === undefined ? undefined : this.#steps[change.index];
    if (flags.closed !== undefined) this.#closed = flags.closed;
    if (flags.exported !== undefined) this.#exported = flags.exported;
    if (Object.keys(flags).length > 0) contents.push(this.#flags());
    if (change !== undefined) {
      this.#uncommitted.set(change.index, old);
      const edge = this.#apply(change);
      one = this.line.add(edge);
      contents.push(encode(this.#record(edge, change.step, true)));
    }
    try {
      const entries = await this.#journal.commit(contents);
      if (one !== undefined) {
        one.entry = entries.at(-1);
        one.ready = true;
        this.#top = Math.max(this.#top, one.edge.seq + RESERVE);
      }
      // All that was appended before is on the disk too.
      if (change !== undefined) this.#uncommitted.delete(change.index);
      this.line.release();
    } catch (error) {
      ({ closed: this.#closed, exported: this.#exported } = before);
      if (change !== undefined) {
        this.#uncommitted.delete(change.index);
        if (old === undefined) this.#steps.length = change.index;
        else this.#steps[change.index] = old;
      }
      if (one !== undefined) this.line.withdraw(one);
      this.onTrouble(error as Error);
      throw error;
    }
  }

  /**
   * All that was noted is on the disk, and given out. @throws STORE_FULL, STORE_READ_ONLY, STORE_IO: it is kept in
   * memory, and the next call tries again
   */
  async settle(): Promise<void> {
    // Whoever comes while a sync is under way waits for the next one: it may have begun without his words.
    while (this.#syncing !== undefined) await this.#syncing.catch(() => undefined);
    const waiting = this.line.unready;
    this.#syncing = this.#journal.sync();
    try {
      await this.#syncing;
      for (const one of waiting) {
        one.ready = true;
        this.#top = Math.max(this.#top, one.edge.seq + RESERVE);
      }
    } catch (error) {
      this.onTrouble(error as Error);
      throw error;
    } finally {
      this.#syncing = undefined;
    }
    this.line.release();
  }

  acknowledge(seq: number): void {
    this.line.acknowledge(seq);
    this.#tidy();
  }

  edges(after: number): Edge[] {
    return this.line.after(after, this.#journal);
  }

  /** The latest time that was seen: the clock may be put back while the power is off. */
  async noteTime(at: number): Promise<void> {
    this.#latest = Math.max(this.#latest, at);
    this.#journal.append(encode({ t: 'time', at }));
    await this.settle();
  }

  /** The seed, in a copy that the caller overwrites. @throws what the keystore throws, STORE_DAMAGED */
  seed(): Buffer {
    return openSeed(this.#keystore, this.sealed, this.owner);
  }

  /** The derived key of a step, in a copy that the caller overwrites. */
  key(index: number, keyVersion: number): Buffer {
    const seed = this.seed();
    try {
      const { address } = this.step(index).status;
      return deriveScbk({ seed, sessionId: Buffer.from(this.session, 'hex'), address, keyVersion }).key;
    } finally {
      seed.fill(0);
    }
  }

  /** Versions that a reader at the step's place may hold already, newest first; without the one it is to get. */
  earlierVersions(index: number): number[] {
    const { status, next } = this.step(index);
    const same = this.#steps.filter((one) => one.status.address === status.address);
    const versions = new Set(same.flatMap(({ tried }) => tried));
    versions.delete(next);
    return [...versions].sort((a, b) => b - a);
  }

  /** Puts the slot's key under the keystore's current key. */
  async rewrap(store: Store): Promise<void> {
    this.#keyRecord = await store.rewrap(this.name, this.#keystore, this.sealed, this.owner);
  }

  /** @internal What the journal is to hold when it is written anew. */
  snapshot = () => {
    const steps = [...this.#steps];
    for (const [index, old] of [...this.#uncommitted].reverse()) {
      if (old === undefined) steps.length = index;
      else steps[index] = old;
    }
    this.#ackedThere = this.line.acked;
    const { head, line } = this;
    const standing = {
      steps,
      closed: this.#closed,
      exported: this.#exported,
      seq: this.#seq,
      top: this.#seq + RESERVE,
      acked: line.acked,
      at: this.#latest,
    };
    return [encode({ t: 'plan', steps: [], ...head }), ...line.entries, encode({ t: 'state', ...standing })];
  };

  /** An orderly end. */
  async close(): Promise<void> {
    this.#journal.append(encode({ t: 'clean', seq: this.#seq }));
    await this.#journal.close();
  }

  /** Its file is about to be deleted. */
  abandon(): Promise<void> {
    return this.#journal.abandon();
  }

  #apply({ index, step, cause }: Change): Edge {
    const known = this.#steps[index]?.tried ?? [];
    this.#steps[index] = step;
    this.#latest = Math.max(this.#latest, step.status.at);
    // From here on a reader may get a key that was not in the export, whatever comes of it.
    const mayBeKeyed = step.tried.some((version) => !known.includes(version));
    if (mayBeKeyed || step.status.state === 'success') this.#exported = false;
    const summary = this.#counts(this.#steps.map(({ status }) => status));
    this.#seq++;
    return { slot: this.id, session: this.session, seq: this.#seq, step: step.status, cause, summary };
  }

  #record(edge: Edge, { next, tried }: KeptStep, reserve: boolean): EdgeRecord {
    const { seq, cause, step, summary } = edge;
    const { acked } = this.line;
    const newer = acked > this.#ackedThere;
    this.#ackedThere = acked;
    return {
      t: 'edge',
      seq,
      cause,
      step,
      summary,
      next,
      tried,
      exported: this.#exported,
      ...(reserve ? { top: seq + RESERVE } : {}),
      ...(newer ? { acked } : {}),
    };
  }

  #flags(): Buffer {
    return encode({ t: 'flags', at: this.#latest, closed: this.#closed, exported: this.#exported });
  }

  /** @internal An edge was given out. */
  show(edge: Edge): void {
    this.#shown[edge.step.index] = edge.step;
  }

  #counts(steps: readonly StepStatus[]): SlotCounts {
    const count = (state: StepStatus['state']): number => steps.filter((step) => step.state === state).length;
    const [provisioned, failed, skipped] = [count('success'), count('failure'), count('skipped')];
    const done = this.id === 'live' ? this.#closed : provisioned + skipped === steps.length;
    return { state: done ? 'complete' : 'ready', total: steps.length, provisioned, failed, skipped };
  }

  #tidy(): void {
    if (this.#rewriting || this.#journal.size < this.#rewriteBytes) return;
    const needed = this.line.entries.reduce((sum, { length }) => sum + length, 0) + 512 * this.#steps.length;
    if (this.#journal.size < this.#rewriteBytes + 2 * needed) return;
    this.#rewriting = true;
    void this.#journal
      .rewrite()
      .catch((error: Error) => this.onTrouble(error))
      .finally(() => {
        this.#rewriting = false;
      });
  }
}
