import { EventEmitter } from 'node:events';
import type { DeviceEnd } from '../../link/index.ts';
import { FlashBoot } from '../boot/boot.ts';
import type { BootEnd, BootLine } from '../boot/script.ts';
import { realClock } from '../clock.ts';
import type { Fault } from '../line/faults.ts';
import { Line, ROM_BAUD } from '../line/line.ts';
import type { LineStats } from '../line/stats.ts';
import type { ChipContext, Program } from './context.ts';
import { FlashMemory } from './flash.ts';
import type { ChipModel, KnownStub, ResetReason } from './models/model.ts';
import type { VirtualChipOptions } from './options.ts';
import { opName } from './protocol.ts';
import { Ram } from './ram.ts';
import { Registers } from './registers.ts';
import { RomLoader } from './rom.ts';
import { checkOptions, formatMac } from './setup.ts';
import { Straps } from './straps.ts';
import { Stub } from './stub.ts';

/** From the banner to the loader listening, in ms. What arrives before is lost. */
const LOADER_START_MS = 10;
/** From a panic's text to the reset. */
const PANIC_MS = 10;

/** What a virtual chip says of itself. Listeners get one object. */
export interface ChipEvents {
  /** The ROM has read its straps. */
  boot: [{ readonly mode: 'flash' | 'download'; readonly reason: ResetReason }];
  /** The boot from flash has come to its end: the app runs, or why the chip will start again. */
  booted: [BootEnd];
  /** A line of text that the chip printed, without line end and colours. */
  log: [string];
  /** A command was answered; `status` 0 = well, else the loader's error code. */
  command: [
    {
      readonly by: 'rom' | 'stub';
      readonly op: number;
      readonly name: string;
      readonly length: number;
      readonly status: number;
    },
  ];
  /** For people who wonder why a host does not get on. */
  trace: [string];
  /** Flash bytes changed. */
  flash: [{ readonly offset: number; readonly size: number }];
  /** The cable was pulled by a fault. */
  pull: [];
}

/**
 * A chip on the bench: ROM, RAM, flash, straps and a serial port. It behaves like the real thing and is reached like
 * it, through the device end of a cable; the methods here are what a hand does at a bench.
 */
export class VirtualChip extends EventEmitter<ChipEvents> {
  readonly model: ChipModel;
  /** Lower case, with colons. */
  readonly mac: string;
  /** The flash's content, live. */
  readonly flash: Uint8Array;
  readonly #line: Line;
  readonly #straps: Straps;
  readonly #context: ChipContext;
  readonly #memory: FlashMemory;
  #program: Program | undefined;
  #reason: ResetReason = 'power-on';
  #powered = false;
  #cancel: (() => void) | undefined;
  #pull: (() => void) | undefined;

  /** @throws BAD_CHIP_MODEL, BAD_MAC, BAD_CHIP_OPTION */
  constructor(options: VirtualChipOptions) {
    super();
    const { model, mac, flash, security, revision, strapDelayMs } = checkOptions(options);
    const clock = options.clock ?? realClock;
    this.model = model;
    this.mac = formatMac(mac);
    this.flash = flash;
    this.#memory = new FlashMemory(flash, {
      timed: options.flashTiming ?? false,
      changed: (offset, size) => void this.emit('flash', { offset, size }),
    });
    this.#line = new Line({
      clock,
      mode: options.line ?? 'free',
      events: {
        received: (bytes) => this.#program?.received(bytes),
        struck: (fault) => this.#struck(fault),
      },
    });
    const words = model.words({ mac, ...revision, package: 0, security });
    const registers = new Registers(model, words, this.#memory.sizeCode, {
      watchdog: (ticks) => this.#later(Math.max(1, ticks / 136), () => this.#reset('watchdog')),
    });
    this.#context = {
      model,
      clock,
      line: this.#line,
      flash: this.#memory,
      registers,
      ram: new Ram(model),
      security,
      revision,
      answered: (by, op, length, status) => this.#answered(by, op, length, status),
      trace: (text) => void this.emit('trace', text),
      reset: (reason) => this.#reset(reason),
      runFlash: () => this.#boot(),
      runStub: (stub) => this.#runStub(stub),
      crash: (what) => this.#crash(what),
    };
    this.#straps = new Straps(clock, strapDelayMs, {
      held: () => this.#halt(),
      released: (download) => this.#start(download),
    });
    this.powerOn();
  }

  /** Whether the chip has power. */
  get isPowered(): boolean {
    return this.#powered;
  }

  /** Connects a host's cable. The chip takes no notice but for the control lines. */
  attach(end: DeviceEnd): void {
    this.detach();
    this.#line.attach(end);
    this.#straps.setLines(end.lines);
    end.onLines((lines) => {
      if (this.#line.attached === end) this.#straps.setLines(lines);
    });
    end.onClose(() => {
      if (this.#pull === pull) this.#straps.setLines({ dtr: false, rts: false });
    });
    const pull = (): void => end.unplug();
    this.#pull = pull;
  }

  /** Takes the cable off: the control lines let go. */
  detach(): void {
    this.#line.detach();
    this.#pull = undefined;
    this.#straps.setLines({ dtr: false, rts: false });
  }

  powerOn(): void {
    if (this.#powered) return;
    this.#powered = true;
    this.#reason = 'power-on';
    this.#straps.power(true);
  }

  powerOff(): void {
    if (!this.#powered) return;
    this.#powered = false;
    this.#straps.power(false);
  }

  /** BOOT, or IO0 to ground. */
  pressBoot(down: boolean): void {
    this.#straps.pressBoot(down);
  }

  /** EN, or RESET. */
  pressEnable(down: boolean): void {
    this.#straps.pressEnable(down);
  }

  /** @throws BAD_FAULT */
  setFault(fault: Fault): void {
    this.#line.faults.set(fault);
  }

  /** Calls off what has not struck yet, and lets a stalled line go on. */
  clearFaults(): void {
    this.#line.faults.clear();
    this.#line.resume();
  }

  stats(): LineStats {
    return this.#line.stats.get();
  }

  resetStats(): void {
    this.#line.stats.reset();
    this.#line.faults.restart();
  }

  #answered(by: 'rom' | 'stub', op: number, length: number, status: number): void {
    this.#line.stats.command(op);
    this.emit('command', { by, op, name: opName(op), length, status });
  }

  /** Stops whatever runs. The flash keeps what it has, an erase or write under way included. */
  #halt(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#program?.stop();
    this.#program = undefined;
    this.#line.reset();
    this.#context.registers.reset();
    this.#context.ram.clear();
    if (this.#reason !== 'brownout') this.#reason = 'power-on';
  }

  #reset(reason: ResetReason): void {
    this.#halt();
    this.#reason = reason;
    if (this.#powered && !this.#straps.enableLow) this.#later(1, () => this.#start(this.#straps.bootPinLow));
  }

  #start(download: boolean): void {
    const { rom } = this.model;
    const reason = this.#reason;
    this.#reason = 'power-on';
    this.#line.chipBaud = ROM_BAUD;
    this.emit('boot', { mode: download ? 'download' : 'flash', reason });
    this.#print([...rom.banner, `rst:${rom.resetReasons[reason]},boot:${download ? rom.downloadMode : rom.bootMode}`]);
    if (!download) {
      this.#boot();
      return;
    }
    this.#print(['waiting for download']);
    this.#later(LOADER_START_MS, () => {
      this.#program = new RomLoader(this.#context);
    });
  }

  #boot(): void {
    this.#program?.stop();
    this.#line.chipBaud = ROM_BAUD;
    this.#program = new FlashBoot(this.#context, {
      print: (lines) => this.#print(lines),
      ended: (end) => void this.emit('booted', end),
    });
  }

  #runStub(stub: KnownStub): void {
    this.#program?.stop();
    this.emit('trace', `runs ${stub.name}`);
    this.#program = new Stub(this.#context, stub);
  }

  #crash(what: string): void {
    this.#program?.stop();
    this.#program = undefined;
    this.emit('trace', `crashes: ${what}`);
    this.#print([
      "Guru Meditation Error: Core  0 panic'ed (Illegal instruction). Exception was unhandled.",
      '',
      'Rebooting...',
    ]);
    this.#later(PANIC_MS, () => this.#reset('panic'));
  }

  #struck({ kind }: Fault): void {
    this.emit('trace', `fault: ${kind}`);
    if (kind === 'pull') {
      this.#pull?.();
      this.emit('pull');
    } else if (kind === 'reset') this.#reset('power-on');
    else if (kind === 'brownout') this.#brownOut();
  }

  #brownOut(): void {
    this.#program?.stop();
    this.#program = undefined;
    this.#print(['', 'Brownout detector was triggered', '']);
    this.#later(PANIC_MS, () => this.#reset('brownout'));
  }

  #print(lines: readonly (string | BootLine)[]): void {
    const wire = lines.map((line) => `${typeof line === 'string' ? line : line.wire}\r\n`).join('');
    this.#line.send(new TextEncoder().encode(wire), ROM_BAUD);
    for (const line of lines) this.emit('log', typeof line === 'string' ? line : line.text);
  }

  #later(ms: number, callback: () => void): void {
    this.#cancel?.();
    const { clock } = this.#context;
    this.#cancel = clock.at(clock.now() + ms, () => {
      this.#cancel = undefined;
      callback();
    });
  }
}
