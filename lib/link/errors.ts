import { errorMaker } from '../errors/index.ts';

/** What can go wrong with a link. */
export const linkErrors = {
  BAD_ADDRESS: 'the text names no port',
  BAD_BAUD_RATE: 'the baud rate is no whole positive number',
  PORT_NOT_FOUND: 'no such port: nothing is plugged in there, or the name is wrong',
  PORT_PERMISSION: 'the operating system refuses access to the port',
  PORT_BUSY: 'the port is held by somebody else, who is named where that can be known',
  PORT_UNREACHABLE: 'the remote port server does not answer, or is none',
  PORT_GONE: 'the cable was pulled or the far side closed',
  PORT_FAILED: 'the driver or port server reports an error that is none of the above',
  BORROW_UNSUPPORTED: 'the configuration node does not let its port be borrowed',
  DEVICE_NOT_BACK: 'the device that was lost did not come back in time',
  CANCELLED: 'opening a port, or waiting for one, was cancelled before it was there',
} as const;

export const fail = errorMaker(linkErrors);
