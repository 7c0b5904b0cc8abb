import { Application } from '../app/application.ts';
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
  #starts: BootScript['starts'] = null;
  /** When the last line is out, from the start of the boot. */
  #lastAt = START_MS;
  #application: Application | undefined;
  #cancel: (() => void) | undefined;

  constructor(context: ChipContext, events: BootEvents) {
    this.#context = context;
    this.#events = events;
    this.#start = context.clock.now();
    this.#at(START_MS, () => {
      const script = new BootScript(START_MS, context.line.mode === 'paced');
      this.#end = startFromRom(context, script);
      this.#lines = script.lines;
      this.#starts = script.starts;
      this.#lastAt = script.lines.at(-1)?.at ?? START_MS;
      this.#play();
    });
  }

  received(): void {
    // No app of the bench listens.
  }

  stop(): void {
    this.#cancel?.();
    this.#application?.stop();
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
      this.#launch();
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

  /** An app with an identity goes on as the application, where the chip has one. */
  #launch(): void {
    const [starts, context] = [this.#starts, this.#context];
    const { application: options } = context;
    if (starts === null || options === undefined) return;
    const place = { context, options, table: starts.table, declared: starts.identity, startedAt: this.#start };
    this.#at(this.#lastAt, () => {
      this.#application = new Application({ ...place, print: (lines) => this.#events.print(lines) });
    });
  }

  #at(ms: number, callback: () => void): void {
    this.#cancel = this.#context.clock.at(this.#start + ms, callback, true);
  }
}
