import type { JobConfig } from '../shared/saved.ts';

/** Least important level that is let through; lines without a level always are. */
export const levels = ['E', 'W', 'I', 'D', 'V'] as const;
export const listens = ['deploy', 'message'] as const;

export interface ConsoleConfig extends JobConfig {
  port: string;
  level: (typeof levels)[number];
  /** From deploy on, or from the first message on. */
  listen: (typeof listens)[number];
  /** Blank = the port's own. */
  baudRate: string;
  baudRateType: string;
  /** Whether a message's text payload is sent to the chip. */
  send: boolean;
}

export const defaults = {
  name: '',
  port: '',
  level: 'V',
  listen: 'deploy',
  baudRate: '',
  baudRateType: 'num',
  send: false,
  timeout: '',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<ConsoleConfig>;
