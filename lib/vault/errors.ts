import { errorMaker } from '../errors/index.ts';

/** What can go wrong with a secret. No message ever carries bytes of one. */
export const vaultErrors = {
  BAD_SECRET: 'the value cannot be kept as a secret: it is empty, no bytes, or its terms are wrong',
  HANDLE_UNKNOWN: 'no such handle: it is from another run, or it is no handle',
  HANDLE_USED: 'the secret was handed over already and is wiped',
  HANDLE_EXPIRED: 'the time of the handle is over and its secret is wiped',
  HANDLE_IN_USE: 'another job works with the secret just now',
  HANDLE_NOT_FOR_YOU: 'the handle was made for nodes of another type, or for another certificate namespace',
  HANDLE_WRONG_KIND: 'the handle stands for a secret of another kind',
  SECRET_MISSING: 'the environment variable that should hold the secret is not set, or is empty',
  KEYSTORE_KEY_MISSING: 'the key of the keystore is not where it should be: no such variable, credential or file',
  KEYSTORE_KEY_BAD: 'what should be the key of the keystore is none: not 32 random bytes, or torn',
  KEYSTORE_PERMISSIONS: 'the key file of the keystore, or its folder, is open to other users of this machine',
  KEYSTORE_FILE: 'a key file cannot be read or written, or exists already',
  KEYSTORE_WRONG_KEY: 'a record was sealed under another key of the keystore than those that are open',
  KEYSTORE_DAMAGED: 'a record of the keystore was changed, torn, or is for another purpose or owner',
  KEYSTORE_DEMO: 'a record was sealed by a demonstration keystore, which one for real use refuses',
  KEYSTORE_CLOSED: 'the keystore is closed and its keys are wiped',
} as const;

export const fail = errorMaker(vaultErrors);
