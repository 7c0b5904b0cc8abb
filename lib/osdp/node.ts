/** What of OSDP runs in Node only. */

export * from './provisioner/cli/index.ts';
export * from './provisioner/device/index.ts';
export type { DeviceStatus, HostIdentity, ProvisionerDevice } from './provisioner/device.ts';
export { provisionerErrors } from './provisioner/errors.ts';
export * from './provisioner/export/index.ts';
export * from './provisioner/host/index.ts';
export {
  type Cursor,
  formatProvisionerAddress,
  type LinkIdentity,
  makeLinkIdentity,
  openLinkIdentity,
  type Peer,
  PeerBook,
  type ProvisionerAddress,
  parseProvisionerAddress,
  provisionerLinkErrors,
} from './provisioner/link/index.ts';
