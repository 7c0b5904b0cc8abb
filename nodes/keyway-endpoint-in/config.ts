import type { BaseConfig } from '../shared/saved.ts';

/** auto: JSON where it is an object or a list, else text, else bytes. */
export const formats = ['auto', 'text', 'json', 'buffer'] as const;

export interface EndpointInConfig extends BaseConfig {
  /** Id of a keyway-endpoint node. */
  endpoint: string;
  /** What devices publish. */
  messages: boolean;
  /** Devices that come and go. */
  presence: boolean;
  /** Connections and packets that are refused. */
  refused: boolean;
  /** Sessions that are ended because a certificate no longer holds. */
  cuts: boolean;
  /** MQTT filter of the topics, without the prefix of the device; blank = all. */
  filter: string;
  /** Certificate namespace; blank = all. */
  namespace: string;
  /** What a payload becomes. */
  format: (typeof formats)[number];
}

export const defaults = {
  name: '',
  endpoint: '',
  messages: true,
  presence: true,
  refused: false,
  cuts: false,
  filter: '',
  namespace: '',
  format: 'auto',
  version: 1,
} satisfies Partial<EndpointInConfig>;
