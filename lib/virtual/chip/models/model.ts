import type { SecurityOptions } from '../options.ts';

/** What one family of chips looks like to a host: data, and how its efuse words are laid out. */
export interface ChipModel {
  /** As options and addresses spell it: "esp32c3". */
  readonly id: string;
  /** As Espressif writes it: "ESP32-C3". */
  readonly name: string;
  /** Chip id of image headers, and of GET_SECURITY_INFO where `security` is not null. */
  readonly imageChipId: number;
  /** Word at 0x40001000. */
  readonly magic: number;
  /** Val of the ROM's SYNC replies; not 0. */
  readonly syncValue: number;
  readonly bootloaderOffset: number;
  /** RAM that MEM_BEGIN may name: [from, to). */
  readonly ram: readonly (readonly [number, number])[];
  /** Largest MEM and FLASH blocks of the ROM loader, in bytes. */
  readonly ramBlock: number;
  readonly flashBlock: number;
  /** Flash size the ROM assumes until SPI_SET_PARAMS. */
  readonly romFlashSize: number;
  /** Payload bytes of the ROM's SPI_ATTACH and of FLASH_BEGIN (with the encrypt word or without). */
  readonly romBeginSizes: readonly number[];
  /** GET_SECURITY_INFO: bytes of its payload, or null where the ROM does not know the command. */
  readonly securityInfoSize: 12 | 20 | null;
  readonly apiVersion: number;
  /** Register offsets of the SPI controller in front of the flash. */
  readonly spi: {
    readonly base: number;
    readonly usr: number;
    readonly usr1: number;
    readonly usr2: number;
    readonly mosiLength: number;
    readonly misoLength: number;
    readonly w0: number;
    /** Whether an address is shifted up to the register's most significant bit. */
    readonly addressMsb: boolean;
  };
  /** RTC watchdog, which hosts use to reset the chip; null where they cannot. */
  readonly watchdog: {
    readonly config0: number;
    readonly config1: number;
    readonly protect: number;
    readonly key: number;
  } | null;
  /** Read-only words: efuses, magic, port kind, by address. */
  words(identity: ChipIdentity): ReadonlyMap<number, number>;
  readonly revisions: { readonly major: number; readonly minor: number };
  readonly stubs: readonly KnownStub[];
  readonly rom: RomText;
}

export interface ChipIdentity {
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly major: number;
  readonly minor: number;
  readonly package: number;
  readonly security: SecurityOptions;
}

/** A flasher stub that the chip recognises when it is uploaded. Only hashes are kept. */
export interface KnownStub {
  readonly name: string;
  /** 1: esptool's legacy stub; 2: esp-flasher-stub. */
  readonly generation: 1 | 2;
  readonly entry: number;
  readonly segments: readonly { readonly address: number; readonly size: number; readonly sha256: string }[];
}

/** What the mask ROM prints. Lines end in CR LF. */
export interface RomText {
  readonly banner: readonly string[];
  /** After "boot:": value and name of the strapping modes. */
  readonly bootMode: string;
  readonly downloadMode: string;
  readonly resetReasons: Readonly<Record<ResetReason, string>>;
}

/** Why a chip started. */
export type ResetReason = 'power-on' | 'panic' | 'watchdog' | 'rom-watchdog' | 'brownout' | 'software';
