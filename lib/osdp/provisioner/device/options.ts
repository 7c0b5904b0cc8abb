import type { Link } from '../../../link/index.ts';
import type { Keystore } from '../../../vault/index.ts';
import type { Clock } from '../../clock.ts';
import type { Panel, PanelOptions } from '../../panel/index.ts';
import type { HostIdentity } from '../device.ts';
import type { StepResult, StepRun } from '../engine/index.ts';
import { fail } from '../errors.ts';
import type { StoreFolder } from '../store/index.ts';
import type { ProvisionerMode, SlotId } from '../types.ts';

/** Makes one attempt at one step. */
export type StepRunner = (panel: Panel, run: StepRun) => Promise<StepResult>;

/** What a provisioner tells whoever runs it. Never a secret. */
export interface ProvisionerLogLine {
  /** audit: somebody used a right, or was refused one. */
  readonly level: 'info' | 'warning' | 'audit';
  readonly event:
    | 'opened'
    | 'tail-cut'
    | 'delete-finished'
    | 'log-damaged'
    | 'interrupted'
    | 'sealed'
    | 'attempt'
    | 'seed-read'
    | 'seed-denied'
    | 'removed'
    | 'exported'
    | 'store-failing'
    | 'store-good'
    | 'failure'
    | 'bus';
  readonly text: string;
  readonly slot?: SlotId;
  readonly session?: string;
  readonly host?: HostIdentity;
}

export interface ProvisionerOptions {
  /** The folder of the store: made (0700) where it is missing, and held alone. Tests give an open one. */
  readonly folder: string | StoreFolder;
  /** Seals the keys of the slots. Open for as long as the provisioner is; not closed with it. */
  readonly keystore: Keystore;
  /** Opens the port to the readers; called when an attempt needs it, and again after it was lost. */
  readonly openPort: () => Promise<Link>;
  /** Default both. */
  readonly modes?: readonly ProvisionerMode[];
  /** 1 … 64, default 8. A slot beyond it that holds a plan is kept. */
  readonly slots?: number;
  /** 1 … 64 characters; default "provisioner". */
  readonly name?: string;
  /** Of the package; default "0". */
  readonly version?: string;
  /** Of the panel on the bus. */
  readonly panel?: Omit<PanelOptions, 'clock'>;
  /** Default: the engine's `runStep`. */
  readonly run?: StepRunner;
  /** Whether a host that did not seal a plan may have its seed: it was enrolled at the device's console. Default no. */
  readonly isEnrolled?: (host: HostIdentity) => boolean;
  /** Default: the computer's time. */
  readonly clock?: Clock;
  /** Milliseconds since 1970. Default Date.now. */
  readonly wall?: () => number;
  /** A journal that is longer, and mostly holds what nobody needs any more, is written anew. Default 512 KiB. */
  readonly rewriteBytes?: number;
  readonly log?: (line: ProvisionerLogLine) => void;
}

export const REWRITE_BYTES = 512 * 1024;

/** The most slots that a provisioner may have. */
export const SLOTS_MOST = 64;

/** @throws BAD_PROVISIONER_OPTION */
export function checkOptions({ slots = 8, name = 'provisioner', modes = ['live'] }: ProvisionerOptions): void {
  const bad = (field: string, value: unknown, hint: string): Error =>
    fail('BAD_PROVISIONER_OPTION', `${field} of the provisioner cannot be ${String(value)}.`, {
      hint,
      detail: { field, value },
    });
  if (!Number.isInteger(slots) || slots < 1 || slots > SLOTS_MOST) throw bad('slots', slots, `1 to ${SLOTS_MOST}.`);
  if (name.length < 1 || name.length > 64) throw bad('name', name, 'It has 1 to 64 characters.');
  if (modes.length === 0 || modes.some((mode) => mode !== 'live' && mode !== 'offline')) {
    throw bad('modes', modes.join(','), 'Give live, offline, or both.');
  }
}
