/** Filler for demo images: bytes that come out the same for the same seed, on every machine. */

/** xorshift32; a seed of 0 would stay 0. */
function randomWords(seed: number): () => number {
  let state = seed >>> 0 || 0x6b65_7977;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** A seed from text (FNV-1a). */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/**
 * Bytes that zlib level 9 packs to about 0.65, as it does machine code: short repeats from nearby between words
 * whose bytes are unevenly spread.
 */
export function appLikeBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const next = randomWords(seed);
  let at = 0;
  while (at < length) {
    const roll = next();
    const run = 4 + (roll & 7);
    if (at > 64 && ((roll >>> 8) & 255) < REPEAT_SHARE) {
      const from = at - Math.min(at, 8 + ((roll >>> 16) & 0x3fff));
      const end = Math.min(length, at + run);
      for (let i = from; at < end; i++) bytes[at++] = bytes[i] as number;
    } else {
      const end = Math.min(length, at + run);
      for (; at < end; at++) {
        const word = next();
        bytes[at] = (word & 3) === 0 ? (word >>> 8) & 63 : (word >>> 16) & 255;
      }
    }
  }
  return bytes;
}

/** Of 256 runs, how many repeat earlier bytes. */
const REPEAT_SHARE = 140;
