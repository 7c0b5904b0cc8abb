import { errorMaker } from '../errors/index.ts';

/** What can go wrong when the virtual bench is set up. What goes wrong on a virtual chip is for its host to notice. */
export const virtualErrors = {
  BAD_CHIP_MODEL: 'the bench has no chip of that name',
  BAD_CHIP_OPTION: 'an option of a virtual chip is out of range',
  BAD_MAC: 'the text is no base MAC address',
  BAD_READER_OPTION: 'an option of a virtual reader is out of range, or names a personality that there is not',
  BAD_FAULT: 'the fault cannot be set as it was described',
  BAD_ARGUMENT: 'an argument of the command cannot be used',
  FLASH_FILE: 'the flash file cannot be read or written, or is larger than the flash',
  SOCKET_NAME_TAKEN: 'a socket of that name is on the bench already',
  SOCKET_OCCUPIED: 'a chip sits in the socket already',
  LISTEN_FAILED: 'the address cannot be listened on',
  PTY_HELPER_MISSING: 'a pseudo-terminal needs socat or python3, and neither is installed',
  PTY_FAILED: 'the pseudo-terminal could not be made',
} as const;

export const fail = errorMaker(virtualErrors);
