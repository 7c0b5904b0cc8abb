import { errorMaker } from '../../errors/index.ts';

/** What can go wrong with revocation lists. */
export const crlErrors = {
  CRL_FILE_NOT_WRITABLE: 'the file of a revocation list cannot be written; lists are still made and served',
  CRL_FAILED: 'a revocation list could not be made; the one before stays until it ends',
  CRL_UNKNOWN: 'there is no revocation list of that certificate namespace',
  CRL_NO_ROOT_LIST: 'the root has signed no revocation list that still holds: its passphrase is needed',
} as const;

export type CrlCode = keyof typeof crlErrors;

export const fail = errorMaker(crlErrors);
