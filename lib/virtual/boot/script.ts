import type { DemoIdentity, PartitionTable } from '../../esp/index.ts';

/** Bytes a millisecond at the ROM's 115200 baud: printing is what most of a boot's time goes into. */
const BYTES_PER_MS = 11.52;

export interface BootLine {
  /** When it is printed, in ms from the start of the boot. */
  readonly at: number;
  /** As it goes over the wire, without line end. */
  readonly wire: string;
  /** The same without colours. */
  readonly text: string;
}

/** How a boot from flash ended. */
export type BootEnd =
  /** The app runs. */
  | 'running'
  /** The bootloader gave up and resets the chip. */
  | 'software'
  /** The ROM gave up: its watchdog resets the chip. */
  | 'rom-watchdog'
  /** The app crashed at its start. */
  | 'panic';

const COLOURS = { E: '31', W: '33', I: '32' } as const;

/** Writes what a boot prints, with the time each line comes at. */
export class BootScript {
  readonly lines: BootLine[] = [];
  /** What the app has found: an application goes on with it. */
  starts: { readonly table: PartitionTable; readonly identity: DemoIdentity } | null = null;
  readonly #timed: boolean;
  #at: number;

  /** `timed`: whether printing takes time, as on a paced line. */
  constructor(startMs: number, timed: boolean) {
    this.#at = startMs;
    this.#timed = timed;
  }

  /** Time goes by: reading flash, starting things. */
  wait(ms: number): void {
    this.#at += ms;
  }

  /** A bare line, as the ROM prints. */
  rom(text: string): void {
    this.#put(text, text);
  }

  /** A line of ESP-IDF's log. */
  log(level: 'E' | 'W' | 'I', tag: string, message: string): void {
    const text = `${level} (${Math.round(this.#at)}) ${tag}: ${message}`;
    this.#put(`\u001b[0;${COLOURS[level]}m${text}\u001b[0m`, text);
  }

  #put(wire: string, text: string): void {
    this.lines.push({ at: this.#at, wire, text });
    if (this.#timed) this.#at += (wire.length + 2) / BYTES_PER_MS;
  }
}

export function hex(value: number, digits = 0): string {
  return `0x${(value >>> 0).toString(16).padStart(digits, '0')}`;
}
