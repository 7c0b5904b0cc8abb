import { errorMaker } from '../../errors/index.ts';

/** Why a device is not let in. The audit log has them; the device is told nothing. */
export const trustErrors = {
  CERT_MISSING: 'the peer showed no certificate',
  CERT_UNREADABLE: 'what the peer showed is no certificate that can be read',
  CERT_SELF_SIGNED: 'the certificate is signed with its own key',
  CERT_FOREIGN: 'the certificate was issued by an authority that is none of ours',
  CERT_FORGED: 'the certificate names one of our authorities, but another key has signed it',
  CERT_NAMESPACE: 'the common name names another certificate namespace than the key that issued it, or no device',
  CERT_OTHER_NAMESPACE: 'the certificate is of a namespace that is not served here',
  CERT_PURPOSE: 'the certificate may not be used by a client (extended key usage)',
  CERT_ISSUER: 'the certificate of the issuing authority is over, not yet valid, or revoked',
  CERT_UNKNOWN: 'the registry has no such serial number',
  CERT_DIFFERS: 'the registry has that serial number, but another certificate',
  CERT_REVOKED: 'the certificate is revoked',
  CERT_SUPERSEDED: 'the device has renewed: this certificate is no longer taken',
  CERT_PENDING: 'nobody has confirmed that the device holds this certificate',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet',
  CERT_EXPIRED: 'the certificate is over',
  CERT_DEVICE_UNKNOWN: 'the registry has no such device',
  CERT_DEVICE_STATE: 'the device is revoked or retired',
} as const;

export type TrustCode = keyof typeof trustErrors;

export const fail = errorMaker(trustErrors);
