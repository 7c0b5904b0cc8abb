import type { JobConfig } from '../shared/saved.ts';

export const operations = ['append', 'label'] as const;
export const corrections = ['L', 'M', 'Q', 'H'] as const;

export interface RecordConfig extends JobConfig {
  operation: string;
  operationType: string;
  /** One flat object a unit. */
  record: string;
  recordType: string;
  /** Name of the CSV file, below the folder `records`; a path only where it is typed here. */
  file: string;
  fileType: string;
  /** Columns in order; blank = those of the record. */
  columns: string;
  columnsType: string;
  /** Text of the label with {placeholders}. */
  template: string;
  templateType: string;
  /** What the QR code holds, with {placeholders}; blank = no code. */
  qr: string;
  qrType: string;
  correction: (typeof corrections)[number];
}

export const defaults = {
  name: '',
  operation: 'append',
  operationType: 'op',
  record: 'record',
  recordType: 'msg',
  file: 'records.csv',
  fileType: 'str',
  columns: '',
  columnsType: 'str',
  template: '{chip}  {MAC}',
  templateType: 'str',
  qr: '{mac}',
  qrType: 'str',
  correction: 'M',
  timeout: '',
  timeoutType: 'num',
  version: 1,
} satisfies Partial<RecordConfig>;
