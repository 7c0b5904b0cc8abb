import type { Clock } from '../clock.ts';
import type { LineMode } from '../line/line.ts';

/** What is burnt into the security efuses. */
export interface SecurityOptions {
  readonly secureBoot: boolean;
  /** 0–7; an odd number of bits set means encrypted. */
  readonly flashCryptCount: number;
  readonly secureDownload: boolean;
  readonly manualEncryptDisabled: boolean;
}

/** What chip to put on the bench. */
export interface VirtualChipOptions {
  /** Only "esp32c3" so far. */
  readonly model: string;
  /** Base MAC: six bytes in hex, with colons, dashes or nothing between. */
  readonly mac: string;
  /** Bytes: a power of two from 1 MB to 16 MB. Default 4 MB, or the length of `flash`. */
  readonly flashSize?: number;
  /** The flash's content, used in place when it is as long as the flash, else copied to its start. Default blank. */
  readonly flash?: Uint8Array;
  /** Default 'free'. */
  readonly line?: LineMode;
  /** Whether erasing and programming take as long as on a real flash. Default false. */
  readonly flashTiming?: boolean;
  readonly clock?: Clock;
  /** Wafer revision; default the model's. */
  readonly revision?: { readonly major: number; readonly minor: number };
  readonly security?: Partial<SecurityOptions>;
  /** From EN's rise to the sampling of the straps, in ms (RC on EN and the start of the ROM). Default 5. */
  readonly strapDelayMs?: number;
}
