import { isKeywayError } from '../../errors/index.ts';
import { type EspImage, parseImage } from '../formats/image.ts';
import { PARTITION_APP } from '../formats/partition-types.ts';
import { tryDecodeTable } from '../formats/recognise.ts';
import type { PlanStep, RegionKind } from '../types.ts';

export interface FoundImage {
  readonly image: EspImage;
  /** The image's bytes, with what follows it in its region: a signature may. */
  readonly bytes: Uint8Array;
  /** The name of the region that holds it. */
  readonly name: string;
  /** Where it will lie in the flash. */
  readonly offset: number;
}

interface Source {
  readonly offset: number;
  readonly data: Uint8Array;
  readonly name: string;
  readonly kind: RegionKind | 'erase';
}

/**
 * The app and bootloader images in a region, as far as they can be read: none for data, tables and broken images; in
 * a merged image the bootloader, and an app for each partition of its table that starts with one.
 */
export function imagesIn(region: Source): FoundImage[] {
  if (!['app', 'bootloader', 'merged'].includes(region.kind)) return [];
  const starts = region.kind === 'merged' ? startsIn(region) : [0];
  return starts.flatMap((at) => {
    const bytes = region.data.subarray(at);
    try {
      return [{ image: parseImage(bytes, { hash: false }), bytes, name: region.name, offset: region.offset + at }];
    } catch (error) {
      if (isKeywayError(error, 'BAD_IMAGE')) return [];
      throw error;
    }
  });
}

/** A merged image begins with the bootloader, or with the blank space before it. */
function startsIn({ offset, data }: Source): number[] {
  const lead = [0, 0x1000, 0x2000].find((at) => data[at] === 0xe9);
  const table = offset <= 0x8000 ? tryDecodeTable(data.subarray(0x8000 - offset, 0x9000 - offset)) : null;
  const apps = (table ?? [])
    .filter((partition) => partition.type === PARTITION_APP)
    .map((partition) => partition.offset - offset)
    .filter((at) => data[at] === 0xe9);
  return [...(lead === undefined ? [] : [lead]), ...apps];
}

/** Every image that a plan writes. */
export function imagesOf(steps: readonly PlanStep[]): FoundImage[] {
  return steps.flatMap(({ data, ...step }) => (data === undefined ? [] : imagesIn({ ...step, data })));
}
