import type { JobConfig } from '../shared/saved.ts';

export const operations = ['list', 'expiring', 'inspect'] as const;

export interface CertificateConfig extends JobConfig {
  /** Id of a keyway-registry node; inspect needs none. */
  registry: string;
  operation: string;
  operationType: string;
  /** Certificate namespace; blank = all. */
  namespace: string;
  namespaceType: string;
  /** list: those of one device; blank = all. */
  mac: string;
  macType: string;
  /** list: states with commas between; blank = all. */
  states: string;
  statesType: string;
  /** expiring: within so many days. */
  days: string;
  daysType: string;
  /** list, expiring: how many at most. */
  limit: string;
  limitType: string;
  /** list: `msg.next` of the list before. */
  after: string;
  afterType: string;
  /** inspect: PEM text, or DER in a Buffer. */
  pem: string;
  pemType: string;
}

export const defaults = {
  name: '',
  registry: '',
  operation: 'list',
  operationType: 'op',
  namespace: 'device.namespace',
  namespaceType: 'msg',
  mac: '',
  macType: 'str',
  states: '',
  statesType: 'str',
  days: '2',
  daysType: 'num',
  limit: '1000',
  limitType: 'num',
  after: 'next',
  afterType: 'msg',
  pem: 'payload',
  pemType: 'msg',
  timeout: '60',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<CertificateConfig>;
