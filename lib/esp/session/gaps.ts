import { toHex } from '../digest.ts';
import type { Platform } from '../platform.ts';
import { SECTOR } from '../units.ts';

/** A part of a region: bytes to send, or whole sectors of 0xFF that only need to be blank. */
export interface Piece {
  /** From the start of the region. */
  readonly offset: number;
  readonly size: number;
  readonly blank: boolean;
}

/**
 * Parts a region at its blank sectors. `data` begins on a sector. A gap is one whole sector or more; the rest of the
 * last sector counts as blank too, since erasing leaves it so.
 */
export function partAtGaps(data: Uint8Array): Piece[] {
  const pieces: { offset: number; size: number; blank: boolean }[] = [];
  for (let offset = 0; offset < data.length; offset += SECTOR) {
    const size = Math.min(SECTOR, data.length - offset);
    const blank = isBlank(data, offset, offset + size);
    const last = pieces.at(-1);
    if (last !== undefined && last.blank === blank) last.size += size;
    else pieces.push({ offset, size, blank });
  }
  return pieces;
}

function isBlank(data: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (data[i] !== 0xff) return false;
  return true;
}

const blankSums = new Map<number, string>();

/** What the flash answers for `size` blank bytes: lower-case hex. */
export async function blankMd5(platform: Platform, size: number): Promise<string> {
  const known = blankSums.get(size);
  if (known !== undefined) return known;
  const sum = toHex(await platform.md5(new Uint8Array(size).fill(0xff)));
  if (blankSums.size < 64) blankSums.set(size, sum);
  return sum;
}
