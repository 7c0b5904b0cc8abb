/** What a ROM's first line says about a reset. */
export interface BootMode {
  /** Why it was reset: "POWERON", "USB_UART_CHIP_RESET"; "" where the line is cut. */
  readonly reset: string;
  readonly resetCode: number;
  /** Where it boots from: "SPI_FAST_FLASH_BOOT", "DOWNLOAD(USB/UART0/1)". */
  readonly boot: string;
  /** The straps as the ROM read them. */
  readonly bootCode: number;
  /** Whether it is in download mode, ready for a flash session. */
  readonly download: boolean;
}

const BANNER =
  /rst:0x([0-9a-f]{1,8})\s?(?:\(([^()\r\n]{0,64})\))?,\s?boot:0x([0-9a-f]{1,8})\s?(?:\(((?:[^()\r\n]|\([^()\r\n]{0,64}\)){0,64})\))?/gi;
/** A banner and what follows it fit; the rest of a long capture is older. */
const WINDOW = 16384;

/** The newest reset that a console's text tells of; null when it shows none. */
export function readBootMode(text: string): BootMode | null {
  const recent = text.slice(-WINDOW);
  const match = [...recent.matchAll(BANNER)].at(-1);
  if (match === undefined) return null;
  const [, resetCode = '', reset = '', bootCode = '', boot = ''] = match;
  return {
    reset,
    resetCode: Number.parseInt(resetCode, 16),
    boot,
    bootCode: Number.parseInt(bootCode, 16),
    download: /^DOWNLOAD/i.test(boot) || /waiting for download/i.test(recent.slice(match.index)),
  };
}
