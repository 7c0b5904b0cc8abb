import type { JobConfig } from '../shared/saved.ts';

export const onlys = ['all', 'deployed'] as const;

export interface PortsConfig extends JobConfig {
  /** Every port of this machine, or those that a keyway port names. */
  only: (typeof onlys)[number];
  /** Whether plugging and unplugging is told. */
  watch: boolean;
  /** Text that must occur in name, address or what USB says. */
  match: string;
  matchType: string;
}

export const defaults = {
  name: '',
  only: 'all',
  watch: true,
  match: '',
  matchType: 'str',
  timeout: '',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<PortsConfig>;
