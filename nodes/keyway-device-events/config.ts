import type { BaseConfig } from '../shared/saved.ts';

/** Which events come out. */
export const kinds = ['all', 'state', 'device', 'certificate', 'token'] as const;

export interface DeviceEventsConfig extends BaseConfig {
  /** Id of a keyway-registry node. */
  registry: string;
  kind: (typeof kinds)[number];
  /** Certificate namespace; blank = all. */
  namespace: string;
}

export const defaults = {
  name: '',
  registry: '',
  kind: 'all',
  namespace: '',
  version: 1,
} satisfies Partial<DeviceEventsConfig>;
