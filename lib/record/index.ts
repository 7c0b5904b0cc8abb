/** What is kept of each unit: its production record in a CSV file, and the label on it. Needs Node. */
export { type Appended, type AppendOptions, appendRecord, type FlatRecord } from './append.ts';
export { type Cell, formatRow, unguard } from './csv.ts';
export { recordErrors } from './errors.ts';
export { labelText, type Unit } from './label.ts';
export { type QrOptions, qrSvg, qrText } from './qr.ts';
export { failedRecord, type ProductionRecord, type RecordFacts, recordOf } from './record.ts';
