import type { Keystore } from '../../../vault/index.ts';
import type { HostIdentity } from '../device.ts';
import { fail } from '../errors.ts';
import { type SealedSeed, type Store, sealSeed } from '../store/index.ts';
import type { PlanTerms, SlotId, SlotPicture, SlotSeed, SlotSummary, StepPlan } from '../types.ts';
import { encode, newStep, type PlanHead } from './state.ts';
import { WorkQueue } from './work-queue.ts';

/** A plan that a host is writing. Nothing of it is on the disk: whatever ends the host, it is gone. */
export interface StagedPlan {
  readonly terms: PlanTerms;
  readonly session: string;
  readonly kdf: string;
  readonly seed: SealedSeed;
  readonly host: HostIdentity;
  steps: readonly StepPlan[];
}

/** The name of a plan's files. */
export const nameOf = (id: SlotId): string => (id === 'live' ? id : `slot-${String(id).padStart(2, '0')}`);

/** The plan that files of this name hold; undefined: none of ours. */
export function idOf(name: string): SlotId | undefined {
  if (name === 'live') return name;
  const number = /^slot-(\d{2})$/.exec(name)?.[1];
  return number === undefined ? undefined : Number(number);
}

/** What is in the slots and in the live queue. */
export class Plans {
  readonly slots: number;
  readonly #store: Store;
  readonly #keystore: Keystore;
  readonly #queues = new Map<SlotId, WorkQueue>();
  readonly #staged = new Map<SlotId, StagedPlan>();

  readonly #rewriteBytes: number;

  constructor(store: Store, keystore: Keystore, slots: number, rewriteBytes: number) {
    this.#store = store;
    this.#keystore = keystore;
    this.#rewriteBytes = rewriteBytes;
    this.slots = slots;
  }

  /** Sealed ones in the order of their numbers, the live queue last. */
  all(): readonly WorkQueue[] {
    const order = (id: SlotId): number => (id === 'live' ? Number.POSITIVE_INFINITY : id);
    return [...this.#queues.values()].sort((a, b) => order(a.id) - order(b.id));
  }

  keep(queue: WorkQueue): void {
    this.#queues.set(queue.id, queue);
  }

  /** @throws SLOT_OUT_OF_RANGE */
  find(id: SlotId): WorkQueue | undefined {
    this.#check(id);
    return this.#queues.get(id);
  }

  /** @throws SLOT_OUT_OF_RANGE, SLOT_EMPTY, SLOT_STATE */
  queue(id: SlotId): WorkQueue {
    const queue = this.find(id);
    if (queue !== undefined) return queue;
    if (this.#staged.has(id)) throw stateError(id, 'staging', 'is being written');
    throw fail('SLOT_EMPTY', id === 'live' ? 'No live queue was begun.' : `Slot ${id} is empty.`, {
      hint: id === 'live' ? 'Begin one.' : 'Write a plan into it.',
      detail: { slot: id },
    });
  }

  summaries(): readonly SlotSummary[] {
    const ids: SlotId[] = [...Array.from({ length: this.slots }, (_, i) => i + 1), 'live'];
    return ids.map((id) => this.#summary(id));
  }

  /** @throws SLOT_OUT_OF_RANGE */
  picture(id: SlotId): SlotPicture {
    const queue = this.find(id);
    if (queue !== undefined) return queue.picture();
    const staged = this.#staged.get(id);
    const steps = (staged?.steps ?? []).map((plan, index) => newStep(plan, index, 0).status);
    return { summary: this.#summary(id), terms: staged?.terms ?? null, steps };
  }

  /** @throws SLOT_OUT_OF_RANGE, SLOT_OCCUPIED */
  mustBeEmpty(slot: number): void {
    const taken = this.find(slot) !== undefined || this.#staged.has(slot);
    if (!taken) return;
    throw fail('SLOT_OCCUPIED', `Slot ${slot} holds a plan already, or one is being written.`, {
      hint: 'Take another slot, or delete this one.',
      detail: { slot, state: this.#summary(slot).state },
    });
  }

  /** @throws BAD_PLAN: the session is one of another plan */
  stage(slot: number, terms: PlanTerms, key: Omit<SlotSeed, 'slot'>, host: HostIdentity): void {
    const { session, kdf } = key;
    this.#checkSession(session);
    const seed = sealSeed(this.#keystore, key.seed, ownerOf(slot, session));
    this.#staged.set(slot, { terms, session, kdf, seed, host, steps: [] });
  }

  isStaging(slot: number): boolean {
    this.#check(slot);
    return this.#staged.has(slot);
  }

  /** @throws SLOT_OUT_OF_RANGE, SLOT_STATE, NOT_YOUR_SLOT */
  staged(slot: number, host: HostIdentity): StagedPlan {
    this.#check(slot);
    const staged = this.#staged.get(slot);
    if (staged === undefined) {
      throw stateError(slot, this.#summary(slot).state, 'is not being written');
    }
    if (staged.host.id === host.id) return staged;
    throw fail('NOT_YOUR_SLOT', `${staged.host.name} is writing slot ${slot}.`, {
      hint: 'Take another slot.',
      detail: { slot, host: staged.host.name },
    });
  }

  /** Nothing happens to an empty slot. @throws SLOT_OUT_OF_RANGE, SLOT_STATE */
  abandon(slot: number): void {
    if (this.find(slot) !== undefined) throw stateError(slot, this.#summary(slot).state, 'is sealed');
    this.#forget(slot);
  }

  /** The host has gone: what it was writing is nothing. Undefined: whoever it was. */
  abandonOf(host: HostIdentity | undefined): void {
    for (const [slot, staged] of [...this.#staged]) {
      if (host === undefined || staged.host.id === host.id) this.#forget(slot);
    }
  }

  /** Seals a staged plan. @throws STORE_FULL, STORE_READ_ONLY, STORE_IO; then it stays staged */
  async write(slot: number, staged: StagedPlan, now: number, armedUntil: number | null): Promise<WorkQueue> {
    const queue = await this.#create(slot, staged, now, armedUntil);
    this.#staged.delete(slot);
    return queue;
  }

  /** @throws BAD_PLAN, STORE_FULL, STORE_READ_ONLY, STORE_IO */
  async writeLive(terms: PlanTerms, key: Omit<SlotSeed, 'slot'>, host: HostIdentity, now: number): Promise<WorkQueue> {
    const { session, kdf } = key;
    this.#checkSession(session);
    const seed = sealSeed(this.#keystore, key.seed, ownerOf('live', session));
    return await this.#create('live', { terms, session, kdf, seed, host, steps: [] }, now, null);
  }

  /** @throws STORE_READ_ONLY, STORE_IO */
  async remove(queue: WorkQueue): Promise<void> {
    await this.#store.destroyKey(queue.name);
    // From here on it is no plan any more, whatever becomes of the rest.
    this.#queues.delete(queue.id);
    await queue.abandon();
    await this.#store.destroyRest(queue.name).catch(() => undefined);
  }

  async #create(id: SlotId, staged: StagedPlan, now: number, armedUntil: number | null): Promise<WorkQueue> {
    const { terms, session, kdf, seed, host, steps } = staged;
    const head: PlanHead = {
      session,
      kdf,
      sealed: seed.sealed.toString('base64'),
      terms,
      host: { id: host.id, name: host.name },
      createdAt: now,
      armedUntil,
    };
    const name = nameOf(id);
    const rewriteBytes = this.#rewriteBytes;
    const place = { id, name, keystore: this.#keystore, keyRecord: seed.keyRecord, rewriteBytes };
    const kept = steps.map((plan, index) => newStep(plan, index, now));
    const fresh = { closed: false, exported: false, seq: 0, top: 1, acked: 0, at: now, edges: [] };
    const queue = new WorkQueue(place, { head, steps: kept, ...fresh });
    const record = encode({ t: 'plan', steps, ...head });
    queue.begin(await this.#store.create(name, seed.keyRecord, [record], queue.snapshot));
    this.#queues.set(id, queue);
    return queue;
  }

  #forget(slot: SlotId): void {
    const staged = this.#staged.get(slot);
    staged?.seed.sealed.fill(0);
    staged?.seed.keyRecord.fill(0);
    this.#staged.delete(slot);
  }

  #summary(id: SlotId): SlotSummary {
    const queue = this.#queues.get(id);
    if (queue !== undefined) return queue.summary();
    const staged = this.#staged.get(id);
    return {
      slot: id,
      state: staged === undefined ? 'empty' : 'staging',
      name: staged?.terms.name ?? null,
      session: staged?.session ?? null,
      createdAt: null,
      armedUntil: null,
      exported: false,
      seq: 0,
      total: staged?.steps.length ?? 0,
      provisioned: 0,
      failed: 0,
      skipped: 0,
    };
  }

  #check(id: SlotId): void {
    if (id === 'live' || (Number.isInteger(id) && id >= 1 && id <= this.slots)) return;
    throw fail('SLOT_OUT_OF_RANGE', `There is no slot ${String(id).slice(0, 20)}.`, {
      hint: `Slots are counted from 1 to ${this.slots}; the live queue is "live".`,
      detail: { field: 'slot', value: id, slots: this.slots },
    });
  }

  /** Two plans with one session could derive the same keys. */
  #checkSession(session: string): void {
    const taken = [...this.#queues.values(), ...this.#staged.values()].some((one) => one.session === session);
    if (!taken) return;
    throw fail('BAD_PLAN', 'Another plan has the same session.', {
      hint: 'Make a new seed and a new session for each plan.',
      detail: { field: 'session', value: session },
    });
  }
}

const ownerOf = (id: SlotId, session: string): string => `${nameOf(id)} ${session}`;

function stateError(slot: SlotId, state: string, what: string): Error {
  return fail('SLOT_STATE', `Slot ${slot} ${what}: it is ${state}.`, {
    hint: state === 'staging' ? 'Seal it, or abandon it.' : 'Delete it first, or take another slot.',
    detail: { slot, state },
  });
}
