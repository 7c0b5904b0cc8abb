import { errorMaker } from '../../../errors/index.ts';

/** What can go wrong between a provisioner and its host. */
export const provisionerLinkErrors = {
  BAD_FRAME: 'what arrived on the link is no frame: too long, no UTF-8, no JSON object, or a torn end',
  BAD_MESSAGE: 'a field of a message is missing, of the wrong kind, out of its range, or unknown',
  UNKNOWN_MESSAGE: 'the other side does not know this kind of message',
  VERSION_UNSUPPORTED: 'the two sides have no version of the protocol in common',
  NOT_PAIRED: 'the provisioner and this host were not paired, or the pairing was forgotten',
  NOT_ATTACHED: 'the request is one for the attached host alone',
  HOST_BUSY: 'another host is attached to the provisioner',
  HOST_TAKEN_OVER: 'another host has taken the provisioner over',
  TAKEOVER_REFUSED: 'this host may not take the provisioner over: it sealed no slot there and is not enrolled',
  PAIRING_CLOSED: 'no pairing code is open on the provisioner: none was made, it was used, or its time is over',
  PAIRING_WRONG_CODE: 'the pairing code is not the one that the provisioner shows',
  PAIRING_FAILED: 'the provisioner could not prove that it knows the pairing code',
  LINK_WRONG_CERTIFICATE: 'the device shows another certificate than the one that it was paired with',
  LINK_LOST: 'the link to the provisioner is gone, or went while the request was under way',
  LINK_UNREACHABLE: 'nothing answers at the address of the provisioner',
  LINK_NO_PROVISIONER: 'what answers at the address is no provisioner',
  LINK_FOLDER_OPEN: 'the folder of the unix socket, or of kept keys, is open to other users',
  LINK_LISTEN_FAILED: 'the provisioner cannot listen at the address',
  LINK_FILE: 'a file with pairings or with the identity cannot be read or written',
  BAD_LINK_ADDRESS: 'the text is no address of a provisioner',
  BAD_LINK_OPTION: 'an option of the program or of the link is missing or out of its range',
  PROVISIONER_FAILED: 'the provisioner failed at a request; its own log says how',
  PROVISIONER_NOT_STARTED: 'the program of the provisioner did not start, or ended at once',
  PROVISIONER_NOT_RUNNING: 'no provisioner works on this store',
} as const;

export const fail = errorMaker(provisionerLinkErrors);
