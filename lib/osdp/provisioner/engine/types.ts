import type { Clock } from '../../clock.ts';
import type { Place } from '../../panel/comset.ts';
import type { Outcome, PlanTerms, ReaderIdentity, Stage, StageState, StepDetail, StepPlan } from '../types.ts';

/** One attempt at one step. */
export interface StepRun {
  readonly plan: StepPlan;
  readonly terms: PlanTerms;
  /** The reader's derived key of a version: 16 bytes of its own that the engine overwrites. */
  readonly key: (version: number) => Uint8Array;
  /** The version that the reader is to get. */
  readonly keyVersion: number;
  /**
   * Versions that earlier attempts may have left on the reader, newest first. A reader that holds one of them, or
   * `keyVersion`, is not keyed again.
   */
  readonly earlierVersions: readonly number[];
  /** An attempt was made before: the reader may sit at its own place already, and is looked for there first. */
  readonly again?: boolean;
  /**
   * Stay in locate until a reader answers at the factory's place or at the step's own. No attempt is counted, nothing
   * but `signal` and the loss of the port ends it, and the time of the attempt begins after `onFound`.
   */
  readonly waitForReader: boolean;
  /**
   * Readers that are passed over while waiting: they have failed in a step before and hang on the wires still. Not the
   * one whose serial number the step asks for.
   */
  readonly passOver?: readonly ReaderIdentity[];
  /**
   * A reader that did not say who it is has failed in a step before: one that does not say it either is passed over
   * until nobody has answered at its place for some seconds.
   */
  readonly passOverUnknown?: boolean;
  /** Awaited just before KEYSET leaves: the intent is durable. What it rejects with goes to the caller of `runStep`. */
  readonly beforeKeyset: () => Promise<void>;
  /** Called at every change, also with the same stage again and a new text while a reader is waited for. */
  readonly onStage: (stage: Stage, state: StageState, detail?: Partial<StepDetail>) => void;
  /** Awaited when the reader that was waited for has answered. What it rejects with goes to the caller of `runStep`. */
  readonly onFound?: () => Promise<void>;
  /** Cancels: the exchange under way is waited for, and once KEYSET has left it is found out what the reader holds. */
  readonly signal: AbortSignal;
  /** Default: the panel's. */
  readonly clock?: Clock;
}

/** How an attempt ended, and what is known of the reader. */
export interface StepResult {
  readonly outcome: Outcome;
  readonly stage: Stage;
  readonly stageState: StageState;
  readonly detail: StepDetail;
  readonly identity: ReaderIdentity | null;
  /** The version of the derived key that the reader has proved to hold in this attempt. */
  readonly keyVersion: number | null;
  /** The version that it may hold: KEYSET left, and nobody knows whether it was taken. */
  readonly maybeKeyed: number | null;
  /** Where the reader in hand is, as far as is known: for a `ReaderKeeper`. */
  readonly place: Place | null;
  /** Whether the attempt began; false: it ended while a reader was waited for. */
  readonly attempted: boolean;
}
