import type {
  Edge,
  PlanTerms,
  ProvisionerMode,
  SlotId,
  SlotPicture,
  SlotSeed,
  SlotSummary,
  StepPlan,
  StepVerb,
} from './types.ts';

/** Who asks, as the link knows it: a certificate's fingerprint, or `unix`. */
export interface HostIdentity {
  /** SHA-256 of the certificate, hex; `unix` for whoever may open the socket. */
  readonly id: string;
  /** For people: "bench laptop". */
  readonly name: string;
}

/** What a provisioner says of itself. */
export interface DeviceStatus {
  readonly name: string;
  readonly version: string;
  readonly modes: readonly ProvisionerMode[];
  readonly limits: { readonly slots: number; readonly steps: number; readonly live: number };
  /** Whether its port to the readers is open. */
  readonly bus: { readonly state: 'open' | 'gone' | 'idle'; readonly text: string };
  /** Whether its journal can be written. While it cannot, no attempt is begun and changes are refused. */
  readonly store?: { readonly state: 'good' | 'failing'; readonly text: string };
  /** The one host that is attached. */
  readonly host: { readonly name: string; readonly since: number } | null;
}

/**
 * The device side, as the link drives it. Every promise settles when the change is durable; a refusal changes nothing.
 * Codes: SLOT_OUT_OF_RANGE, SLOT_OCCUPIED, SLOT_EMPTY, SLOT_STATE, STEP_OUT_OF_RANGE, VERB_NOT_LEGAL, MODE_UNSUPPORTED,
 * SESSION_MISMATCH, NOT_YOUR_SLOT, SLOT_NOT_COMPLETE, BAD_PLAN, PROVISIONER_CLOSED; STORE_FULL, STORE_READ_ONLY and
 * STORE_IO for what must be written.
 */
export interface ProvisionerDevice {
  status(): DeviceStatus;
  /** All slots and the live queue, in one go. */
  slots(): SlotSummary[];
  /** empty → staging. The seed is copied and sealed. */
  begin(slot: number, terms: PlanTerms, key: Omit<SlotSeed, 'slot'>, host: HostIdentity): Promise<void>;
  addSteps(slot: number, steps: readonly StepPlan[], host: HostIdentity): Promise<void>;
  /** staging → ready. */
  seal(slot: number, host: HostIdentity): Promise<SlotSummary>;
  /** staging → empty; also what happens when the host goes. */
  abandon(slot: number): Promise<void>;
  open(slot: SlotId): SlotPicture;
  /** Any state → empty; `session` must be named when it holds keyed readers that were never exported. */
  remove(slot: SlotId, session: string | null, host: HostIdentity): Promise<void>;
  /**
   * Accepted or refused; how it ends comes as an edge. One attempt is made at a time: a try or retry that is said while
   * another one is under way waits (`queued`), in the order of the words.
   */
  verb(slot: SlotId, step: number, verb: StepVerb): Promise<void>;
  /**
   * Ends the attempt that is under way, cleanly: the step fails with `cancelled`. Tries and retries of the slot that wait
   * are taken back. Nothing under way: nothing happens.
   */
  cancel(slot: SlotId): Promise<void>;
  /**
   * Begins the live queue (a seed and a session of its own) when there is none. One that is not closed goes on instead:
   * its summary comes back, with its own session, and the given seed is not used.
   */
  beginLive(terms: PlanTerms, key: Omit<SlotSeed, 'slot'>, host: HostIdentity): Promise<SlotSummary>;
  /** Adds a step to the live queue and tries it. Resolves with its index. */
  quick(step: StepPlan): Promise<number>;
  /** No more steps: the live queue is complete, its keys can be exported. Refused while a step is under way. */
  closeLive(): Promise<SlotSummary>;
  /** Edges after `after`, oldest first, as far as they are kept. */
  edges(slot: SlotId, after: number): Edge[];
  /** The host has them up to this one: they need not be kept. May be forgotten at a power cut. */
  acknowledge(slot: SlotId, seq: number): Promise<void>;
  /** Logged. Only for the host that sealed it, or one that the device's console enrolled. The caller overwrites it. */
  seed(slot: SlotId, host: HostIdentity): Promise<SlotSeed>;
  /** The keys of a complete slot have left the host. */
  exported(slot: SlotId, session: string): Promise<void>;
  /** A host is there (edges go to it), or none is (autonomous slots go on). */
  attach(host: HostIdentity, onEdge: (edge: Edge) => void): () => void;
  onStatus(listener: (status: DeviceStatus) => void): () => void;
  close(): Promise<void>;
}
