import { errorMaker } from '../../lib/errors/index.ts';

/** What can go wrong in a node, beside what the library underneath reports. */
export const nodeErrors = {
  PORT_NOT_SET: 'the node names no port, or no port pool, and msg.device.port is empty',
  PORT_NOT_ALLOWED: 'msg.device.port names no port that is deployed here, nor one that a port pool names',
  BUSY: 'the port is in use by another job, or its pool has no free place, and this node refuses rather than waits',
  CANCELLED: 'somebody ended the job, or the flow was deployed again',
  TIMEOUT: 'the job took longer than its timeout field allows',
  BAD_FIELD: 'a field holds a value of the wrong kind or out of range',
  BAD_EXPRESSION: 'a field cannot be evaluated',
  NO_PLAN: 'there is no flash plan in the message',
  NO_IMAGES: 'there is no image set in the message',
  NO_RANGE: 'an erase or read names neither a range nor the whole chip',
  SECRET_IN_CLEAR: 'a secret would go over a network in clear to a chip that hangs on another machine',
  NO_CHIP: 'the node names no virtual chip and msg.device.port names none',
  FILE_UNREADABLE: 'a file is not there, is empty, or may not be read',
  FILE_NOT_ALLOWED: 'a file of records is named that lies outside of its folder, and was not typed into the node',
  INTERNAL: 'something went wrong that has no code of its own; the message says what',
  REVEAL_OFF: 'turning handles into values is not switched on in this node',
} as const;

export const fail = errorMaker(nodeErrors);
