import type { Migration } from '../shared/migrate.ts';
import type { PortConfig } from '../shared/saved.ts';

export const operations = ['detect', 'read', 'erase', 'reset', 'nvs'] as const;

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
  /** NVS: label of its partition. */
  partition: string;
  partitionType: string;
  /** NVS that is encrypted: handle of its keys; blank = those in the chip's partition, where they can be read. */
  nvsKey: string;
  nvsKeyType: string;
  /** NVS: whether values are listed too. From there on they are in the message. */
  raw: boolean;
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
  partition: 'nvs',
  partitionType: 'str',
  nvsKey: 'device.nvsKey',
  nvsKeyType: 'msg',
  raw: false,
  baudRate: '460800',
  baudRateType: 'num',
  resetAfter: true,
  whenBusy: 'queue',
  timeout: '120',
  timeoutType: 'num',
  version: 2,
} satisfies Partial<ChipConfig>;

/** Version 1 knew no NVS: what is new is filled in with its defaults, which change nothing. */
export const migrations: readonly Migration[] = [(saved) => saved];
