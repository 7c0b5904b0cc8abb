import type { ControlLines } from '../../link/index.ts';
import { type Clock, realClock } from '../clock.ts';

/** How long the second half of a change may take. pySerial waits 50 to 100 ms between the two. */
const WAIT_MS = 150;

/**
 * Puts the two halves of a reset back together. A host over the network sets one line after the other, tens of ms
 * apart; on its way from "EN low" (RTS alone) to "IO0 low, EN free" (DTR alone) it passes through both set, which
 * frees EN with IO0 high, and a chip reads its straps within 10 ms of that. Servers in front of real chips therefore
 * carry resets out themselves; this one holds that one change back until the other half is there, or 150 ms long.
 */
export class LineShaper {
  readonly #apply: (lines: ControlLines) => void;
  readonly #clock: Clock;
  #lines: ControlLines = { dtr: false, rts: false };
  #cancel: (() => void) | undefined;

  constructor(apply: (lines: ControlLines) => void, clock: Clock = realClock) {
    this.#apply = apply;
    this.#clock = clock;
  }

  set(lines: ControlLines): void {
    const inReset = this.#lines.rts && !this.#lines.dtr;
    this.#cancel?.();
    this.#cancel = undefined;
    if (inReset && lines.dtr && lines.rts) {
      this.#cancel = this.#clock.at(this.#clock.now() + WAIT_MS, () => this.#pass(lines), true);
    } else this.#pass(lines);
  }

  close(): void {
    this.#cancel?.();
  }

  #pass(lines: ControlLines): void {
    this.#lines = lines;
    this.#apply(lines);
  }
}
