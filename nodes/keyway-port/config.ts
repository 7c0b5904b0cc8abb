import type { BaseConfig } from '../shared/saved.ts';

/** Where a port is reached: an address, a virtual chip of this flow, or a serial-port node to borrow from. */
export const kinds = ['address', 'virtual', 'serial-port'] as const;

export interface PortNodeConfig extends BaseConfig {
  kind: (typeof kinds)[number];
  /** Device path, rfc2217://host:port, tcp://host:port or virtual:name. */
  address: string;
  /** Id of a keyway-virtual-chip node. */
  chip: string;
  /** Id of a serial-port node of node-red-node-serialport. */
  serial: string;
  /** Rate of the chip's console, in baud. */
  baudRate: string;
}

export const defaults = {
  name: '',
  kind: 'address',
  address: '',
  chip: '',
  serial: '',
  baudRate: '115200',
  version: 1,
} satisfies Partial<PortNodeConfig>;
