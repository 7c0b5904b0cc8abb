import type { ApplicationOptions } from '../app/options.ts';
import type { Clock } from '../clock.ts';
import type { LineMode } from '../line/line.ts';

/** What is burnt into the security efuses. */
export interface SecurityOptions {
  /** Version of secure boot that is on: 'v1' on ESP32 only, 'v2' on ESP32 from revision 3.0 and on the others. */
  readonly secureBoot: false | 'v1' | 'v2';
  /** Flash encryption counter: 0–127 on ESP32, 0–7 elsewhere; an odd number of bits set means encrypted. */
  readonly flashCryptCount: number;
  /** Not on ESP32, whose ROM has no such mode. */
  readonly secureDownload: boolean;
  readonly manualEncryptDisabled: boolean;
  /**
   * Flash encryption key as it lies in the efuse blocks: 32 bytes (ESP32: AES-256; others: XTS-AES-128), or 64 on
   * ESP32-S3 (XTS-AES-256). Left out, the chip draws its own when it has one to hold.
   */
  readonly encryptionKey?: Uint8Array;
  /**
   * Key (32 bytes) that the chip's HMAC engine derives the keys of an encrypted NVS partition from: ESP32-S3 and
   * ESP32-C3. Left out, no block has that purpose.
   */
  readonly hmacKey?: Uint8Array;
  /**
   * Secure boot v2: SHA-256 digests (32 bytes each) of the public keys that may sign: one on ESP32, up to three
   * elsewhere. Left out, the chip trusts the key that signed the bootloader in its flash, as one does that burnt its
   * efuses when that bootloader first ran; with no signed bootloader there, it trusts none.
   */
  readonly signingDigests?: readonly Uint8Array[];
  /**
   * Secure boot v1: the key (32 bytes) of the bootloader's digest at offset 0. Left out, the chip draws one and
   * writes the digest of the bootloader in its flash, as it does when that bootloader first ran.
   */
  readonly secureBootKey?: Uint8Array;
  /**
   * Secure boot v1: the public key (64 bytes, X and Y, P-256) that the bootloader checks apps with. Left out, a
   * signature must be there and is not checked further.
   */
  readonly appSigningKey?: Uint8Array;
}

/** How the chip is wired to the host: through a bridge on its UART, or by its own USB-Serial/JTAG controller. */
export type Connection = 'uart' | 'usb-jtag';

/** What chip to put on the bench. */
export interface VirtualChipOptions {
  /** "esp32", "esp32s3" or "esp32c3", in any spelling. */
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
  /** Package version as burnt into its efuse field; default the model's. */
  readonly package?: number;
  /** PSRAM in the package, in bytes: ESP32-S3 only (0, 2, 4, 8 or 16 MB). Default none. */
  readonly psram?: number;
  /** Whether the flash lies inside the package and the efuses say so. Default false; on ESP32 the package says it. */
  readonly embeddedFlash?: boolean;
  /** Crystal in MHz: ESP32 takes 40 (default) or 26, the others 40. */
  readonly crystal?: number;
  readonly security?: Partial<SecurityOptions>;
  /** Default 'uart'; 'usb-jtag' where the chip has the controller (not ESP32). */
  readonly connection?: Connection;
  /** From EN's rise to the sampling of the straps, in ms (RC on EN and the start of the ROM). Default 5. */
  readonly strapDelayMs?: number;
  /**
   * Lets an app that has found its identity go on: it connects to its broker by mutual TLS and renews by EST, over the
   * network of this machine. Left out, it stops there.
   */
  readonly application?: ApplicationOptions;
}
