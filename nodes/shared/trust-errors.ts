import { errorMaker } from '../../lib/errors/index.ts';

/** What can go wrong in nodes that admit, renew and revoke devices, beside what the libraries underneath report. */
export const trustNodeErrors = {
  ENDPOINT_NOT_SET: 'the node names no device endpoint, or one that is not deployed',
  EST_NOT_SET: 'the node names no EST service, or one that is not deployed',
  SERVICE_CLOSED: 'the endpoint or EST service is not deployed any more',
  IDENTITY_FILE: 'a file of the gateway’s own identity cannot be read or written, or is not what it should be',
  MOSQUITTO_NOT_SET: 'the node is to disconnect a device from mosquitto, and names no broker that is deployed',
} as const;

export const fail = errorMaker(trustNodeErrors);
