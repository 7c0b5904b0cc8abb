import { errorMaker } from '../../../errors/index.ts';

/** What can go wrong when the keys of a slot are exported. */
export const exportErrors = {
  KDF_UNKNOWN: 'the keys of the slot were derived in a way that this release does not know',
  BAD_EXPORT: 'the format is none of csv and json, or the slot cannot be exported as it is',
  BAD_EXPORT_NAME: 'the name of an export file is no plain file name',
  EXPORT_EXISTS: 'a file of this name is there already; an export never overwrites one',
  EXPORT_FOLDER: 'the folder for exports is not set, is none, or others may write to it',
  EXPORT_FILE: 'the export file cannot be written',
} as const;

export const fail = errorMaker(exportErrors);
