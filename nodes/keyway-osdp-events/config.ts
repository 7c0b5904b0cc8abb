import type { BaseConfig } from '../shared/saved.ts';

/** Which events come out. state: online, offline, insecure, foreign. input: card, keypad. tamper: housing, power. */
export const kinds = ['all', 'input', 'card', 'keypad', 'state', 'tamper'] as const;

export interface EventsConfig extends BaseConfig {
  /** Id of a keyway-osdp-bus node. */
  bus: string;
  kind: (typeof kinds)[number];
  /** Addresses of the readers that are listened to, with commas between; blank = all. */
  addresses: string;
}

export const defaults = {
  name: '',
  bus: '',
  kind: 'all',
  addresses: '',
  version: 1,
} satisfies Partial<EventsConfig>;
