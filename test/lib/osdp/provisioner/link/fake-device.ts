import { KeywayError } from '../../../../../lib/errors/index.ts';
import type { DeviceStatus, HostIdentity, ProvisionerDevice } from '../../../../../lib/osdp/provisioner/device.ts';
import type {
  Edge,
  PlanTerms,
  SlotCounts,
  SlotId,
  SlotPicture,
  SlotSeed,
  SlotState,
  SlotSummary,
  StepPlan,
  StepStatus,
  StepVerb,
} from '../../../../../lib/osdp/provisioner/types.ts';

interface Plan {
  state: SlotState;
  terms: PlanTerms;
  session: string;
  kdf: string;
  seed: Buffer;
  steps: StepStatus[];
  seq: number;
  edges: Edge[];
  sealer: string;
  exported: boolean;
}

const refuse = (code: string, text: string): KeywayError => new KeywayError(code, text, { detail: { field: 'slot' } });

/** The device's side of the contract, as little of it as the link can be driven with. Time stands still at 1000. */
export class FakeDevice implements ProvisionerDevice {
  readonly plans = new Map<SlotId, Plan>();
  readonly acknowledged: [SlotId, number][] = [];
  readonly seedReads: string[] = [];
  readonly calls: string[] = [];
  readonly slotCount: number;
  bus: DeviceStatus['bus'] = { state: 'open', text: 'open' };
  #host: { identity: HostIdentity; onEdge: (edge: Edge) => void } | undefined;
  readonly #listeners = new Set<(status: DeviceStatus) => void>();

  constructor(slotCount = 4) {
    this.slotCount = slotCount;
  }

  get host(): string | null {
    return this.#host?.identity.id ?? null;
  }

  status(): DeviceStatus {
    return {
      name: 'fake',
      version: '0.0.1',
      modes: ['live', 'offline'],
      limits: { slots: this.slotCount, steps: 126, live: 126 },
      bus: this.bus,
      host: this.#host === undefined ? null : { name: this.#host.identity.name, since: 1000 },
    };
  }

  slots(): SlotSummary[] {
    const ids: SlotId[] = ['live', ...Array.from({ length: this.slotCount }, (_, i) => i + 1)];
    return ids.map((slot) => this.#summary(slot));
  }

  async begin(slot: number, terms: PlanTerms, key: Omit<SlotSeed, 'slot'>, host: HostIdentity): Promise<void> {
    this.calls.push(`begin ${slot}`);
    if (slot < 1 || slot > this.slotCount) throw refuse('SLOT_OUT_OF_RANGE', `There is no slot ${slot}.`);
    if (this.plans.has(slot)) throw refuse('SLOT_OCCUPIED', `Slot ${slot} is taken.`);
    this.#put(slot, 'staging', terms, key, host);
  }

  async addSteps(slot: number, steps: readonly StepPlan[]): Promise<void> {
    const plan = this.#plan(slot);
    for (const step of steps) plan.steps.push(pending(step, plan.steps.length));
  }

  async seal(slot: number): Promise<SlotSummary> {
    this.#plan(slot).state = 'ready';
    return this.#summary(slot);
  }

  async abandon(slot: number): Promise<void> {
    this.calls.push(`abandon ${slot}`);
    this.plans.delete(slot);
  }

  open(slot: SlotId): SlotPicture {
    const plan = this.plans.get(slot);
    return { summary: this.#summary(slot), terms: plan?.terms ?? null, steps: plan?.steps ?? [] };
  }

  async remove(slot: SlotId, session: string | null): Promise<void> {
    const plan = this.#plan(slot);
    if (session !== null && session !== plan.session) throw refuse('SESSION_MISMATCH', 'Another session.');
    this.plans.delete(slot);
  }

  async verb(slot: SlotId, step: number, verb: StepVerb): Promise<void> {
    const known = this.#plan(slot).steps[step];
    if (known === undefined) throw refuse('STEP_OUT_OF_RANGE', `There is no step ${step}.`);
    this.edge(slot, step, { state: verb === 'skip' ? 'skipped' : 'attempting' });
  }

  async cancel(slot: SlotId): Promise<void> {
    this.calls.push(`cancel ${slot}`);
  }

  async beginLive(terms: PlanTerms, key: Omit<SlotSeed, 'slot'>, host: HostIdentity): Promise<SlotSummary> {
    if (this.plans.has('live')) throw refuse('SLOT_OCCUPIED', 'The live queue was begun.');
    this.#put('live', 'ready', terms, key, host);
    return this.#summary('live');
  }

  async quick(step: StepPlan): Promise<number> {
    const plan = this.#plan('live');
    plan.steps.push(pending(step, plan.steps.length));
    this.edge('live', plan.steps.length - 1, { state: 'attempting' });
    return plan.steps.length - 1;
  }

  async closeLive(): Promise<SlotSummary> {
    this.#plan('live').state = 'complete';
    return this.#summary('live');
  }

  edges(slot: SlotId, after: number): Edge[] {
    return this.plans.get(slot)?.edges.filter((edge) => edge.seq > after) ?? [];
  }

  async acknowledge(slot: SlotId, seq: number): Promise<void> {
    this.acknowledged.push([slot, seq]);
    const plan = this.#plan(slot);
    plan.edges = plan.edges.filter((edge) => edge.seq > seq);
  }

  async seed(slot: SlotId, host: HostIdentity): Promise<SlotSeed> {
    const plan = this.#plan(slot);
    if (plan.sealer !== host.id) throw refuse('NOT_YOUR_SLOT', 'Another host sealed it.');
    this.seedReads.push(host.id);
    return { slot, seed: Uint8Array.from(plan.seed), session: plan.session, kdf: plan.kdf };
  }

  async exported(slot: SlotId): Promise<void> {
    this.#plan(slot).exported = true;
  }

  attach(identity: HostIdentity, onEdge: (edge: Edge) => void): () => void {
    if (this.#host !== undefined) throw new Error('A host is attached already.');
    const host = { identity, onEdge };
    this.#host = host;
    return () => {
      if (this.#host === host) this.#host = undefined;
    };
  }

  onStatus(listener: (status: DeviceStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  get statusListeners(): number {
    return this.#listeners.size;
  }

  tell(bus: DeviceStatus['bus']): void {
    this.bus = bus;
    for (const listener of [...this.#listeners]) listener(this.status());
  }

  /** Something happened to a step. */
  edge(slot: SlotId, step: number, change: Partial<StepStatus>): void {
    const plan = this.#plan(slot);
    const status = { ...(plan.steps[step] as StepStatus), ...change };
    plan.steps[step] = status;
    plan.seq++;
    const { session, seq } = plan;
    const edge: Edge = { slot, session, seq, step: status, cause: 'attempt', summary: this.#counts(plan) };
    plan.edges.push(edge);
    this.#host?.onEdge(edge);
  }

  hasSealed = ({ id }: HostIdentity): boolean => [...this.plans.values()].some((plan) => plan.sealer === id);

  #put(slot: SlotId, state: SlotState, terms: PlanTerms, key: Omit<SlotSeed, 'slot'>, host: HostIdentity): void {
    const { session, kdf } = key;
    const seed = Buffer.from(key.seed);
    const rest = { steps: [], seq: 0, edges: [], sealer: host.id, exported: false };
    this.plans.set(slot, { state, terms, session, kdf, seed, ...rest });
  }

  #plan(slot: SlotId): Plan {
    const plan = this.plans.get(slot);
    if (plan === undefined) throw refuse('SLOT_EMPTY', `Slot ${slot} is empty.`);
    return plan;
  }

  #counts(plan: Plan | undefined): SlotCounts {
    const steps = plan?.steps ?? [];
    const count = (state: StepStatus['state']): number => steps.filter((step) => step.state === state).length;
    return {
      state: plan?.state ?? 'empty',
      total: steps.length,
      provisioned: count('success'),
      failed: count('failure'),
      skipped: count('skipped'),
    };
  }

  #summary(slot: SlotId): SlotSummary {
    const plan = this.plans.get(slot);
    return {
      slot,
      ...this.#counts(plan),
      name: plan?.terms.name ?? null,
      session: plan?.session ?? null,
      createdAt: plan === undefined ? null : 1000,
      armedUntil: null,
      exported: plan?.exported ?? false,
      seq: plan?.seq ?? 0,
    };
  }
}

function pending(step: StepPlan, index: number): StepStatus {
  return {
    ...step,
    index,
    state: 'pending',
    attempts: 0,
    stage: null,
    stageState: null,
    outcome: null,
    detail: null,
    identity: null,
    keyVersion: null,
    at: 1000,
  };
}

export const TERMS: PlanTerms = {
  name: 'door row',
  bus: 'single',
  factory: { address: 0, baudRate: 9600 },
  capabilities: [],
  timeoutMs: 0,
  autoVerify: true,
  autonomous: false,
  armingHours: 8,
};

export const steps = (count: number): StepPlan[] =>
  Array.from({ length: count }, (_, i) => ({ address: i + 1, baudRate: 9600 }));
