import type { RegionKind } from '../types.ts';

/** A region that a chip was seen to hold. */
export interface CachedRegion {
  /** Bytes from the start of the flash. */
  readonly offset: number;
  readonly data: Uint8Array;
  readonly kind: RegionKind;
}

/**
 * What chips were flashed with, so that only what changed is written the next time. Never trusted: a candidate counts
 * once the chip's own MD5 of that range agrees, and what was written is verified as a whole. NVS and its keys are
 * never given to it.
 */
export interface ImageCache {
  /**
   * What that chip may hold at `offset`, likeliest first. The bytes are only read.
   * @param mac lower case, with colons.
   */
  candidates(mac: string, offset: number): Promise<readonly Uint8Array[]>;
  /** Notes what that chip holds now. Copies the bytes where it keeps them. */
  remember(mac: string, region: CachedRegion): Promise<void>;
}
