import { realClock } from '../../clock.ts';
import { Mutex } from '../../panel/mutex.ts';
import type { DeviceStatus, HostIdentity, ProvisionerDevice } from '../device.ts';
import { runStep } from '../engine/index.ts';
import { fail } from '../errors.ts';
import type { HostEvent, Store } from '../store/index.ts';
import {
  type Edge,
  type PlanTerms,
  type ProvisionerMode,
  type SlotId,
  type SlotPicture,
  type SlotSeed,
  type SlotSummary,
  STEPS_MOST,
  type StepPlan,
  type StepVerb,
} from '../types.ts';
import { Audience } from './audience.ts';
import { Autonomy } from './autonomy.ts';
import { Bus } from './bus.ts';
import { checkAlike, checkSeed, checkStep, checkTerms } from './check.ts';
import { Custody } from './custody.ts';
import { Desk } from './desk.ts';
import { StoreHealth } from './health.ts';
import { openPlans } from './opening.ts';
import { checkOptions, type ProvisionerLogLine, type ProvisionerOptions, REWRITE_BYTES } from './options.ts';
import { Plans } from './plans.ts';
import { DeviceTime } from './time.ts';
import type { WorkQueue } from './work-queue.ts';
import { Worker } from './worker.ts';

const HOUR_MS = 3_600_000;

/**
 * Opens a provisioner on its store.
 *
 * What was being attempted when the power went: in an autonomous plan the step is pending again, with its attempt
 * counted and the outcome `interrupted`; elsewhere it has failed with `interrupted`, and a retry finds out. Either way
 * the key that may have been set is remembered, and a reader that holds it is a success without a second KEYSET. Tries
 * and retries that waited for the bus are forgotten. Each of these is told as an edge with the cause `power`.
 *
 * @throws BAD_PROVISIONER_OPTION, STORE_BUSY, STORE_PATH, STORE_DAMAGED, STORE_NEWER, STORE_FULL, STORE_READ_ONLY,
 * STORE_IO; what the keystore throws when it cannot open a slot's key
 */
export async function openProvisioner(options: ProvisionerOptions): Promise<Provisioner> {
  checkOptions(options);
  const { store, queues } = await openPlans(options);
  const provisioner = new Provisioner(options, store, queues);
  // Told and on the disk from the first look on. Where that cannot be written, it is tried again.
  for (const queue of queues) await queue.settle().catch(() => undefined);
  return provisioner;
}

/**
 * The device side of a provisioner: the truth about its slots and its live queue, and the one that talks to readers.
 *
 * - One attempt is made at a time, over all slots and the live queue. A try or retry that is said meanwhile is
 *   accepted and waits (`queued`), in the order of the words; its edge keeps the state that it had.
 * - While no host is attached, autonomous slots go on: the first slot with a pending step waits for a reader, and
 *   makes that step's one attempt when it has come.
 * - A change counts once it is on the disk. While the disk takes nothing, changes are refused, no attempt is begun
 *   and no key leaves; it goes on by itself when it does again. How an attempt ended is kept in memory until then.
 */
export class Provisioner implements ProvisionerDevice {
  readonly #options: ProvisionerOptions;
  readonly #store: Store;
  readonly #plans: Plans;
  readonly #custody: Custody;
  readonly #health: StoreHealth;
  readonly #autonomy: Autonomy;
  readonly #bus: Bus;
  readonly #time: DeviceTime;
  readonly #worker: Worker;
  readonly #desk: Desk;
  readonly #clock;
  readonly #modes: readonly ProvisionerMode[];
  /** Held by whoever changes plans. */
  readonly #turn = new Mutex();
  readonly #audience: Audience;
  #closing: Promise<void> | undefined;

  /** @internal See `openProvisioner`. */
  constructor(options: ProvisionerOptions, store: Store, queues: readonly WorkQueue[]) {
    this.#options = options;
    this.#store = store;
    this.#clock = options.clock ?? realClock;
    this.#modes = [...new Set(options.modes ?? (['live', 'offline'] as const))];
    this.#time = new DeviceTime(this.#clock, options.wall ?? Date.now, Math.max(0, ...queues.map((one) => one.latest)));
    const onFailure = (error: Error): void => this.#log({ level: 'warning', event: 'failure', text: error.message });
    this.#audience = new Audience(onFailure);
    const slots = Math.max(options.slots ?? 8, ...queues.map(slotNumber));
    this.#plans = new Plans(store, options.keystore, slots, options.rewriteBytes ?? REWRITE_BYTES);
    this.#health = new StoreHealth({
      clock: this.#clock,
      settle: async () => {
        for (const queue of this.#plans.all()) await queue.settle();
      },
      onChange: (error) => this.#storeChanged(error),
    });
    this.#custody = new Custody(options, store, this.#time, (error) => this.#health.failing(error));
    this.#autonomy = new Autonomy({
      clock: this.#clock,
      time: this.#time,
      plans: () => this.#plans.all(),
      onOver: () => this.#worker.pause(),
    });
    this.#bus = new Bus(options.openPort, { ...options.panel, clock: this.#clock });
    this.#bus.onStatus = () => this.#busChanged();
    const mayBegin = (): boolean => this.#health.trouble === undefined && this.#closing === undefined;
    this.#worker = new Worker({
      bus: this.#bus,
      run: options.run ?? runStep,
      clock: this.#clock,
      time: this.#time,
      turn: this.#turn,
      onFailure,
      mayBegin,
      autonomous: () => (this.#audience.host === undefined ? this.#autonomy.pick() : undefined),
    });
    this.#desk = new Desk(this.#worker, this.#time, mayBegin);
    for (const queue of queues) {
      this.#plans.keep(queue);
      this.#watch(queue);
      this.#recover(queue);
    }
    this.#log({ level: 'info', event: 'opened', text: `${queues.length} plans are in the store.` });
    this.#worker.wake();
  }

  status(): DeviceStatus {
    const { name = 'provisioner', version = '0' } = this.#options;
    const { trouble } = this.#health;
    return {
      name,
      version,
      modes: [...this.#modes],
      limits: { slots: this.#plans.slots, steps: STEPS_MOST, live: STEPS_MOST },
      bus: this.#bus.status,
      store: trouble === undefined ? { state: 'good', text: '' } : { state: 'failing', text: trouble.message },
      host: this.#audience.shown,
    };
  }

  slots(): SlotSummary[] {
    const all = [...this.#plans.summaries()];
    return all.filter(({ slot, state }) => state !== 'empty' || this.#offers(slot === 'live' ? 'live' : 'offline'));
  }

  begin(slot: number, terms: PlanTerms, key: Omit<SlotSeed, 'slot'>, host: HostIdentity): Promise<void> {
    return this.#change(async () => {
      this.#needs('offline');
      this.#plans.mustBeEmpty(slot);
      checkSeed(key);
      this.#plans.stage(slot, checkTerms(terms), key, host);
    });
  }

  addSteps(slot: number, steps: readonly StepPlan[], host: HostIdentity): Promise<void> {
    return this.#change(async () => {
      const staged = this.#plans.staged(slot, host);
      const all = [...staged.steps, ...steps.map(checkStep)];
      if (all.length > STEPS_MOST) {
        throw fail('BAD_PLAN', `The plan would have ${all.length} steps; ${STEPS_MOST} is the most.`, {
          hint: 'Share the readers out to more slots.',
          detail: { field: 'steps', value: all.length },
        });
      }
      checkAlike(all);
      staged.steps = all;
    });
  }

  seal(slot: number, host: HostIdentity): Promise<SlotSummary> {
    return this.#change(async () => {
      const staged = this.#plans.staged(slot, host);
      if (staged.steps.length === 0) {
        throw fail('BAD_PLAN', 'The plan has no steps.', { hint: 'Add some.', detail: { field: 'steps', value: 0 } });
      }
      const now = this.#time.now();
      const { autonomous, armingHours } = staged.terms;
      const armedUntil = autonomous ? now + Math.round(armingHours * HOUR_MS) : null;
      const queue = await this.#plans.write(slot, staged, now, armedUntil);
      this.#watch(queue);
      this.#custody.note('sealed', `Slot ${slot} was sealed with ${staged.steps.length} steps.`, queue, host);
      this.#worker.wake();
      return queue.summary();
    });
  }

  abandon(slot: number): Promise<void> {
    return this.#change(async () => this.#plans.abandon(slot));
  }

  open(slot: SlotId): SlotPicture {
    return this.#plans.picture(slot);
  }

  remove(slot: SlotId, session: string | null, host: HostIdentity): Promise<void> {
    return this.#change(async () => {
      if (slot !== 'live' && this.#plans.isStaging(slot)) {
        this.#plans.abandon(slot);
        return;
      }
      const queue = this.#plans.queue(slot);
      checkRemoval(queue, session);
      await this.#remove(queue, host);
    });
  }

  verb(slot: SlotId, step: number, verb: StepVerb): Promise<void> {
    return this.#change(() => this.#desk.verb(this.#plans.queue(slot), step, verb));
  }

  /** Also takes the tries and retries of the plan that wait for the bus back. Resolves when all that is on the disk. */
  cancel(slot: SlotId): Promise<void> {
    return this.#change(() => this.#desk.cancel(this.#plans.queue(slot)));
  }

  /**
   * With a live queue that is not closed yet, whoever began it: that one's summary; the given seed is not used. A
   * closed one gives way when its keys were exported, or none were set. @throws SLOT_OCCUPIED
   */
  beginLive(terms: PlanTerms, key: Omit<SlotSeed, 'slot'>, host: HostIdentity): Promise<SlotSummary> {
    return this.#change(async () => {
      this.#needs('live');
      const old = this.#plans.find('live');
      if (old !== undefined && !old.closed) return old.summary();
      checkSeed(key);
      const checked = checkTerms({ ...terms, autonomous: false });
      if (old?.holdsUnexported === true) {
        throw fail('SLOT_OCCUPIED', 'The live queue is closed, and its keys were not exported yet.', {
          hint: 'Export them, or delete it by naming its session.',
          detail: { slot: 'live', session: old.session },
        });
      }
      if (old !== undefined) await this.#remove(old, host);
      const queue = await this.#plans.writeLive(checked, key, host, this.#time.now());
      this.#watch(queue);
      this.#custody.note('sealed', 'The live queue was begun.', queue, host);
      return queue.summary();
    });
  }

  /** At an address that the live queue had before, another reader gets another key: see `Desk.quick`. */
  quick(step: StepPlan): Promise<number> {
    return this.#change(async () => {
      this.#needs('live');
      return await this.#desk.quick(this.#plans.queue('live'), step);
    });
  }

  closeLive(): Promise<SlotSummary> {
    return this.#change(async () => {
      const queue = this.#plans.queue('live');
      await this.#desk.close(queue);
      return queue.summary();
    });
  }

  edges(slot: SlotId, after: number): Edge[] {
    return this.#plans.find(slot)?.edges(after) ?? [];
  }

  /** Not written at once: when the power goes before, some that the host has are kept, and offered, once more. */
  async acknowledge(slot: SlotId, seq: number): Promise<void> {
    this.#plans.find(slot)?.acknowledge(seq);
  }

  seed(slot: SlotId, host: HostIdentity): Promise<SlotSeed> {
    return this.#change(() => this.#custody.seed(this.#plans.queue(slot), host));
  }

  exported(slot: SlotId, session: string): Promise<void> {
    return this.#change(async () => {
      const queue = this.#plans.queue(slot);
      checkSession(queue, session);
      if (queue.summary().state !== 'complete') {
        throw fail('SLOT_NOT_COMPLETE', 'Not every step is final yet: there is nothing to export.', {
          hint: 'Retry or skip what failed; close the live queue.',
          detail: { ...queue.summary() },
        });
      }
      await queue.commit(undefined, { exported: true });
      this.#custody.note('exported', `The keys of ${queue.name} were exported.`, queue, this.#audience.host);
    });
  }

  /** What the link did about a host, for the log. It is done already. */
  noteHost(event: HostEvent, text?: string, host?: HostIdentity): void {
    if (this.#closing === undefined) this.#custody.noteHost(event, text, host);
  }

  /** Whether a plan of this host is in the store: then it may take over from another host. */
  hasSealed({ id }: HostIdentity): boolean {
    return this.#plans.all().some((queue) => queue.head.host.id === id);
  }

  /** @throws HOST_ATTACHED */
  attach(host: HostIdentity, onEdge: (edge: Edge) => void): () => void {
    const detach = this.#audience.attach(host, this.#time.now(), onEdge);
    this.#worker.pause();
    this.#changed();
    return () => {
      if (!detach()) return;
      this.#plans.abandonOf(host);
      this.#changed();
      this.#worker.wake();
    };
  }

  onStatus(listener: (status: DeviceStatus) => void): () => void {
    return this.#audience.watch(listener);
  }

  /** What is under way is interrupted as by a power cut, but told and written. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#health.close();
    this.#autonomy.close();
    const waited = this.#plans.all().filter((queue) => this.#worker.hasJobs(queue));
    await this.#worker.close();
    for (const queue of waited) this.#recover(queue);
    await this.#bus.close().catch(() => undefined);
    await this.#turn.run(async () => {
      this.#plans.abandonOf(undefined);
      for (const queue of this.#plans.all()) {
        await queue.settle().catch(() => undefined);
        await queue.close();
      }
      await this.#store.close();
    });
    this.#audience.dismiss();
  }

  /** One change of plans at a time. */
  #change<T>(work: () => Promise<T>): Promise<T> {
    return this.#turn.run(async () => {
      if (this.#closing !== undefined) throw fail('PROVISIONER_CLOSED', 'The provisioner is closed.');
      return await work();
    });
  }

  async #remove(queue: WorkQueue, host: HostIdentity): Promise<void> {
    this.#worker.drop(queue);
    await this.#worker.cancel(queue);
    await this.#plans.remove(queue);
    this.#custody.note('removed', `${queue.name} was deleted.`, queue, host);
    this.#worker.wake();
  }

  #recover(queue: WorkQueue): void {
    for (const index of this.#desk.recover(queue)) {
      const text = `The attempt at step ${index} of ${queue.name} was interrupted.`;
      this.#log({ level: 'warning', event: 'interrupted', text, slot: queue.id, session: queue.session });
    }
  }

  /** How an attempt ended: nobody else may be there to hear it. */
  #logEnd({ id, name, session }: WorkQueue, { step, cause }: Edge): void {
    const { state, address, outcome, attempts } = step;
    if (cause !== 'attempt' || (state !== 'success' && state !== 'failure')) return;
    const text = `${name}, address ${address}: ${outcome} at attempt ${attempts}.`;
    this.#log({ level: state === 'success' ? 'info' : 'warning', event: 'attempt', text, slot: id, session });
  }

  #watch(queue: WorkQueue): void {
    queue.line.onEdge = (edge) => {
      queue.show(edge);
      this.#audience.tellEdge(edge);
      this.#logEnd(queue, edge);
    };
    queue.onTrouble = (error) => this.#health.failing(error);
  }

  #storeChanged(error: Error | undefined): void {
    if (error !== undefined) this.#log({ level: 'warning', event: 'store-failing', text: error.message });
    else this.#log({ level: 'info', event: 'store-good', text: 'The store can be written again.' });
    this.#changed();
    this.#worker.wake();
  }

  #offers(mode: ProvisionerMode): boolean {
    return this.#modes.includes(mode);
  }

  #needs(mode: ProvisionerMode): void {
    if (this.#offers(mode)) return;
    throw fail('MODE_UNSUPPORTED', `This provisioner does not work ${mode}.`, {
      hint: `It offers: ${this.#modes.join(', ')}.`,
      detail: { field: 'mode', value: mode, offers: this.#modes },
    });
  }

  #log(line: ProvisionerLogLine): void {
    this.#options.log?.(line);
  }

  #busChanged(): void {
    const { state, text } = this.#bus.status;
    this.#log({ level: state === 'gone' ? 'warning' : 'info', event: 'bus', text });
    this.#changed();
  }

  #changed(): void {
    this.#audience.tellStatus(this.status());
  }
}

/** @throws SESSION_MISMATCH */
function checkRemoval(queue: WorkQueue, session: string | null): void {
  if (session !== null) checkSession(queue, session);
  else if (queue.holdsUnexported) {
    throw fail(
      'SESSION_MISMATCH',
      'Readers hold, or may hold, keys of this plan that were never exported: they would be lost.',
      {
        hint: 'Export them first, or name the session to delete it all the same.',
        detail: { field: 'session', slot: queue.id, keyed: queue.summary().provisioned },
      },
    );
  }
}

function checkSession(queue: WorkQueue, session: string): void {
  if (session === queue.session) return;
  throw fail('SESSION_MISMATCH', `The plan has another session than ${String(session).slice(0, 40)}.`, {
    hint: 'Look at the slot again: it may hold another plan by now.',
    detail: { field: 'session', slot: queue.id },
  });
}

const slotNumber = ({ id }: WorkQueue): number => (id === 'live' ? 0 : id);
