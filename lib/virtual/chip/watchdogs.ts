import type { Clock } from '../clock.ts';

/**
 * From a reset through the USB-Serial/JTAG controller to the bite of a watchdog that nobody looks after, in ms. That
 * reset leaves them as the code before it had set them, so a real chip may have less time left: these are what
 * ESP-IDF's bootloader sets (RTC watchdog) and what tells the two apart.
 */
const LEFT_RUNNING_MS = { rtc: 9000, super: 12_000 } as const;
/** Ticks of the slow clock a millisecond. */
const TICKS_PER_MS = 136;

export interface WatchdogEvents {
  bite(which: 'watchdog' | 'super-watchdog'): void;
}

/** RTC watchdog and super watchdog: each bites at its time unless it is switched off or told to feed itself. */
export class Watchdogs {
  readonly #clock: Clock;
  readonly #events: WatchdogEvents;
  #rtc: (() => void) | undefined;
  #super: (() => void) | undefined;

  constructor(clock: Clock, events: WatchdogEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  /** Both run on after a reset that does not reach them. */
  leaveRunning(): void {
    this.#setRtc(LEFT_RUNNING_MS.rtc);
    this.feedSuper(false);
  }

  /** Arms the RTC watchdog for so many slow-clock ticks; null switches it off. */
  setRtc(ticks: number | null): void {
    this.#setRtc(ticks === null ? null : Math.max(1, ticks / TICKS_PER_MS));
  }

  /** Whether the super watchdog feeds itself. */
  feedSuper(fed: boolean): void {
    this.#super?.();
    this.#super = fed ? undefined : this.#later(LEFT_RUNNING_MS.super, 'super-watchdog');
  }

  stop(): void {
    this.#setRtc(null);
    this.feedSuper(true);
  }

  #setRtc(ms: number | null): void {
    this.#rtc?.();
    this.#rtc = ms === null ? undefined : this.#later(ms, 'watchdog');
  }

  #later(ms: number, which: 'watchdog' | 'super-watchdog'): () => void {
    return this.#clock.at(this.#clock.now() + ms, () => this.#events.bite(which), true);
  }
}
