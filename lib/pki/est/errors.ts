import { errorMaker } from '../../errors/index.ts';

/** What can go wrong with EST (RFC 7030), on both of its sides. */
export const estErrors = {
  EST_BAD_REQUEST: 'a request to the EST service is malformed',
  EST_MEDIA_TYPE: 'the body of a request to the EST service is not application/pkcs10',
  EST_TOO_LARGE: 'the body of a request to the EST service is too large',
  EST_NOT_FOUND: 'the EST service has nothing under that path, or does not serve that certificate namespace',
  EST_METHOD: 'the EST service does not take that method on that path',
  EST_UNAUTHORISED: 'user or ticket of an enrolment are missing, unknown, used, over, or for another device',
  EST_SUBJECT: 'a re-enrolment asks for another subject than that of the certificate it comes with',
  EST_REKEY: 'a re-enrolment brings no new key, which its certificate namespace demands',
  EST_TOO_MANY: 'the device has asked for many renewals and used none of them',
  EST_HANDSHAKE: 'the TLS handshake with the EST service failed',
  EST_HANDSHAKE_TIMEOUT: 'the TLS handshake with the EST service took too long',
  EST_LISTEN: 'the EST service cannot listen at that address',
  EST_BAD_OPTIONS: 'an option of the EST service or client is out of its range',
  EST_UNREACHABLE: 'the EST server cannot be reached',
  EST_SERVER_UNTRUSTED: 'the EST server’s certificate is not one that this client trusts, or is for another host',
  EST_TIMEOUT: 'the EST server did not answer in time',
  EST_REFUSED: 'the EST server refused the request; detail.status has its answer',
  EST_BAD_ANSWER:
    'what the EST server answered breaks a rule of EST, or is no certificate for this key from this authority',
} as const;

export type EstCode = keyof typeof estErrors;

export const fail = errorMaker(estErrors);
