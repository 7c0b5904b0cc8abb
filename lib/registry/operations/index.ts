import type { Scope, Work } from '../work.ts';
import * as audit from './audit.ts';
import * as certificates from './certificates.ts';
import * as devices from './devices.ts';
import * as secrets from './secrets.ts';
import * as settings from './settings.ts';

/** Operations that only look. */
export const READS = {
  findDevice: devices.findDevice,
  devices: devices.devices,
  countDevices: devices.countDevices,
  certificate: certificates.certificate,
  certificatesOf: certificates.certificatesOf,
  certificates: certificates.certificates,
  revokedSince: certificates.revokedSince,
  revokedList: certificates.revokedList,
  token: secrets.token,
  tokens: secrets.tokens,
  credential: secrets.credential,
  credentials: secrets.credentials,
  codes: secrets.codes,
  namespace: settings.namespace,
  namespaces: settings.namespaces,
  profile: settings.profile,
  profiles: settings.profiles,
  keyRecord: settings.keyRecord,
  keyNames: settings.keyNames,
  newestTime: audit.newestTime,
  auditLog: audit.auditLog,
  auditChain: audit.auditChain,
} as const;

/** Operations that change something: each within a transaction, durable when it is answered. */
export const WRITES = {
  addDevice: devices.addDevice,
  importDevices: devices.importDevices,
  updateDevice: devices.updateDevice,
  setDeviceState: devices.setDeviceState,
  removeDevice: devices.removeDevice,
  addCertificate: certificates.addCertificate,
  markLive: certificates.markLive,
  revoke: certificates.revoke,
  revokeDevice: certificates.revokeDevice,
  nextCrlNumber: certificates.nextCrlNumber,
  addToken: secrets.addToken,
  revokeToken: secrets.revokeToken,
  putCredential: secrets.putCredential,
  rewrapCredential: secrets.rewrapCredential,
  removeCredential: secrets.removeCredential,
  addCode: secrets.addCode,
  redeemCode: secrets.redeemCode,
  voidCode: secrets.voidCode,
  putTicket: secrets.putTicket,
  redeemTicket: secrets.redeemTicket,
  putNamespace: settings.putNamespace,
  putProfile: settings.putProfile,
  putKeyRecord: settings.putKeyRecord,
  audit: audit.audit,
  acceptClock: audit.acceptClock,
} as const;

export const OPERATIONS = { ...READS, ...WRITES };

export type OperationName = keyof typeof OPERATIONS;

/** What an operation is asked with, and answers. */
export type Argument<N extends OperationName> = Parameters<(typeof OPERATIONS)[N]>[1];
export type Answer<N extends OperationName> = ReturnType<(typeof OPERATIONS)[N]> extends Work<infer T> ? T : never;

/** An operation whose name came as a text. */
export function operationOf(name: OperationName): (scope: Scope, argument: unknown) => Work<unknown> {
  return OPERATIONS[name] as (scope: Scope, argument: unknown) => Work<unknown>;
}
