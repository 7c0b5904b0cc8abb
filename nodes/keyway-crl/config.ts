import type { JobConfig } from '../shared/saved.ts';

/** current: the list as it is. renew: a new one now. file: keeps a file with it. root: the root signs its own anew. */
export const operations = ['current', 'renew', 'file', 'root'] as const;
export const formats = ['facts', 'pem', 'der'] as const;

export interface CrlConfig extends JobConfig {
  /** Id of a keyway-authority node. */
  authority: string;
  operation: string;
  operationType: string;
  /** Certificate namespace; several for a file, with commas between; blank = all of the authority. */
  namespace: string;
  namespaceType: string;
  /** current: what the payload becomes. */
  format: string;
  formatType: string;
  /** file: the path of a PEM file. */
  file: string;
  /** Sends a message for every new list besides. */
  events: boolean;
}

export const defaults = {
  name: '',
  authority: '',
  operation: 'current',
  operationType: 'op',
  namespace: 'device.namespace',
  namespaceType: 'msg',
  format: 'facts',
  formatType: 'op',
  file: '',
  events: false,
  timeout: '60',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<CrlConfig>;
