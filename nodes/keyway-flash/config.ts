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
  resetAfter: true,
  entry: 'auto',
  attempts: '7',
  attemptsType: 'num',
  whenBusy: 'queue',
  timeout: '600',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<FlashConfig>;
