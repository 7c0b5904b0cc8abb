import { sameBytes } from '../digest.ts';
import type { ImageCache } from './types.ts';

/** How many contents of one place are remembered. */
const A_PLACE = 2;
const DEFAULT_BYTES = 32 << 20;

/**
 * Remembers in memory, the least recently used forgotten first.
 * @param options.bytes how much to keep. Default 32 MiB.
 */
export function memoryImageCache(options: { readonly bytes?: number } = {}): ImageCache {
  const limit = options.bytes ?? DEFAULT_BYTES;
  /** By place, most recently used last. */
  const places = new Map<string, Uint8Array[]>();
  let total = 0;

  const use = (place: string, contents: Uint8Array[]): void => {
    places.delete(place);
    if (contents.length > 0) places.set(place, contents);
  };
  const shrink = (): void => {
    for (const [place, contents] of places) {
      if (total <= limit) return;
      places.delete(place);
      total -= sizeOf(contents);
    }
  };

  return {
    candidates: async (mac, offset) => {
      const place = placeOf(mac, offset);
      const contents = places.get(place) ?? [];
      use(place, contents);
      return contents;
    },
    remember: async (mac, { offset, data }) => {
      const place = placeOf(mac, offset);
      const before = places.get(place) ?? [];
      const others = before.filter((content) => !sameBytes(content, data));
      const contents = [before.find((content) => sameBytes(content, data)) ?? data.slice(), ...others].slice(
        0,
        A_PLACE,
      );
      total += sizeOf(contents) - sizeOf(before);
      use(place, contents);
      shrink();
    },
  };
}

function placeOf(mac: string, offset: number): string {
  return `${mac} ${offset}`;
}

function sizeOf(contents: readonly Uint8Array[]): number {
  return contents.reduce((sum, { length }) => sum + length, 0);
}
