export { formatAddress, isLoopback, type LinkAddress, parseAddress } from './address.ts';
export { linkErrors } from './errors.ts';
export type { ControlLines, Link, LinkInfo, LinkKind, OpenOptions, UsbIdentity } from './link.ts';
export {
  createMemoryPair,
  type DeviceEnd,
  findMemoryPort,
  listMemoryPorts,
  type MemoryPort,
  plugMemoryPort,
  watchMemoryPorts,
} from './memory.ts';
