import type { BaseConfig } from '../shared/saved.ts';

export interface PoolConfig extends BaseConfig {
  /** Patterns of addresses, with commas between: "/dev/ttyUSB*, rfc2217://bench-2:*". */
  addresses: string;
  /** USB vendor and product ids, with commas between: "303a:1001, 10c4:*". */
  usb: string;
  /** Whether all virtual ports belong to it. */
  virtual: boolean;
  /** How many of its ports may be worked on at once; blank = any number. */
  atOnce: string;
  /** Rate of the chips' consoles, in baud. */
  baudRate: string;
}

export const defaults = {
  name: '',
  addresses: '',
  usb: '',
  virtual: false,
  atOnce: '',
  baudRate: '115200',
  version: 1,
} satisfies Partial<PoolConfig>;
