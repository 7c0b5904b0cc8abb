/**
 * What a provisioner, its hosts and the nodes speak of. Everything here but `SlotSeed` may be shown to anybody: no key, no
 * seed. Times are milliseconds since 1970.
 */

/** Which ways of working a provisioner offers. */
export type ProvisionerMode = 'live' | 'offline';

/** Where a slot stands. A create that is cut short goes back to empty. */
export type SlotState = 'empty' | 'staging' | 'ready' | 'complete';

/** success and skipped are final; failure is not: only a person's word tries again. */
export type StepState = 'pending' | 'attempting' | 'success' | 'failure' | 'skipped';

/** The milestones of a step, in their order. */
export const STAGES = Object.freeze([
  'locate',
  'comset',
  'confirm',
  'challenge',
  'keyset',
  'lock-check',
  'verify',
  'auto-verify',
  'done',
] as const);
export type Stage = (typeof STAGES)[number];

/** in-flight: being done now; reached: it is done; stalled: it ended there. */
export type StageState = 'in-flight' | 'reached' | 'stalled';

/** How an attempt ended. */
export const OUTCOMES = Object.freeze([
  'ok',
  'no_response',
  'wrong_address',
  'scbk_rejected',
  'baud_mismatch',
  'keyset_failed',
  'user_skipped',
  // The rest is said as the device says it.
  'install_mode_open',
  'sc_verify_failed',
  'sc_unsupported',
  'sc_error',
  'capability_mismatch',
  'verify_mismatch',
  'wrong_serial',
  'comset_refused',
  'bus_collision',
  'busy_exhausted',
  'port_error',
  'step_timeout',
  'cancelled',
  'interrupted',
] as const);
export type Outcome = (typeof OUTCOMES)[number];

export type StepVerb = 'try' | 'retry' | 'skip' | 'reset';

/** The live queue has no number; slots count from 1. */
export type SlotId = number | 'live';

/** One reader that is to be commissioned. */
export interface StepPlan {
  /** The address it is to get, 0 … 126. */
  readonly address: number;
  /** The rate it is to get, one of BAUD_RATES. */
  readonly baudRate: number;
  /** The serial number that it must have (PDID, 8 upper-case hex digits); else any reader will do. */
  readonly serial?: string;
}

/** How the steps of a slot or of the live queue are done; sealed with them. */
export interface PlanTerms {
  /** 1 … 64 characters. */
  readonly name: string;
  /**
   * single: one reader on the wires at a time, so that it may be looked for at 0x7F and at every rate. multi: others
   * hang on the same wires; a new reader is expected at the factory's address and rate, or at its own already.
   */
  readonly bus: 'single' | 'multi';
  /** Where a new reader is. Default: address 0 at 9600 baud. */
  readonly factory: { readonly address: number; readonly baudRate: number };
  /** Words of EXPECTED_CAPABILITIES; empty = nothing is checked. */
  readonly capabilities: readonly string[];
  /** The longest an attempt may take, ms; 0 = the device's own (30 s). */
  readonly timeoutMs: number;
  /** Ask the reader once more under its new key: address, rate, identity, capabilities. */
  readonly autoVerify: boolean;
  /** Go on through pending steps while no host is attached. */
  readonly autonomous: boolean;
  /** For how long after sealing it may go on by itself, hours; 8 by default. */
  readonly armingHours: number;
}

/** What was counted and seen in an attempt. For people; its fields may grow. */
export interface StepDetail {
  /** One sentence: what happened, where, and what was applied. */
  readonly text: string;
  /** Whether address and rate are the new ones; null: nobody knows. */
  readonly comsetApplied?: boolean | null;
  /** Whether the reader holds the derived key; null: nobody knows. */
  readonly keyed?: boolean | null;
  /** It held the derived key from an earlier attempt: it was not keyed again. */
  readonly keyedBefore?: boolean;
  /** Where it was found. */
  readonly foundAt?: { readonly address: number; readonly baudRate: number };
  /** Where it said that it is, or answers now, when that is not where it should be. */
  readonly nowAt?: { readonly address: number; readonly baudRate: number };
  /** The reader's own refusal. */
  readonly nak?: { readonly code: number; readonly text: string };
  readonly frames?: number;
  readonly resends?: number;
  readonly busies?: number;
  readonly garbageBytes?: number;
  /** Capabilities that were expected and are not there. */
  readonly missing?: readonly string[];
}

/** What a reader said of itself (PDID). */
export interface ReaderIdentity {
  /** Six upper-case hex digits. */
  readonly vendor: string;
  readonly model: number;
  readonly version: number;
  /** Eight upper-case hex digits. */
  readonly serial: string;
  /** "1.0.3" */
  readonly firmware: string;
}

/** Where a step stands. */
export interface StepStatus extends StepPlan {
  /** From 0, in the order of the plan. */
  readonly index: number;
  readonly state: StepState;
  /** A try or retry was accepted and waits for the bus; until it begins, the state is what it was. */
  readonly queued?: true;
  readonly attempts: number;
  readonly stage: Stage | null;
  readonly stageState: StageState | null;
  readonly outcome: Outcome | null;
  readonly detail: StepDetail | null;
  readonly identity: ReaderIdentity | null;
  /** Which version of the derived key it holds; null: it holds none. */
  readonly keyVersion: number | null;
  /** When it changed last. */
  readonly at: number;
}

/** One progress event of a step. */
export interface Edge {
  readonly slot: SlotId;
  /** Session id, 32 lower-case hex digits. */
  readonly session: string;
  /** Grows within a session, never repeats; may leap after the device lost its power. */
  readonly seq: number;
  /** What the step was after it. */
  readonly step: StepStatus;
  /** What brought it about: a verb, the device by itself, or the attempt going on. */
  readonly cause: StepVerb | 'quick' | 'autonomous' | 'attempt' | 'cancel' | 'power';
  /** Counters and state of the slot after it. */
  readonly summary: SlotCounts;
}

export interface SlotCounts {
  readonly state: SlotState;
  readonly total: number;
  readonly provisioned: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A slot, in one line. */
export interface SlotSummary extends SlotCounts {
  readonly slot: SlotId;
  /** Empty slots have none. */
  readonly name: string | null;
  readonly session: string | null;
  readonly createdAt: number | null;
  /** Until when it goes on by itself. */
  readonly armedUntil: number | null;
  /** Its keys have been exported since the last reader was keyed. */
  readonly exported: boolean;
  /** The newest edge. */
  readonly seq: number;
}

/** A slot with everything that may be shown of it. */
export interface SlotPicture {
  readonly summary: SlotSummary;
  readonly terms: PlanTerms | null;
  readonly steps: readonly StepStatus[];
}

/** What derives the keys of a slot. The only secret; who holds it overwrites it. */
export interface SlotSeed {
  readonly slot: SlotId;
  /** 16 bytes. */
  readonly seed: Uint8Array;
  /** 32 lower-case hex digits. */
  readonly session: string;
  /** Always `KDF` so far. */
  readonly kdf: string;
}

/** The most a slot holds. */
export const STEPS_MOST = 126;
