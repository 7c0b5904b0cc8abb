import { EventEmitter } from 'node:events';
import type { ControlLines, DeviceEnd } from '../../link/index.ts';
import { checkApplication } from '../app/options.ts';
import { FlashBoot } from '../boot/boot.ts';
import type { BootEnd, BootLine } from '../boot/script.ts';
import { SecureBoot } from '../boot/secure-boot.ts';
import { realClock } from '../clock.ts';
import type { Fault } from '../line/faults.ts';
import { Line, ROM_BAUD } from '../line/line.ts';
import type { LineStats } from '../line/stats.ts';
import type { ChipContext, Program } from './context.ts';
import { FlashEncryption } from './encryption.ts';
import { FlashMemory } from './flash.ts';
import type { ChipModel, KnownStub, ResetReason } from './models/model.ts';
import type { Connection, VirtualChipOptions } from './options.ts';
import { opName } from './protocol.ts';
import { Ram } from './ram.ts';
import { Registers } from './registers.ts';
import { RomLoader } from './rom.ts';
import { checkOptions, formatMac } from './setup.ts';
import { Straps } from './straps.ts';
import { Stub } from './stub.ts';
import { UsbJtagLines } from './usb-jtag.ts';
import { Watchdogs } from './watchdogs.ts';

/** From the banner to the loader listening, in ms. What arrives before is lost. */
const LOADER_START_MS = 10;
/** From a panic's text to the reset. */
const PANIC_MS = 10;
/** From the start of the chip to its own USB port being there, in ms. */
const ENUMERATE_MS = 40;
/** Resets that reach the USB controller: the port goes away and comes back. */
const REACHES_USB: ReadonlySet<ResetReason> = new Set<ResetReason>([
  'power-on',
  'watchdog',
  'super-watchdog',
  'brownout',
]);
/** Resets that print the same on all families that know them. */
const COMMON_RESETS = { usb: '0x15 (USB_UART_CHIP_RESET)', 'super-watchdog': '0x12 (SUPER_WDT_RST)' } as const;

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
  /** The port of the chip's own USB controller appeared, or went away. */
  usb: [{ readonly present: boolean }];
}

/**
 * A chip on the bench: ROM, RAM, flash, straps and a serial port. It behaves like the real thing and is reached like
 * it, through the device end of a cable; the methods here are what a hand does at a bench.
 */
export class VirtualChip extends EventEmitter<ChipEvents> {
  readonly model: ChipModel;
  /** Lower case, with colons. */
  readonly mac: string;
  readonly connection: Connection;
  /** The flash's content, live. */
  readonly flash: Uint8Array;
  readonly #line: Line;
  readonly #straps: Straps;
  readonly #context: ChipContext;
  readonly #memory: FlashMemory;
  #program: Program | undefined;
  #reason: ResetReason = 'power-on';
  #powered = false;
  readonly #watchdogs: Watchdogs;
  readonly #usbLines: UsbJtagLines | undefined;
  #usbPresent = false;
  #cancelUsb: (() => void) | undefined;
  #cancel: (() => void) | undefined;
  #pull: (() => void) | undefined;

  /** @throws BAD_CHIP_MODEL, BAD_MAC, BAD_CHIP_OPTION */
  constructor(options: VirtualChipOptions) {
    super();
    const checked = checkOptions(options);
    const { model, mac, flash, security, revision, strapDelayMs, connection } = checked;
    const clock = options.clock ?? realClock;
    this.model = model;
    this.mac = formatMac(mac);
    this.connection = connection;
    this.#usbLines =
      connection === 'usb-jtag' ? new UsbJtagLines((download) => this.#reset('usb', download)) : undefined;
    this.flash = flash;
    this.#memory = new FlashMemory(flash, {
      timed: options.flashTiming ?? false,
      changed: (offset, size) => void this.emit('flash', { offset, size }),
    });
    this.#line = new Line({
      clock,
      mode: options.line ?? 'free',
      usb: connection === 'usb-jtag',
      events: {
        received: (bytes) => this.#program?.received(bytes),
        struck: (fault) => this.#struck(fault),
      },
    });
    this.#watchdogs = new Watchdogs(clock, { bite: (which) => this.#reset(which) });
    const registers = new Registers(model, { ...checked, ...revision }, this.#memory.sizeCode, {
      watchdog: (ticks) => this.#watchdogs.setRtc(ticks),
      superWatchdog: (fed) => this.#watchdogs.feedSuper(fed),
    });
    const encryption = new FlashEncryption(model, security, this.#memory);
    this.#context = {
      application: options.application === undefined ? undefined : checkApplication(options.application),
      model,
      clock,
      line: this.#line,
      flash: this.#memory,
      encryption,
      secureBoot: new SecureBoot(model, security, this.#memory, encryption),
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
      held: () => {
        this.#halt();
        this.#usbGone();
      },
      released: (download) => this.#start(download),
    });
    this.powerOn();
  }

  /** Whether the port of the chip's own USB controller is there. */
  get hasUsbPort(): boolean {
    return this.#usbPresent;
  }

  /** Whether the chip has power. */
  get isPowered(): boolean {
    return this.#powered;
  }

  /** Connects a host's cable. The chip takes no notice but for the control lines. */
  attach(end: DeviceEnd): void {
    this.detach();
    this.#line.attach(end);
    this.#setLines(end.lines);
    end.onLines((lines) => {
      if (this.#line.attached === end) this.#setLines(lines);
    });
    end.onClose(() => {
      if (this.#pull === pull) this.#setLines({ dtr: false, rts: false });
    });
    const pull = (): void => end.unplug();
    this.#pull = pull;
  }

  /** Takes the cable off: the control lines let go. */
  detach(): void {
    this.#line.detach();
    this.#pull = undefined;
    this.#setLines({ dtr: false, rts: false });
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
    this.#watchdogs.stop();
    this.#program?.stop();
    this.#program = undefined;
    this.#line.reset();
    this.#context.registers.reset();
    this.#context.ram.clear();
    if (this.#reason !== 'brownout') this.#reason = 'power-on';
  }

  /** `download`: asked for over USB, whatever the boot pin says. */
  #reset(reason: ResetReason, download = false): void {
    if (!this.#powered) return;
    this.#halt();
    this.#reason = reason;
    if (reason === 'usb' && download) this.#watchdogs.leaveRunning();
    if (REACHES_USB.has(reason)) this.#usbGone();
    if (this.#straps.enableLow) return;
    // A reset over USB is one of the core alone: a chip that came up with BOOT held stays in its loader.
    this.#later(1, () => this.#start(download || (reason === 'usb' ? this.#straps.latched : this.#straps.sample())));
  }

  #setLines(lines: ControlLines): void {
    if (this.#usbLines === undefined) this.#straps.setLines(lines);
    else this.#usbLines.set(lines);
  }

  /** The port of the chip's own USB controller goes away, and with it the host's link. */
  #usbGone(): void {
    this.#cancelUsb?.();
    this.#cancelUsb = undefined;
    this.#usbLines?.clear();
    if (!this.#usbPresent) return;
    this.#usbPresent = false;
    this.emit('usb', { present: false });
    this.#pull?.();
  }

  #usbComes(): void {
    if (this.#usbLines === undefined || this.#usbPresent || this.#cancelUsb !== undefined) return;
    const { clock } = this.#context;
    this.#cancelUsb = clock.at(clock.now() + ENUMERATE_MS, () => {
      this.#cancelUsb = undefined;
      this.#usbPresent = true;
      this.emit('usb', { present: true });
    });
  }

  #start(download: boolean): void {
    const { rom } = this.model;
    const reason = this.#reason;
    this.#reason = 'power-on';
    this.#line.chipBaud = ROM_BAUD;
    this.#usbComes();
    this.emit('boot', { mode: download ? 'download' : 'flash', reason });
    const mode = download ? rom.downloadMode : rom.bootMode;
    this.#context.registers.straps = Number.parseInt(mode, 16);
    const { earlier } = rom;
    const banner = this.#context.revision.major < (earlier?.beforeMajor ?? 0) ? earlier?.banner : rom.banner;
    const reset = reason === 'usb' || reason === 'super-watchdog' ? COMMON_RESETS[reason] : rom.resetReasons[reason];
    this.#print([...(banner ?? []), `rst:${reset},boot:${mode}`]);
    if (rom.savedPc !== null && reason !== 'power-on') this.#print([rom.savedPc]);
    if (!download) {
      this.#boot();
      return;
    }
    this.#print([this.#context.security.secureDownload ? 'waiting for download(secure mode)' : 'waiting for download']);
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
    if (stub.generation === 2) this.#watchdogs.stop();
    this.#program = new Stub(this.#context, stub);
  }

  #crash(what: string): void {
    this.#program?.stop();
    this.#program = undefined;
    this.emit('trace', `crashes: ${what}`);
    this.#print(this.model.rom.panic);
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
