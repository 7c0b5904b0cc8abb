import type { JobConfig } from '../shared/saved.ts';

/** Where the profile comes from: the fields of the dialog, or JSON as docs/provisioning-profile.md says it. */
export const sources = ['fields', 'json'] as const;
export const strategies = ['sequential', 'random', 'manual'] as const;
export const buses = ['multi', 'single'] as const;
export const baudRates = [9600, 19200, 38400, 57600, 115200, 230400] as const;

/** What a provisioning profile says; all but `source` are typed inputs. */
export interface ProvisioningPlanConfig extends JobConfig {
  source: (typeof sources)[number];
  json: string;
  jsonType: string;
  profileName: string;
  profileNameType: string;
  count: string;
  countType: string;
  strategy: string;
  strategyType: string;
  startAddress: string;
  startAddressType: string;
  /** manual: with commas between. */
  addresses: string;
  addressesType: string;
  baudRate: string;
  baudRateType: string;
  /** With commas between; blank = nothing is checked. */
  capabilities: string;
  capabilitiesType: string;
  /** Seconds an attempt; 0 = what the provisioner uses by itself. */
  attempt: string;
  attemptType: string;
  autoVerify: string;
  autoVerifyType: string;
  autonomous: string;
  autonomousType: string;
  armingHours: string;
  armingHoursType: string;
  bus: string;
  busType: string;
  factoryAddress: string;
  factoryAddressType: string;
  factoryBaudRate: string;
  factoryBaudRateType: string;
  /** One a reader, with commas between; blank = any reader. */
  serials: string;
  serialsType: string;
}

export const defaults = {
  name: '',
  source: 'fields',
  json: 'payload',
  jsonType: 'msg',
  profileName: 'readers',
  profileNameType: 'str',
  count: '4',
  countType: 'num',
  strategy: 'sequential',
  strategyType: 'op',
  startAddress: '1',
  startAddressType: 'num',
  addresses: '',
  addressesType: 'str',
  baudRate: '9600',
  baudRateType: 'op',
  capabilities: '',
  capabilitiesType: 'str',
  attempt: '0',
  attemptType: 'num',
  autoVerify: 'true',
  autoVerifyType: 'bool',
  autonomous: 'false',
  autonomousType: 'bool',
  armingHours: '8',
  armingHoursType: 'num',
  bus: 'multi',
  busType: 'op',
  factoryAddress: '0',
  factoryAddressType: 'num',
  factoryBaudRate: '9600',
  factoryBaudRateType: 'op',
  serials: '',
  serialsType: 'str',
  timeout: '',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<ProvisioningPlanConfig>;
