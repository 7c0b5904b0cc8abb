import type { Migration } from '../shared/migrate.ts';
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
  'burn-hmac-key',
] as const;

/** What can be made to go wrong; see lib/virtual for what each does. */
export const faults = ['drop', 'flip', 'noise', 'stall', 'reset', 'pull', 'brownout'] as const;

/** What kind of board is put in: one like the board that is taken out, or another chip. */
export const newModels = ['same', 'esp32', 'esp32s3', 'esp32c3'] as const;

export interface BenchConfig extends JobConfig {
  /** Id of a keyway-virtual-chip node; blank = the one that msg.device.port names. */
  chip: string;
  action: string;
  actionType: string;
  /** MAC of the board that is put in; blank = a new one. One that was taken out before comes back as it was. */
  newMac: string;
  newMacType: string;
  newModel: string;
  newModelType: string;
  fault: string;
  faultType: string;
  /** Handle of the 32 bytes that are burnt. */
  key: string;
  keyType: string;
  /** How many bytes pass before the fault strikes. */
  at: string;
  atType: string;
  /** noise: the line carries this rate, in baud, and lower ones, without. */
  aboveBaud: string;
  aboveBaudType: string;
}

export const defaults = {
  name: '',
  chip: '',
  action: 'pull',
  actionType: 'op',
  newMac: '',
  newMacType: 'str',
  newModel: 'same',
  newModelType: 'op',
  key: 'device.nvsKey',
  keyType: 'msg',
  fault: 'drop',
  faultType: 'op',
  at: '0',
  atType: 'num',
  aboveBaud: '230400',
  aboveBaudType: 'num',
  timeout: '',
  timeoutType: 'num',
  version: 2,
} satisfies Partial<BenchConfig>;

/** Version 1 swapped boards of one kind alone: the default does the same. */
export const migrations: readonly Migration[] = [(saved) => saved];
