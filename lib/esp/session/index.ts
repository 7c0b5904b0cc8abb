export { sessionErrors, sessionNotes } from './errors.ts';
export { flash } from './flash.ts';
export type { FlashOptions, ResumeOptions } from './options.ts';
export type { ProgressListener } from './progress.ts';
export type { SectorRange, WriteOptions, WriteRegion, WriteResult } from './region.ts';
export { resetIntoFirmware } from './reset.ts';
export { type ChipSession, type ConnectOptions, connectChip, type OperationOptions } from './session.ts';
export type { FlashTarget, LostDevice } from './target.ts';
export { defaultTiming, type Timing } from './timing.ts';
