export { sessionErrors } from './errors.ts';
export { type FlashOptions, flash } from './flash.ts';
export type { ProgressListener } from './progress.ts';
export { resetIntoFirmware } from './reset.ts';
export { type ChipSession, type ConnectOptions, connectChip, type OperationOptions } from './session.ts';
export { defaultTiming, type Timing } from './timing.ts';
export type { WriteOptions, WriteRegion, WriteResult } from './write.ts';
