export { exportErrors } from './errors.ts';
export {
  checkExportable,
  EXPORT_FORMATS,
  EXPORT_KIND,
  EXPORT_VERSION,
  type ExportFormat,
  exportScbks,
  type ScbkExport,
} from './export.ts';
export { checkExportName, writeExport } from './file.ts';
