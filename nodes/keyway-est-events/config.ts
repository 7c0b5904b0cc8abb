import type { BaseConfig } from '../shared/saved.ts';

export interface EstEventsConfig extends BaseConfig {
  /** Id of a keyway-est node. */
  est: string;
  /** First certificates. */
  enrolled: boolean;
  /** Renewals. */
  renewed: boolean;
  /** Requests that are refused, and why. */
  refused: boolean;
  /** Certificate namespace; blank = all. */
  namespace: string;
}

export const defaults = {
  name: '',
  est: '',
  enrolled: true,
  renewed: true,
  refused: true,
  namespace: '',
  version: 1,
} satisfies Partial<EstEventsConfig>;
