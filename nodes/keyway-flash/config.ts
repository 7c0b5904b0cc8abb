import type { Migration } from '../shared/migrate.ts';
import type { PortConfig } from '../shared/saved.ts';

/** How the chip gets into its loader: by the control lines, or it is there already. */
export const entries = ['auto', 'none'] as const;

export interface FlashConfig extends PortConfig {
  plan: string;
  planType: string;
  /** Rate of the work, in baud. */
  baudRate: string;
  baudRateType: string;
  /** The board that is expected, by its MAC; blank = any. */
  mac: string;
  macType: string;
  /** Codes of guards to be overridden, beside those of the plan. */
  force: string;
  forceType: string;
  /** Whether regions that are right already are left alone. */
  skip: boolean;
  /** Whether sectors that the chip is known to hold are left alone: known from what was flashed before. */
  cache: boolean;
  /** Whether a line that makes mistakes is slowed down. */
  stepDown: boolean;
  /** Seconds that a board which went is awaited; 0 = the job ends at once. */
  patience: string;
  patienceType: string;
  /** Bytes of flash, for a chip that cannot be asked; blank = it is asked. */
  flashSize: string;
  flashSizeType: string;
  /** Certificate namespace of the secrets in the plan. */
  namespace: string;
  namespaceType: string;
  resetAfter: boolean;
  entry: (typeof entries)[number];
  /** How often connecting is tried. */
  attempts: string;
  attemptsType: string;
}

export const defaults = {
  name: '',
  port: '',
  plan: 'plan',
  planType: 'msg',
  baudRate: '460800',
  baudRateType: 'num',
  mac: 'device.mac',
  macType: 'msg',
  force: '',
  forceType: 'str',
  skip: true,
  cache: true,
  stepDown: true,
  patience: '120',
  patienceType: 'num',
  flashSize: '',
  flashSizeType: 'str',
  namespace: 'device.namespace',
  namespaceType: 'msg',
  resetAfter: true,
  entry: 'auto',
  attempts: '7',
  attemptsType: 'num',
  whenBusy: 'queue',
  timeout: '600',
  timeoutType: 'num',
  version: 2,
} satisfies Partial<FlashConfig>;

/**
 * Version 1 wrote everything at one rate, kept no images and did not wait: a flow that catches PORT_GONE, or that
 * counts on every byte being written, goes on as it did.
 */
export const migrations: readonly Migration[] = [
  (saved) => ({
    ...saved,
    patience: saved.patience ?? '0',
    patienceType: saved.patienceType ?? 'num',
    skip: saved.skip ?? false,
    cache: saved.cache ?? false,
    stepDown: saved.stepDown ?? false,
  }),
];
