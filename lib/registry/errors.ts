import { errorMaker } from '../errors/index.ts';

/** What can go wrong with the registry. */
export const registryErrors = {
  SQLITE_MISSING: 'this Node has no node:sqlite: the embedded store needs Node 22.13 or newer',
  REGISTRY_LOCKED: 'another process, or another config node of this one, has the registry open',
  REGISTRY_BUSY: 'somebody else holds a lock in the database file for too long',
  REGISTRY_READ_ONLY: 'the registry’s files may not be written',
  REGISTRY_FULL: 'the disk, or the limit set for the registry, is full; nothing of the request was kept',
  REGISTRY_IO: 'the disk failed while the registry read or wrote',
  REGISTRY_PATH: 'the registry’s file cannot be opened or made at this path',
  REGISTRY_DAMAGED: 'the file is no registry, or is damaged',
  REGISTRY_TOO_NEW: 'the registry was written by a newer version of this package',
  REGISTRY_CLOSED: 'the registry was closed',
  REGISTRY_FAILED: 'the registry’s thread met an error that it does not know',
  BAD_BACKUP: 'the backup cannot be written or read, or is none of this registry',
  BAD_DEVICE: 'a field of the device is out of its range',
  DEVICE_EXISTS: 'another device of the namespace has that id, MAC, name or serial number',
  DEVICE_UNKNOWN: 'no such device',
  DEVICE_STATE: 'the device may not go from the state it is in to that one, or is in another one than was expected',
  DEVICE_IN_USE: 'only a device that is registered or retired can be removed',
  BAD_CERTIFICATE: 'a field of the certificate’s record is out of its range',
  DEVICE_HAS_LIVE: 'the device holds a live certificate, and replacing it was not asked for',
  SERIAL_TAKEN: 'another certificate has that serial number',
  CERTIFICATE_UNKNOWN: 'no certificate has that serial number',
  CERTIFICATE_STATE: 'the certificate is revoked or superseded and cannot come to life again',
  BAD_NAMESPACE: 'the certificate namespace’s name or settings are out of their range',
  NAMESPACE_UNKNOWN: 'no certificate namespace has that name',
  BAD_PROFILE: 'the device profile’s name or settings are out of their range',
  PROFILE_UNKNOWN: 'no device profile of the namespace has that name',
  BAD_TOKEN: 'a field of a token, a key, a ticket or a credential is out of its range',
  TOKEN_TAKEN: 'that token, code or ticket is there already',
  TOKEN_UNKNOWN: 'no such token',
  CREDENTIAL_UNKNOWN: 'no such credential',
  BAD_CODE: 'a field of the one-time code is out of its range',
  CODE_UNKNOWN: 'no such one-time code, or it is bound to another device',
  CODE_SPENT: 'the one-time code was used already',
  CODE_EXPIRED: 'the time of the one-time code is over',
  CODE_VOID: 'the one-time code was withdrawn',
  CLOCK_BEHIND: 'the clock is behind the newest record of the registry',
  BAD_AUDIT: 'a field of the audit entry is out of its range',
  BAD_PAGE: 'the filter, the page size or the cursor of a list is out of its range',
  BAD_IMPORT: 'the file to import cannot be read as CSV or as a JSON array of devices',
  IMPORT_REFUSED: 'lines of the import are wrong; nothing was imported',
} as const;

export type RegistryCode = keyof typeof registryErrors;

export const fail = errorMaker(registryErrors);
