import type { Migration } from '../shared/migrate.ts';
import type { JobConfig } from '../shared/saved.ts';

export const onlys = ['all', 'deployed', 'pool'] as const;

export interface PortsConfig extends JobConfig {
  /** Every port of this machine, those that a keyway port names, or those of a pool. */
  only: (typeof onlys)[number];
  /** Id of a keyway-port-pool node. */
  pool: string;
  /** Whether plugging and unplugging is told. */
  watch: boolean;
  /** Text that must occur in name, address or what USB says. */
  match: string;
  matchType: string;
}

export const defaults = {
  name: '',
  only: 'all',
  pool: '',
  watch: true,
  match: '',
  matchType: 'str',
  timeout: '',
  timeoutType: 'num',
  version: 2,
} satisfies Partial<PortsConfig>;

/** Version 1 knew no pools: what is new is filled in with its defaults, which change nothing. */
export const migrations: readonly Migration[] = [(saved) => saved];
