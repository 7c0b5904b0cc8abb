/** Binary formats of the chips: partition table, OTA data, app and bootloader images. */
export { type BuildImageOptions, buildImage } from './build-image.ts';
export { type CheckImageOptions, checkImage, type ImageFinding, type ImageVerdict } from './check-image.ts';
export { espCrc32 } from './crc32.ts';
export { DEMO_IDF_VERSION, type DemoIdentity, demoIdentity, demoMessage, isDemoImage } from './demo-mark.ts';
export type { AppDescriptor, BootloaderDescriptor } from './descriptors.ts';
export {
  type EspImage,
  IMAGE_MAGIC,
  type ImageSegment,
  type ParseImageOptions,
  parseImage,
  type Sha256,
} from './image.ts';
export { type DemoSetOptions, demoImageSet, factoryErase, PROVISIONING_4MB_CSV } from './layouts.ts';
export { BUILDABLE_CHIPS } from './load-maps.ts';
export {
  type BootChoice,
  chooseBootSlot,
  decodeOtadata,
  encodeOtadata,
  OTADATA_BYTES,
  type OtaChoice,
  type Otadata,
  type OtaEntry,
  type OtaState,
  otaSlots,
} from './otadata.ts';
export {
  type DecodeTableOptions,
  decodePartitionTable,
  encodePartitionTable,
  looksLikePartitionTable,
  PARTITION_TABLE_BYTES,
} from './partition-binary.ts';
export { formatPartitionCsv, type PartitionCsvOptions, parsePartitionCsv } from './partition-csv.ts';
export {
  checkPartitionTable,
  DEFAULT_TABLE_OFFSET,
  type Partition,
  type PartitionTable,
  type PartitionTableOptions,
} from './partition-rules.ts';
export {
  PARTITION_APP,
  PARTITION_BOOTLOADER,
  PARTITION_DATA,
  PARTITION_TABLE,
  SUBTYPE_DATA_NVS,
  SUBTYPE_DATA_NVS_KEYS,
  SUBTYPE_DATA_OTA,
  SUBTYPE_FACTORY,
  SUBTYPE_OTA_FIRST,
  SUBTYPE_TEST,
  subtypeName,
  typeName,
} from './partition-types.ts';
export { partitionAt, recogniseRegion, tryDecodeTable } from './recognise.ts';
export { findSignature, type ImageSignature, type SignatureBlock } from './signature.ts';
