import type { JobConfig } from '../shared/saved.ts';

export const operations = [
  'identify',
  'capabilities',
  'status',
  'led',
  'buzzer',
  'text',
  'output',
  'raw',
  'add',
  'remove',
] as const;

/** Colours of a LED, as the norm numbers them. */
export const colors = ['off', 'red', 'green', 'amber', 'blue', 'magenta', 'cyan', 'white'] as const;

/** What is done with an output. */
export const outputActions = ['on', 'off', 'pulse'] as const;

/** How a reader that is added is spoken to. */
export const addedSecurities = ['clear', 'default', 'handle'] as const;

export interface CommandConfig extends JobConfig {
  /** Id of a keyway-osdp-bus node. */
  bus: string;
  operation: string;
  operationType: string;
  address: string;
  addressType: string;
  /** Blank = the bus's own. */
  baudRate: string;
  baudRateType: string;
  color: string;
  colorType: string;
  /** led, buzzer, text, output: for how long, in seconds; 0 or blank = until told otherwise (buzzer: one second). */
  seconds: string;
  secondsType: string;
  /** led: five times in two seconds on and off. */
  blink: string;
  blinkType: string;
  /** Number of the LED or output, from 0. */
  number: string;
  numberType: string;
  text: string;
  textType: string;
  outputAction: string;
  outputActionType: string;
  /** raw: the command's code. */
  code: string;
  codeType: string;
  /** raw: its bytes. */
  data: string;
  dataType: string;
  security: string;
  securityType: string;
  /** add: where the handle of the key is. */
  key: string;
  keyType: string;
  whenBusy: 'queue' | 'refuse';
}

export const defaults = {
  name: '',
  bus: '',
  operation: 'identify',
  operationType: 'op',
  address: 'reader.address',
  addressType: 'msg',
  baudRate: 'reader.baudRate',
  baudRateType: 'msg',
  color: 'green',
  colorType: 'op',
  seconds: '5',
  secondsType: 'num',
  blink: 'true',
  blinkType: 'bool',
  number: '0',
  numberType: 'num',
  text: 'payload',
  textType: 'msg',
  outputAction: 'pulse',
  outputActionType: 'op',
  code: '0x64',
  codeType: 'str',
  data: '',
  dataType: 'str',
  security: 'clear',
  securityType: 'op',
  key: 'reader.key',
  keyType: 'msg',
  whenBusy: 'queue',
  timeout: '30',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<CommandConfig>;
