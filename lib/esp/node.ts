/** What lib/esp offers beyond index.ts when it runs in Node. */
export { diskImageCache } from './cache/disk.ts';
export { type DiskOptions, folderLoader, type ImageSource, loadImageSet } from './inputs/disk.ts';
export {
  createNodePlatform,
  type NodePlatform,
  type NodePlatformOptions,
  nodePlatform,
  nodeSha256,
} from './platform.node.ts';
