import type { JobConfig } from '../shared/saved.ts';

/** What a hand does at a bench. */
export const actions = [
  'pull',
  'plug',
  'press-boot',
  'release-boot',
  'tap-en',
  'swap',
  'fault',
  'clear-faults',
] as const;

/** What can be made to go wrong; see lib/virtual for what each does. */
export const faults = ['drop', 'flip', 'stall', 'reset', 'pull', 'brownout'] as const;

export interface BenchConfig extends JobConfig {
  /** Id of a keyway-virtual-chip node; blank = the one that msg.device.port names. */
  chip: string;
  action: string;
  actionType: string;
  /** MAC of the board that is put in; blank = a new one. */
  newMac: string;
  newMacType: string;
  fault: string;
  faultType: string;
  /** How many bytes pass before the fault strikes. */
  at: string;
  atType: string;
}

export const defaults = {
  name: '',
  chip: '',
  action: 'pull',
  actionType: 'op',
  newMac: '',
  newMacType: 'str',
  fault: 'drop',
  faultType: 'op',
  at: '0',
  atType: 'num',
  timeout: '',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<BenchConfig>;
