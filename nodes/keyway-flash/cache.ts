import { join } from 'node:path';
import type { ImageCache } from '../../lib/esp/index.ts';
import { diskImageCache } from '../../lib/esp/node.ts';
import type { Red } from '../shared/types.ts';

/** What was flashed is kept in Node-RED's own folder; without one (a Node-RED inside another program) it is not. */
export function imageCacheOf(red: Red): ImageCache | undefined {
  const { userDir } = red.settings as { userDir?: unknown };
  return typeof userDir === 'string' && userDir !== '' ? diskImageCache(join(userDir, 'keyway', 'images')) : undefined;
}
