import type { ControlLines } from '../../link/index.ts';

/**
 * What the USB-Serial/JTAG controller of ESP32-S3 and ESP32-C3 makes of a host's control lines (Technical Reference
 * Manuals, "USB Serial/JTAG Controller"): DTR alone asks for the loader, neither of them takes that back, RTS alone
 * resets the chip, both together do nothing.
 */
export class UsbJtagLines {
  readonly #reset: (download: boolean) => void;
  #lines: ControlLines = { dtr: false, rts: false };
  #download = false;

  /** `reset` is called when the chip is to start again, with what was asked for. */
  constructor(reset: (download: boolean) => void) {
    this.#reset = reset;
  }

  set({ dtr, rts }: ControlLines): void {
    const before = this.#lines;
    this.#lines = { dtr, rts };
    if (before.dtr === dtr && before.rts === rts) return;
    if (!rts) this.#download = dtr;
    else if (!dtr) this.#reset(this.#download);
  }

  /** As after power-on. */
  clear(): void {
    this.#lines = { dtr: false, rts: false };
    this.#download = false;
  }
}
