import type { JobConfig } from '../shared/saved.ts';

export const qualities = ['0', '1', '2'] as const;

export interface EndpointOutConfig extends JobConfig {
  /** Id of a keyway-endpoint node. */
  endpoint: string;
  /** Certificate namespace of the device. */
  namespace: string;
  namespaceType: string;
  mac: string;
  macType: string;
  /** Without the prefix of the device. */
  topic: string;
  topicType: string;
  /** Text, bytes, or anything that JSON can hold. */
  message: string;
  messageType: string;
  /** 0, 1 or 2. */
  qos: string;
  qosType: string;
  /** Seconds after which it is no longer sent; blank = never. */
  expiry: string;
  expiryType: string;
}

export const defaults = {
  name: '',
  endpoint: '',
  namespace: 'device.namespace',
  namespaceType: 'msg',
  mac: 'device.mac',
  macType: 'msg',
  topic: 'command',
  topicType: 'str',
  message: 'payload',
  messageType: 'msg',
  qos: '1',
  qosType: 'op',
  expiry: '',
  expiryType: 'num',
  timeout: '30',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<EndpointOutConfig>;
