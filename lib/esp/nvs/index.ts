/** NVS partitions: build, read, merge, encrypt; Espressif's CSV. Runs in a browser too. */
export { type BuildNvsOptions, buildNvs, sizeOfNvs } from './build.ts';
export { formatNvsCsv, parseNvsCsv } from './csv.ts';
export { nvsErrors } from './errors.ts';
export {
  decodeNvsKeys,
  encodeNvsKeys,
  makeNvsKeys,
  NVS_KEYS_BYTES,
  nvsKeysFrom,
  nvsKeysFromHmac,
} from './keys.ts';
export { type MergeNvsOptions, mergeNvs, type NvsChange } from './merge.ts';
export { looksLikeNvs, type ParseNvsOptions, parseNvs, readNvs, redactNvs } from './parse.ts';
export { type PrepareNvsOptions, prepareNvs } from './prepare.ts';
export type { BuiltNvs, NvsOnChip, PreparedNvs } from './prepared.ts';
export type {
  NvsContent,
  NvsEncoding,
  NvsEncryption,
  NvsEntry,
  NvsItem,
  NvsKeys,
  NvsListing,
  NvsPage,
  NvsPageState,
  NvsRecipe,
  NvsValue,
} from './types.ts';
export { ENCODINGS as NVS_ENCODINGS } from './values.ts';
