import type { Connection, SecurityOptions } from '../options.ts';

/** `imageChipId` of the family that is unlike the later ones in much. */
export const ESP32_CHIP_ID = 0;

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
  /** Val of the ROM's SYNC replies; not 0. Which it is depends on what lay in RAM: hosts may only tell it from 0. */
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
  /** Super watchdog, which bites unless it is told to feed itself; null where hosts need not care. */
  readonly superWatchdog: {
    readonly config: number;
    readonly protect: number;
    readonly key: number;
    /** Bits of `config` that make it feed itself. */
    readonly autoFeed: number;
  } | null;
  readonly uart: {
    /** Register of UART0's clock divider: whole part in bits 0–19, sixteenths in bits 20–23. */
    readonly divider: number;
    /** MHz that a stub of that generation runs the UART from, where it leaves the crystal. */
    readonly stubClock: Readonly<Partial<Record<1 | 2, number>>>;
  };
  /** Register of the strapping pins; its low bits are the number after "boot:" in the banner. */
  readonly strapRegister: number;
  /** Word whose low byte says which port the ROM listens to, and its values; null where there is but the UART. */
  readonly port: { readonly word: number; readonly values: Readonly<Record<Connection, number>> } | null;
  /**
   * What a MEM_END with an entry does while secure boot is on: 'runs' the code; 'stays' in the loader (ROM bug of
   * ESP32-C3); on ESP32-S3 the loader stays too, and hosts lead its flash read function, whose address stands at
   * `readPointer`, to the stub.
   */
  readonly underSecureBoot: 'runs' | 'stays' | { readonly readPointer: number };
  /**
   * What SPI_ATTACH must name before the flash answers: 0 for the usual pins, else pin numbers of 6 bits each (CLK,
   * Q, D, CS, HD from bit 0 on), as burnt into packages with flash inside.
   */
  flashPins(pkg: number): number;
  /** Read-only words: efuses, magic, port kind, by address. */
  words(identity: ChipIdentity): ReadonlyMap<number, number>;
  /**
   * MHz the ROM takes its crystal for. ESP32 measures it against a drifting oscillator, and works out the divider of
   * CHANGE_BAUDRATE from what it found: its rate is off by as much. Hosts read the measurement and correct it.
   */
  romCrystal(crystal: number): number;
  readonly revisions: { readonly major: number; readonly minor: number };
  /** What the family can be had with; the first is the default. */
  readonly packages: readonly number[];
  readonly psramSizes: readonly number[];
  /** Sizes of flash inside the package; position + 1 is the efuse code. Empty where the package says it. */
  readonly embeddedFlash: readonly number[];
  readonly crystals: readonly number[];
  readonly connections: readonly Connection[];
  readonly secureBoots: readonly ('v1' | 'v2')[];
  /** First major revision that knows secure boot v2. */
  readonly secureBootV2From: number;
  readonly hasSecureDownload: boolean;
  /** Largest value of the flash encryption counter. */
  readonly flashCryptMax: number;
  /** Whether it has an HMAC engine with keys in efuses. */
  readonly hasHmac: boolean;
  /** Lengths of a flash encryption key. */
  readonly encryptionKeyBytes: readonly number[];
  readonly stubs: readonly KnownStub[];
  readonly rom: RomText;
}

export interface ChipIdentity {
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly major: number;
  readonly minor: number;
  readonly package: number;
  /** Bytes. */
  readonly psram: number;
  /** Bytes of flash inside the package, 0 where it lies outside. */
  readonly embeddedFlash: number;
  readonly crystal: number;
  readonly connection: Connection;
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
  /** The ROM of earlier wafers: another banner, and a single "flash read err, 1000" where no header is found. */
  readonly earlier?: { readonly beforeMajor: number; readonly banner: readonly string[] };
  /** After "boot:": value and name of the strapping modes. */
  readonly bootMode: string;
  readonly downloadMode: string;
  /** Follows the reset line unless the power was off; null where the ROM does not print it. */
  readonly savedPc: string | null;
  /** Before "mode:" of a boot from flash. */
  readonly flashSetup: readonly string[];
  /** After "clock div:". */
  readonly clockDivider: number;
  /** Whether lengths of segments are printed in decimal, without 0x. */
  readonly decimalLengths: boolean;
  /** What is printed on an illegal instruction. */
  readonly panic: readonly string[];
  /** Those two read alike on every chip that has them. */
  readonly resetReasons: Readonly<Record<Exclude<ResetReason, 'usb' | 'super-watchdog'>, string>>;
}

/** Why a chip started; `usb` is a host's reset through the chip's own USB-Serial/JTAG controller. */
export type ResetReason =
  | 'power-on'
  | 'panic'
  | 'watchdog'
  | 'super-watchdog'
  | 'rom-watchdog'
  | 'brownout'
  | 'software'
  | 'usb';
