import type { JobConfig } from '../shared/saved.ts';

/** What a hand does at readers. */
export const actions = [
  'card',
  'keys',
  'open',
  'shut',
  'power',
  'unplug',
  'plug',
  'next',
  'swap',
  'reset',
  'busy',
  'lose',
  'damage',
  'pull-adapter',
  'plug-adapter',
] as const;

export const directions = ['command', 'reply'] as const;

export interface ReadersBenchConfig extends JobConfig {
  /** Id of a keyway-virtual-readers node. */
  readers: string;
  action: string;
  actionType: string;
  /** Address of the reader; blank = the only one. */
  address: string;
  addressType: string;
  /** card: "17:4711" is a card of 26 bits with facility and number; otherwise hex digits. */
  card: string;
  cardType: string;
  /** card: how many bits of the hex digits count; blank = all. */
  bits: string;
  bitsType: string;
  keys: string;
  keysType: string;
  /** busy, lose, damage: how often. */
  times: string;
  timesType: string;
  /** lose, damage: which way. */
  direction: string;
  directionType: string;
}

export const defaults = {
  name: '',
  readers: '',
  action: 'card',
  actionType: 'op',
  address: 'reader.address',
  addressType: 'msg',
  card: '17:4711',
  cardType: 'str',
  bits: '',
  bitsType: 'num',
  keys: '1234#',
  keysType: 'str',
  times: '1',
  timesType: 'num',
  direction: 'reply',
  directionType: 'op',
  timeout: '',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<ReadersBenchConfig>;
