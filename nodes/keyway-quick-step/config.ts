import type { JobConfig } from '../shared/saved.ts';

export const operations = ['step', 'begin', 'close'] as const;
export const buses = ['multi', 'single'] as const;
export const baudRates = [9600, 19200, 38400, 57600, 115200, 230400] as const;

export interface QuickStepConfig extends JobConfig {
  /** Id of a keyway-provisioner node. */
  provisioner: string;
  operation: string;
  operationType: string;
  /** The address that the reader gets. */
  address: string;
  addressType: string;
  /** The rate that it gets; blank = 9600. */
  baudRate: string;
  baudRateType: string;
  /** The serial number that it must have; blank = any. */
  serial: string;
  serialType: string;
  /** Of a queue that is begun. */
  queueName: string;
  queueNameType: string;
  bus: string;
  busType: string;
  capabilities: string;
  capabilitiesType: string;
  /** Seconds an attempt; 0 = what the provisioner uses by itself. */
  attempt: string;
  attemptType: string;
  autoVerify: string;
  autoVerifyType: string;
  factoryAddress: string;
  factoryAddressType: string;
  factoryBaudRate: string;
  factoryBaudRateType: string;
  whenBusy: 'queue' | 'refuse';
}

export const defaults = {
  name: '',
  provisioner: '',
  operation: 'step',
  operationType: 'op',
  address: 'step.address',
  addressType: 'msg',
  baudRate: 'step.baudRate',
  baudRateType: 'msg',
  serial: '',
  serialType: 'str',
  queueName: 'live',
  queueNameType: 'str',
  bus: 'multi',
  busType: 'op',
  capabilities: '',
  capabilitiesType: 'str',
  attempt: '0',
  attemptType: 'num',
  autoVerify: 'true',
  autoVerifyType: 'bool',
  factoryAddress: '0',
  factoryAddressType: 'num',
  factoryBaudRate: '9600',
  factoryBaudRateType: 'op',
  whenBusy: 'queue',
  timeout: '',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<QuickStepConfig>;
