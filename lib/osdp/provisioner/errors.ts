import { errorMaker } from '../../errors/index.ts';

/** What can go wrong with a provisioner, its store and the link to it. */
export const provisionerErrors = {
  SLOT_OUT_OF_RANGE: 'the provisioner has no provisioner slot of that number',
  SLOT_OCCUPIED: 'the provisioner slot, or the live queue, holds a plan already',
  SLOT_EMPTY: 'the provisioner slot is empty, or the live queue was not begun',
  SLOT_STATE: 'this cannot be done in the state that the provisioner slot is in',
  SLOT_NOT_COMPLETE: 'a step of the provisioner slot is not final yet, or the live queue is not closed',
  STEP_OUT_OF_RANGE: 'the plan has no step of that number',
  VERB_NOT_LEGAL: 'a verb may not be said to a step in that state; nothing was changed',
  MODE_UNSUPPORTED: 'the provisioner does not offer this way of working',
  SESSION_MISMATCH: 'keyed readers were never exported and the session was not named, or another one was named',
  NOT_YOUR_SLOT: 'only the host that writes or sealed the plan, or one that was enrolled at the device, may do this',
  BAD_PLAN: 'a field of the plan, of a step or of the seed is out of its range',
  HOST_ATTACHED: 'a host is attached already',
  PROVISIONER_CLOSED: 'the provisioner was closed',
  BAD_PROVISIONER_OPTION: 'an option of the provisioner is out of its range',
  STORE_BUSY: 'another provisioner works in this folder',
  STORE_PATH: 'the folder of the store cannot be made or opened, or is open to other users',
  STORE_FULL: 'the disk is full: nothing of the request was kept',
  STORE_READ_ONLY: 'the store may not be written: nothing of the request was kept',
  STORE_IO: 'the disk failed while the store read or wrote: nothing of the request was kept',
  STORE_DAMAGED: 'a file of the store is none of ours, or is damaged at its beginning',
  LOG_ALTERED: 'the log of the provisioner is not what was written',
  LOG_NOT_CHAINED: 'there is no chained log in the store',
  STORE_NEWER: 'the store was written by a newer version of this package',
} as const;

export const fail = errorMaker(provisionerErrors);
