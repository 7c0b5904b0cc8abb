import { errorMaker } from '../../errors/index.ts';

/** What can be wrong with the content of an NVS partition, its image, its keys, or the CSV that describes it. */
export const nvsErrors = {
  BAD_NVS_KEY: 'an NVS key is empty, longer than 15 bytes, or no text',
  BAD_NVS_NAMESPACE: 'an NVS namespace is empty, longer than 15 bytes, no text, or the 255th',
  BAD_NVS_VALUE: 'a value is missing, of the wrong kind, or out of the range of its encoding',
  BAD_NVS_ENCODING: 'an encoding is none that NVS has',
  NVS_BLOB_TOO_LARGE: 'a blob is longer than 508000 bytes',
  NVS_STRING_TOO_LONG: 'a string is longer than 3999 bytes',
  NVS_DUPLICATE_KEY: 'two entries of one NVS namespace have the same key',
  NVS_TOO_SMALL: 'the entries do not fit into the partition',
  BAD_NVS_SIZE: 'the size of an NVS partition is no multiple of 4096, or less than 0x3000',
  BAD_NVS_KEYS: 'the keys of an encrypted NVS partition are of the wrong length, or their checksum is wrong',
  BAD_NVS_CSV: 'a line of an NVS CSV breaks a rule; detail says which line and column',
  BAD_NVS: 'an NVS image is damaged; detail.offset says where',
  BAD_NVS_RECIPE: 'a mode or an encryption scheme of an NVS recipe is not known',
  NVS_ENCRYPTED: 'an NVS image is encrypted and there are no keys to read it',
  NVS_WRONG_KEYS: 'an NVS image cannot be read with these keys',
} as const;

export const fail = errorMaker(nvsErrors);
