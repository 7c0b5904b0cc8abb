import type { BaseConfig } from '../shared/saved.ts';

export interface EndpointConfig extends BaseConfig {
  /** Id of a keyway-authority node: whose devices are let in, and who issues the certificate of the service. */
  authority: string;
  /** Address that it listens on; blank = loopback. */
  host: string;
  port: string;
  /** Host names and addresses beside the brokers of the namespaces, with commas between, that the certificate holds. */
  names: string;
  /** Seconds after which each session is judged again. */
  cadence: string;
  /** Cuts a session at its certificate's end; else it lives to its next disconnect. */
  cutAtExpiry: boolean;
  /** Cuts a session at once when its certificate is revoked; else when it is judged again. */
  cutNow: boolean;
  /** What topics of a device begin with; blank = {namespace}/{mac}/. */
  topicPrefix: string;
}

export const defaults = {
  name: '',
  authority: '',
  host: '127.0.0.1',
  port: '8883',
  names: '',
  cadence: '60',
  cutAtExpiry: true,
  cutNow: false,
  topicPrefix: '',
  version: 1,
} satisfies Partial<EndpointConfig>;
