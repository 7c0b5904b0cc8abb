/** Where images come from: each reader gives an ImageSet. Reading files is the caller's: see `Load`. */
export { type FileEntry, type FileListOptions, readFileList } from './file-list.ts';
export { type FlasherArgsSet, type FlashSettings, readFlasherArgs } from './flasher-args.ts';
export { type MergedOptions, readMergedImage } from './merged.ts';
export { type Load, readOffset } from './parts.ts';
export { readWebToolsManifest, type WebToolsOptions } from './web-tools.ts';
