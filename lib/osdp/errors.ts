import { errorMaker } from '../errors/index.ts';

/** What can go wrong on an OSDP bus. */
export const osdpErrors = {
  BAD_OSDP_ADDRESS: 'the address is none that a reader may have (0 to 126)',
  BAD_OSDP_BAUD: 'the baud rate is none that OSDP readers use',
  BAD_OSDP_KEY: 'the key is not 16 bytes long',
  FORBIDDEN_KEY: 'the key is one that anyone would try: all bytes alike, counting bytes, or the default key',
  BAD_OSDP_OPTION: 'an option is out of its range',
  BAD_OSDP_RECORD: 'the fields of a command or reply cannot be put into, or read from, its bytes',
  FRAME_TOO_LONG: 'the frame is longer than the reader or the norm allows',
  KEYSET_IN_CLEAR: 'a key would have left in clear',
  CODE_REFUSED: 'this command may not be sent by hand',
  BAD_OSDPCAP: 'the text is no .osdpcap capture',
  NO_REPLY: 'nothing came back from the address at the rate',
  GARBAGE_ONLY: 'bytes came back, but no valid frame: another rate, a collision or noise',
  READER_BUSY: 'the reader stayed busy for too long',
  READER_NAK: 'the reader refuses the command',
  UNEXPECTED_REPLY: 'the reader answers with something else than the command asks for',
  SC_UNSUPPORTED: 'the reader offers no secure channel',
  SC_WRONG_KEY: 'the reader holds another key',
  SC_REFUSED: 'the reader refuses a secure channel with this kind of key',
  SC_FAILED: 'the handshake was begun with the right key but did not end well',
  SC_LOST: 'the secure channel broke while the command was under way',
  SC_REQUIRED: 'the command needs a secure channel, and none is open',
  COMSET_REFUSED: 'the reader refuses the new address or rate',
  COMSET_LOST: 'the reader answers neither at the new nor at the old address and rate',
  COMSET_DIFFERENT: 'the reader took another address or rate than asked for',
  KEYSET_FAILED: 'the reader did not take the key',
  BUS_HAS_PANEL: 'another panel talks on this bus',
  BUS_NOISY: 'bytes arrive that are no frames at any rate, though nobody was asked',
  READER_EXISTS: 'a reader with this address is on the panel already',
  PANEL_CLOSED: 'the panel was closed',
  CANCELLED: 'the caller cancelled',
} as const;

export const fail = errorMaker(osdpErrors);
