import { errorMaker } from '../errors/index.ts';

/** What can go wrong with names, certificates, signing requests, and the authority that issues. */
export const pkiErrors = {
  BAD_MAC: 'a MAC is in none of the five spellings',
  BAD_NAMESPACE: 'a certificate namespace is outside [A-Za-z0-9._-]{1,51}, or is reserved',
  NAMESPACE_UNKNOWN: 'the certificate namespace does not exist',
  NAMESPACE_EXISTS: 'the certificate namespace exists already',
  BAD_SETTINGS: 'a setting of a certificate namespace is unknown or out of its range; detail.field says which',
  BAD_DER: 'bytes are no strict DER, or exceed a limit; detail.offset says where',
  BAD_PEM: 'a text is no PEM of the wanted kind',
  BAD_CSR: 'a signing request breaks a rule of PKCS#10, or says something twice',
  CSR_TOO_LARGE: 'a signing request is larger than 16 KiB',
  CSR_KEY_REFUSED: 'the key of a signing request is of a kind, curve or size that the namespace does not take',
  CSR_SIGNATURE: 'the signature of a signing request is wrong: whoever sent it has not shown to hold the key',
  BAD_CERTIFICATE: 'bytes are no X.509 certificate that can be read',
  BAD_PKCS12: 'a PKCS#12 file cannot be read, or its passphrase is wrong',
  BAD_IMPORT: 'an authority cannot be taken over: its certificate may not issue, is over, or its key is another',
  BAD_PASSPHRASE: 'a passphrase is missing, too short, or wrong',
  AUTHORITY_EXISTS: 'the authority has a root already',
  AUTHORITY_MISSING: 'the authority has no root, or no services intermediate yet',
  ROOT_OUT: 'the key of the root was taken out, and is needed here',
  ISSUER_EXPIRED: 'the certificate of the issuing authority is over, or not yet valid',
  CLOCK_BEHIND: 'the clock of this machine is behind the newest record: nothing is issued or redeemed',
  DEVICE_HAS_LIVE: 'the device holds a live certificate, and replacing it was not asked for',
  KEY_IN_USE: 'the public key is in a certificate of another device or service, or was revoked as compromised',
  SERIAL_TAKEN: 'a certificate of that serial number exists',
  CERTIFICATE_UNKNOWN: 'no certificate of that serial number is known',
  CERTIFICATE_STATE: 'the certificate is not in the state that this needs',
  BAD_NAME: 'a host name, address or URL for a certificate is none',
  AUTHORITY_CLOSED: 'the authority, or its pool of workers, was closed',
  WORKER_LOST: 'a worker that was to issue certificates stopped',
  ENROL_UNAUTHORISED: 'a ticket or token is missing, unknown, used, over, or for something else',
  ENROL_FORBIDDEN: 'the token does not allow this',
  ENROL_BAD_REQUEST: 'a request to the enrolment service is malformed',
  ENROL_NOT_FOUND: 'the enrolment service has nothing under that path',
} as const;

export const fail = errorMaker(pkiErrors);
