import type { BaseConfig } from '../shared/saved.ts';

export interface EstConfig extends BaseConfig {
  /** Id of a keyway-authority node. */
  authority: string;
  /** Address that it listens on; blank = loopback. */
  host: string;
  port: string;
  /** Host names and addresses, with commas between, that its certificate holds beside the address it listens on. */
  names: string;
}

export const defaults = {
  name: '',
  authority: '',
  host: '127.0.0.1',
  port: '8443',
  names: '',
  version: 1,
} satisfies Partial<EstConfig>;
