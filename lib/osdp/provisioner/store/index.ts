export {
  DeviceLog,
  type DeviceLogLine,
  type DeviceLogOptions,
  HOST_EVENTS,
  type HostEvent,
  type SeedEvent,
} from './device-log.ts';
export { openFolder, type StoreFile, type StoreFolder } from './folder.ts';
export { type Entry, Journal, type Snapshot } from './journal.ts';
export type { LogProblem } from './log-chain.ts';
export { type LogVerdict, verifyDeviceLog } from './log-verify.ts';
export { openSeed, type SealedSeed, sealSeed } from './seal.ts';
export { Store, type StoredPlan, type StoreEvent } from './store.ts';
