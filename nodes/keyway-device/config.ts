import type { JobConfig } from '../shared/saved.ts';

export const operations = [
  'add',
  'get',
  'list',
  'update',
  'import',
  'retire',
  'restore',
  'online',
  'offline',
  'history',
] as const;

export interface DeviceConfig extends JobConfig {
  /** Id of a keyway-registry node. */
  registry: string;
  operation: string;
  operationType: string;
  /** Certificate namespace; blank lists those of all. */
  namespace: string;
  namespaceType: string;
  /** A device is found by its MAC, else by its serial number, else by its name. */
  mac: string;
  macType: string;
  serial: string;
  serialType: string;
  deviceName: string;
  deviceNameType: string;
  /** add, update, list: name of a device profile. */
  profile: string;
  profileType: string;
  /** add, update: words; list: the one that devices must have. */
  labels: string;
  labelsType: string;
  /** add, update: an object. */
  attributes: string;
  attributesType: string;
  /** list: states with commas between; blank = all. */
  states: string;
  statesType: string;
  /** list: a part of name, MAC or serial number. */
  search: string;
  searchType: string;
  /** list, history: how many at most. */
  limit: string;
  limitType: string;
  /** list: `msg.next` of the list before. */
  after: string;
  afterType: string;
  /** import: CSV or JSON text, or an array. */
  source: string;
  sourceType: string;
  /** import: checks everything and writes nothing. */
  dryRun: string;
  dryRunType: string;
  /** import: wrong lines are left out; else one wrong line refuses all. */
  skipBad: boolean;
  /** retire, restore, online, offline, add: why. */
  reason: string;
  reasonType: string;
}

export const defaults = {
  name: '',
  registry: '',
  operation: 'get',
  operationType: 'op',
  namespace: 'device.namespace',
  namespaceType: 'msg',
  mac: 'device.mac',
  macType: 'msg',
  serial: 'device.serial',
  serialType: 'msg',
  deviceName: 'device.name',
  deviceNameType: 'msg',
  profile: 'device.profile',
  profileType: 'msg',
  labels: 'device.labels',
  labelsType: 'msg',
  attributes: 'device.attributes',
  attributesType: 'msg',
  states: '',
  statesType: 'str',
  search: '',
  searchType: 'str',
  limit: '1000',
  limitType: 'num',
  after: 'next',
  afterType: 'msg',
  source: 'payload',
  sourceType: 'msg',
  dryRun: 'false',
  dryRunType: 'bool',
  skipBad: false,
  reason: '',
  reasonType: 'str',
  timeout: '60',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<DeviceConfig>;
