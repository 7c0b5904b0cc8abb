import { isKeywayError } from '../../errors/index.ts';
import { type EspImage, parseImage } from '../formats/image.ts';
import type { RegionKind } from '../types.ts';

export interface FoundImage {
  readonly image: EspImage;
  /** The name of the region that holds it. */
  readonly name: string;
  /** Where it will lie in the flash. */
  readonly offset: number;
}

/** The app or bootloader image in a region, as far as it can be read; null for data, tables and broken images. */
export function imageIn(region: {
  readonly offset: number;
  readonly data: Uint8Array;
  readonly name: string;
  readonly kind: RegionKind | 'erase';
}): FoundImage | null {
  if (!['app', 'bootloader', 'merged'].includes(region.kind)) return null;
  // A merged image begins with the bootloader, or with the blank space before it.
  const lead = region.kind === 'merged' ? [0, 0x1000, 0x2000].find((at) => region.data[at] === 0xe9) : 0;
  if (lead === undefined) return null;
  try {
    const image = parseImage(region.data.subarray(lead), { hash: false });
    return { image, name: region.name, offset: region.offset + lead };
  } catch (error) {
    if (isKeywayError(error, 'BAD_IMAGE')) return null;
    throw error;
  }
}
