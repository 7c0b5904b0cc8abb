export { formatAddress, isLoopback, type LinkAddress, parseAddress } from './address.ts';
export { type BorrowOptions, borrowSerialPort, type SerialPortConfig } from './borrow.ts';
export { listPorts, type PortEvent, type PortInfo, type WatchOptions, watchPorts } from './discovery.ts';
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
export { openLink } from './open.ts';
export { claimPort, holderOf, type Release } from './ownership.ts';
export * as rfc2217 from './rfc2217/codec.ts';
export { isSameDevice, type KnownDevice, type WaitOptions, waitForDevice } from './wait.ts';
