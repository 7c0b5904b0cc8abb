import { errorMaker } from '../../lib/errors/index.ts';

/** What can go wrong in nodes that deal with identities, beside what the registry and the authority report. */
export const identityNodeErrors = {
  REGISTRY_WORKING: 'a rotation, a backup or a restore of the registry is under way',
  NOT_CONFIRMED: 'what was typed is not the name of the registry that is to be replaced',
  BACKUP_FOLDER: 'the folder of backups cannot be made',
  REGISTRY_NOT_SET: 'the node names no registry, or one that is not deployed',
  AUTHORITY_NOT_SET: 'the node names no authority, or one that is not deployed',
  ROOT_PASSPHRASE: 'the authority has no root, and no passphrase that one could be made behind',
  LOOPBACK_ONLY: 'without adminAuth, certificates, tickets and backups are handed out to this machine alone',
  DEVICE_RETIRED: 'the device is retired: it must be taken back before it gets a certificate',
  NO_IDENTITY: 'there is no identity in the message, or its key is not in this process any more',
  IDENTITY_ELSEWHERE: 'the identity was made for another board than the one on the port',
  BOOTSTRAP_IMAGE_MISSING: 'the folder of the bootstrap firmware is not there, is empty, or holds no build',
} as const;

export const fail = errorMaker(identityNodeErrors);
