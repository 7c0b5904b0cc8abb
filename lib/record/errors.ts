import { errorMaker } from '../errors/index.ts';

/** What can go wrong with records and labels. */
export const recordErrors = {
  BAD_RECORD: 'the record is no flat object of texts, numbers, booleans and blanks',
  RECORD_COLUMNS: 'the file has other columns than the record',
  RECORD_FILE: 'the file of records cannot be read or written',
  BAD_LABEL: 'the label’s template names something that is not known of the unit',
  QR_TOO_LONG: 'the text does not fit into a QR code',
} as const;

export const fail = errorMaker(recordErrors);
