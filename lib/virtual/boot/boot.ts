import type { ChipContext, Program } from '../chip/context.ts';
import { startFromRom } from './rom-stage.ts';
import { type BootEnd, type BootLine, BootScript } from './script.ts';

/** From a failed boot to the next try, in ms: a chip that cannot boot loops, and nobody is to drown in it. */
const RETRY_MS = 2000;
/** Lines that come within this many ms go out together. */
const GROUP_MS = 15;
/** From the straps to the ROM's first look at the flash. */
const START_MS = 5;

/** What the chip does about the console and the next try. */
export interface BootEvents {
  print(lines: readonly BootLine[]): void;
  ended(end: BootEnd): void;
}

/** The chip runs from flash: ROM, second-stage bootloader, app. What the host sends meanwhile goes nowhere. */
export class FlashBoot implements Program {
  readonly #context: ChipContext;
  readonly #events: BootEvents;
  readonly #start: number;
  #lines: BootLine[] = [];
  #end: BootEnd = 'running';
  #cancel: (() => void) | undefined;

  constructor(context: ChipContext, events: BootEvents) {
    this.#context = context;
    this.#events = events;
    this.#start = context.clock.now();
    this.#at(START_MS, () => {
      const script = new BootScript(START_MS, context.line.mode === 'paced');
      this.#end = startFromRom(context, script);
      this.#lines = script.lines;
      this.#play();
    });
  }

  received(): void {
    // No app of the bench listens.
  }

  stop(): void {
    this.#cancel?.();
  }

  #play(): void {
    const first = this.#lines[0];
    if (first === undefined) {
      this.#finish();
      return;
    }
    this.#at(first.at, () => {
      const count = this.#lines.findIndex(({ at }) => at > first.at + GROUP_MS);
      this.#events.print(this.#lines.splice(0, count < 0 ? this.#lines.length : count));
      this.#play();
    });
  }

  #finish(): void {
    const end = this.#end;
    if (end === 'running') {
      this.#events.ended(end);
      return;
    }
    const { clock, line } = this.#context;
    this.#at(line.drainedAt - this.#start, () => {
      this.#events.ended(end);
      this.#cancel = clock.at(
        clock.now() + RETRY_MS,
        () => this.#context.reset(end === 'rom-watchdog' || end === 'panic' ? end : 'software'),
        true,
      );
    });
  }

  #at(ms: number, callback: () => void): void {
    this.#cancel = this.#context.clock.at(this.#start + ms, callback, true);
  }
}
