export { changedSectors } from './diff.ts';
export { memoryImageCache } from './memory.ts';
export type { CachedRegion, ImageCache } from './types.ts';
