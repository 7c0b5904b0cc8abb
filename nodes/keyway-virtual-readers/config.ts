import type { BaseConfig } from '../shared/saved.ts';

/** auto: paced like a real line, unless the environment variable KEYWAY_LINE says free. */
export const lines = ['auto', 'paced', 'free'] as const;
export const baudRates = [9600, 19200, 38400, 57600, 115200, 230400] as const;

export interface VirtualReadersConfig extends BaseConfig {
  count: string;
  /** One a reader, with commas between; blank = 0, 1, 2 … */
  addresses: string;
  baudRate: string;
  /** One a reader, the last one for all that follow: "normal, no-crc+no-mark, keyed". Blank = normal. */
  personalities: string;
  line: (typeof lines)[number];
  /** They lie in their box until a readers bench node plugs them in. */
  boxed: boolean;
  /** Environment variable with the key of those that are keyed, as 32 hex digits; blank = a random one each. */
  keyVariable: string;
  /** How long a reader takes to reply, in ms. */
  replyMs: string;
  /** Loopback ports on which the bus is served besides; blank = not. */
  rfc2217Port: string;
  tcpPort: string;
  /** Path of a pseudo-terminal at which it is served besides; blank = not. */
  ptyPath: string;
}

export const defaults = {
  name: 'readers-1',
  count: '1',
  addresses: '',
  baudRate: '9600',
  personalities: '',
  line: 'auto',
  boxed: false,
  keyVariable: '',
  replyMs: '3',
  rfc2217Port: '',
  tcpPort: '',
  ptyPath: '',
  version: 1,
} satisfies Partial<VirtualReadersConfig>;
