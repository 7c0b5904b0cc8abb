export { ReaderKeeper, type ReaderKeeperOptions } from './keeper.ts';
export { isTelling } from './locate.ts';
export { DEFAULT_TIMEOUT_MS, runStep } from './run.ts';
export type { StepResult, StepRun } from './types.ts';
