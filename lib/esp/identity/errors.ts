import { errorMaker } from '../../errors/index.ts';

/** What can be wrong with an identity, or with Wi-Fi credentials, that are to go into a chip. */
export const identityErrors = {
  BAD_IDENTITY_LAYOUT: 'no NVS layout of an identity has that name',
  BAD_IDENTITY: 'a certificate, key, chain or setting of an identity cannot be stored as its reader wants it',
  BAD_WIFI: 'a Wi-Fi name or password breaks a rule of WPA2',
} as const;

export const fail = errorMaker(identityErrors);
