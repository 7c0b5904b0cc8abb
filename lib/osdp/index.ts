export { type Clock, realClock } from './clock.ts';
export * from './codec/index.ts';
export { osdpErrors } from './errors.ts';
export * from './frame/index.ts';
export * from './panel/index.ts';
export * from './secure/index.ts';
export * from './trace/index.ts';
