import type { PortConfig } from '../shared/saved.ts';

export const operations = ['detect', 'read', 'erase', 'reset'] as const;

export interface ChipConfig extends PortConfig {
  /** One of the operations. */
  operation: string;
  operationType: string;
  /** Read or erase: the whole flash rather than a range. */
  whole: boolean;
  /** Bytes. */
  offset: string;
  offsetType: string;
  size: string;
  sizeType: string;
  /** Rate of the work, in baud. */
  baudRate: string;
  baudRateType: string;
  /** Whether the chip is started when the work is done. */
  resetAfter: boolean;
}

export const defaults = {
  name: '',
  port: '',
  operation: 'detect',
  operationType: 'op',
  whole: false,
  offset: '0x0',
  offsetType: 'str',
  size: '',
  sizeType: 'str',
  baudRate: '460800',
  baudRateType: 'num',
  resetAfter: true,
  whenBusy: 'queue',
  timeout: '120',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<ChipConfig>;
