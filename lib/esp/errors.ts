import { errorMaker } from '../errors/index.ts';

/** What can go wrong with images, tables and the files they are read from. */
export const formatErrors = {
  BAD_PARTITION_TABLE: 'a partition table, as text or in binary, breaks a rule; detail says which entry and field',
  BAD_OTADATA: 'the bytes or values are no OTA data',
  BAD_IMAGE: 'the bytes are no app or bootloader image, or its structure is broken; detail.offset says where',
  BAD_BUILD: 'an image cannot be built from these options',
  UNKNOWN_CHIP: 'no chip family has that name',
  BAD_MANIFEST: 'a manifest, flasher_args.json or file list is not what its format says; detail.field says where',
  NO_BUILD_FOR_CHIP: 'the manifest has no build for the chip',
  BAD_OFFSET: 'an offset is no number, negative, beyond 4 GB or not a multiple of 4096',
  EMPTY_INPUT: 'nothing to flash was given',
  FILE_MISSING: 'a file does not exist or cannot be read',
  FILE_EMPTY: 'a file has no bytes',
  FILE_TOO_BIG: 'a file is longer than the limit',
  FILE_OUTSIDE: 'a path leads out of the folder that it belongs to',
  REMOTE_PATH: 'a path is an address on the network; only files are read',
  CANCELLED: 'the caller cancelled',
  COMPRESS_FAILED: 'the compressor stopped',
} as const;

export const fail = errorMaker(formatErrors);
