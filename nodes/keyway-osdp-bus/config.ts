import type { BaseConfig } from '../shared/saved.ts';

/** single: one reader is on the wire, and may be asked at the configuration address. multi: several share it. */
export const modes = ['single', 'multi'] as const;
export const baudRates = [9600, 19200, 38400, 57600, 115200, 230400] as const;
/** How a reader is spoken to: see nodes/shared/osdp-keys.ts. */
export const securities = ['clear', 'default', 'environment', 'handle'] as const;

/** One reader that is polled. */
export interface ReaderRow {
  address: string;
  name: string;
  security: (typeof securities)[number];
  /** environment: the variable's name. handle: where the handle is in global context. Never the key itself. */
  key: string;
}

export interface BusConfig extends BaseConfig {
  /** Id of a keyway-port node. */
  port: string;
  baudRate: string;
  mode: (typeof modes)[number];
  readers: ReaderRow[];
  /** A reader is polled at most this often, in ms. */
  pollMs: string;
  /** Seconds of silence after which a reader is offline. */
  offline: string;
}

export const defaults = {
  name: '',
  port: '',
  baudRate: '9600',
  mode: 'multi',
  readers: [],
  pollMs: '50',
  offline: '8',
  version: 1,
} satisfies Partial<BusConfig>;
