import type { ControlLines } from '../../link/index.ts';
import type { Clock } from '../clock.ts';

export interface StrapEvents {
  /** EN went low: the chip stops. */
  held(): void;
  /** EN rose and the straps were read. */
  released(download: boolean): void;
}

/**
 * EN and IO0 (or the family's boot pin) behind the usual two transistors and two buttons:
 * EN is low while RTS is set and DTR is not, IO0 is low while DTR is set and RTS is not; both set or both clear pull
 * neither. The boot pin is read once, some ms after EN has risen.
 */
export class Straps {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #events: StrapEvents;
  #lines: ControlLines = { dtr: false, rts: false };
  #boot = false;
  #enable = false;
  #held = true;
  #cancel: (() => void) | undefined;

  /** The chip is held until `power(true)`. */
  constructor(clock: Clock, delayMs: number, events: StrapEvents) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#events = events;
  }

  #powered = false;

  #latched = false;

  /** What the boot pin said when it was last read: resets that do not reach the pins go by it. */
  get latched(): boolean {
    return this.#latched;
  }

  /** Reads the boot pin, as resets do that reach it. */
  sample(): boolean {
    this.#latched = this.bootPinLow;
    return this.#latched;
  }

  get bootPinLow(): boolean {
    return this.#boot || (this.#lines.dtr && !this.#lines.rts);
  }

  get enableLow(): boolean {
    return this.#enable || (this.#lines.rts && !this.#lines.dtr);
  }

  power(on: boolean): void {
    this.#powered = on;
    this.#update();
  }

  setLines(lines: ControlLines): void {
    this.#lines = { dtr: lines.dtr, rts: lines.rts };
    this.#update();
  }

  pressBoot(down: boolean): void {
    this.#boot = down;
    this.#update();
  }

  pressEnable(down: boolean): void {
    this.#enable = down;
    this.#update();
  }

  #update(): void {
    const held = !this.#powered || this.enableLow;
    if (held === this.#held) return;
    this.#held = held;
    this.#cancel?.();
    this.#cancel = undefined;
    if (held) {
      this.#events.held();
      return;
    }
    this.#cancel = this.#clock.at(this.#clock.now() + this.#delayMs, () => {
      this.#cancel = undefined;
      this.#events.released(this.sample());
    });
  }
}
