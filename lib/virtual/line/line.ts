import type { DeviceEnd } from '../../link/index.ts';
import type { Clock } from '../clock.ts';
import { type Direction, type Fault, Faults } from './faults.ts';
import { garble, ratesMatch } from './garble.ts';
import { StatsKeeper } from './stats.ts';

/** At the true rate of the line, or as fast as it goes. */
export type LineMode = 'paced' | 'free';

/** The rate a boot ROM talks at before anybody asked for another. */
export const ROM_BAUD = 115200;

/**
 * What passes over the chip's own USB controller (full speed, CDC), as a rate in baud: about 400 KB a second. Neither
 * side's baud rate has anything to do with it.
 */
const USB_RATE = 4_000_000;

/** Bytes towards the host leave in slices of about this long, as a driver would hand them on. */
const SLICE_MS = 2;

interface Piece {
  readonly bytes: Uint8Array;
  /** When its last byte has passed. */
  readonly at: number;
  /** Sender's rate. */
  readonly baud: number | null;
  /** May be late by a timer tick: more follows at once. */
  readonly coarse: boolean;
}

export interface LineEvents {
  /** Bytes as the chip's UART takes them in, garbled where the rates differ. */
  received(bytes: Uint8Array): void;
  /** A fault that is the chip's or the cable's business: reset, pull, brownout. */
  struck(fault: Fault): void;
}

/**
 * The serial line between one host and the chip's UART: 10 bits a byte, each direction busy for as long as its bytes
 * take (`paced`), or at once (`free`). Busy-until clocks make late timers harmless: nothing adds up.
 */
export class Line {
  readonly mode: LineMode;
  readonly faults = new Faults();
  readonly stats = new StatsKeeper();
  readonly #clock: Clock;
  readonly #events: LineEvents;
  readonly #usb: boolean;
  #end: DeviceEnd | undefined;
  #chipBaud: number | null = null;
  readonly #rx: Channel;
  readonly #tx: Channel;
  #lastHostByte = -1;
  #garbled = 0;

  /** `usb`: the chip's own controller in place of a UART and a bridge. */
  constructor(options: { clock: Clock; mode: LineMode; usb?: boolean; events: LineEvents }) {
    this.mode = options.mode;
    this.#usb = options.usb ?? false;
    this.#clock = options.clock;
    this.#events = options.events;
    this.#rx = new Channel(options.clock, (piece) => this.#arriveAtChip(piece));
    this.#tx = new Channel(options.clock, (piece) => this.#arriveAtHost(piece));
  }

  attach(end: DeviceEnd): void {
    this.#end = end;
    this.#lastHostByte = -1;
    end.onData((chunk) => {
      if (this.#end === end) this.#fromHost(chunk);
    });
    end.onClose(() => {
      if (this.#end === end) this.detach();
    });
  }

  detach(): void {
    this.#end = undefined;
    this.#rx.clear();
    this.#tx.clear();
  }

  get attached(): DeviceEnd | undefined {
    return this.#end;
  }

  /** The chip's own rate; null while its ROM still waits to measure the host's. */
  get chipBaud(): number | null {
    return this.#chipBaud;
  }

  set chipBaud(baud: number | null) {
    this.#chipBaud = baud;
  }

  /** The host's rate where the transport tells it, and where it means anything. */
  get hostBaud(): number | null {
    return this.#usb ? null : (this.#end?.baudRate ?? null);
  }

  /** When the last byte given to `send` has left. */
  get drainedAt(): number {
    return Math.max(this.#clock.now(), this.#tx.busyUntil);
  }

  /** The chip sends. Nobody listening is no reason to wait. */
  send(bytes: Uint8Array, baud = this.#chipBaud ?? ROM_BAUD): void {
    const now = this.#clock.now();
    if (this.mode === 'free') {
      this.stats.bytes('toHost', bytes.length, now, now);
      for (const part of this.#parts('toHost', bytes))
        this.#tx.push({ bytes: part, at: now, baud, coarse: false }, true);
      return;
    }
    const byteMs = 10_000 / (this.#usb ? USB_RATE : baud);
    const start = Math.max(now, this.#tx.busyUntil);
    this.stats.bytes('toHost', bytes.length, start, start + bytes.length * byteMs);
    const slice = Math.max(16, Math.ceil(SLICE_MS / byteMs));
    for (let from = 0; from < bytes.length; ) {
      const size = this.faults.reach('toHost', Math.min(slice, bytes.length - from), this.#tx.queued);
      const to = from + size;
      this.#tx.push({ bytes: bytes.subarray(from, to), at: start + to * byteMs, baud, coarse: to < bytes.length });
      from = to;
    }
  }

  /** Sends a reply to a command and notes when it has left. */
  reply(op: number, bytes: Uint8Array): void {
    this.send(bytes);
    this.stats.replied(op, this.drainedAt);
  }

  /** The chip was reset: what it had not sent yet is gone, what is on its way to it is lost on it. */
  reset(): void {
    this.#tx.clear();
    this.#chipBaud = null;
  }

  /** Nothing passes either way for `ms`; absent = for ever. Bytes meanwhile wait, as behind a hung hub. */
  stall(ms: number | undefined): void {
    const until = ms === undefined ? Number.POSITIVE_INFINITY : this.#clock.now() + ms;
    this.#rx.hold(until);
    this.#tx.hold(until);
  }

  /** Lets a stalled line go on. */
  resume(): void {
    this.#rx.hold(0);
    this.#tx.hold(0);
  }

  #fromHost(chunk: Uint8Array): void {
    const now = this.#clock.now();
    const baud = this.hostBaud;
    if (this.mode === 'free') {
      this.stats.bytes('toChip', chunk.length, now, now);
      for (const part of this.#parts('toChip', chunk))
        this.#rx.push({ bytes: part, at: now, baud, coarse: false }, true);
      return;
    }
    const byteMs = 10_000 / (this.#usb ? USB_RATE : (baud ?? this.#chipBaud ?? ROM_BAUD));
    const start = Math.max(now, this.#rx.busyUntil);
    this.stats.bytes('toChip', chunk.length, start, start + chunk.length * byteMs);
    let from = 0;
    for (const end of cuts(chunk, this.#lastHostByte)) {
      while (from < end) {
        const size = this.faults.reach('toChip', end - from, this.#rx.queued);
        this.#rx.push({
          bytes: chunk.subarray(from, from + size),
          at: start + (from + size) * byteMs,
          baud,
          coarse: false,
        });
        from += size;
      }
    }
    this.#lastHostByte = chunk.at(-1) ?? this.#lastHostByte;
  }

  /** Cut behind each byte that a fault waits for. */
  *#parts(direction: Direction, bytes: Uint8Array): Generator<Uint8Array> {
    const channel = direction === 'toChip' ? this.#rx : this.#tx;
    for (let from = 0; from < bytes.length; ) {
      const size = this.faults.reach(direction, bytes.length - from, channel.queued);
      yield bytes.subarray(from, from + size);
      from += size;
    }
  }

  #arriveAtChip(piece: Piece): void {
    this.#pass('toChip', piece, (bytes) => {
      const chip = this.#chipBaud;
      if (chip === null || ratesMatch(piece.baud, chip)) this.#events.received(bytes);
      else this.#events.received(garble(bytes, (piece.baud as number) / chip, this.#garbled++));
    });
  }

  #arriveAtHost(piece: Piece): void {
    this.#pass('toHost', piece, (bytes) => {
      const host = this.hostBaud;
      const rate = piece.baud as number;
      this.#end?.send(ratesMatch(host, rate) ? bytes : garble(bytes, rate / (host as number), this.#garbled++));
    });
  }

  #pass(direction: Direction, piece: Piece, deliver: (bytes: Uint8Array) => void): void {
    const channel = direction === 'toChip' ? this.#rx : this.#tx;
    const waiting: Uint8Array[] = [];
    let stalled = false;
    for (const passage of this.faults.pass(direction, piece.bytes, piece.baud)) {
      if ('fault' in passage) {
        const { fault } = passage;
        if (fault.kind === 'stall') {
          stalled = true;
          this.stall(fault.ms);
        } else this.#events.struck(fault);
      } else if (stalled) waiting.push(passage.bytes);
      else if (this.#end !== undefined) deliver(passage.bytes);
    }
    for (const bytes of waiting.reverse()) {
      this.faults.giveBack(direction, bytes.length);
      channel.putBack({ ...piece, bytes });
    }
  }
}

/** Where a chunk is cut so that each SLIP frame is handed over when its own last byte has arrived. */
function cuts(chunk: Uint8Array, before: number): number[] {
  const ends: number[] = [];
  let previous = before;
  for (let i = 0; i < chunk.length; i++) {
    const byte = chunk[i] as number;
    if (byte === 0xc0 && previous !== 0xc0 && previous !== -1) ends.push(i + 1);
    previous = byte;
  }
  if (ends.at(-1) !== chunk.length) ends.push(chunk.length);
  return ends;
}

/** Pieces in one direction, each handed on at its time. */
class Channel {
  readonly #clock: Clock;
  readonly #deliver: (piece: Piece) => void;
  #queue: Piece[] = [];
  #cancel: (() => void) | undefined;
  #busyUntil = 0;
  #heldUntil = 0;
  #draining = false;
  queued = 0;

  constructor(clock: Clock, deliver: (piece: Piece) => void) {
    this.#clock = clock;
    this.#deliver = deliver;
  }

  get busyUntil(): number {
    return this.#busyUntil;
  }

  push(piece: Piece, atOnce = false): void {
    this.#queue.push(piece);
    this.queued += piece.bytes.length;
    this.#busyUntil = Math.max(this.#busyUntil, piece.at);
    if (atOnce) this.#drain();
    else this.#schedule();
  }

  /** Back to the head of the queue, after a stall; already counted by the faults. */
  putBack(piece: Piece): void {
    this.#queue.unshift(piece);
    this.queued += piece.bytes.length;
  }

  hold(until: number): void {
    this.#heldUntil = until;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#schedule();
  }

  clear(): void {
    this.#queue = [];
    this.queued = 0;
    this.#busyUntil = 0;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #schedule(): void {
    const head = this.#queue[0];
    if (head === undefined || this.#cancel !== undefined || this.#draining) return;
    const at = Math.max(head.at, this.#heldUntil);
    if (at === Number.POSITIVE_INFINITY) return;
    this.#cancel = this.#clock.at(
      at,
      () => {
        this.#cancel = undefined;
        this.#drain();
      },
      head.coarse,
    );
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    try {
      const now = this.#clock.now();
      for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
        if (Math.max(head.at, this.#heldUntil) > now) break;
        this.#queue.shift();
        this.queued -= head.bytes.length;
        this.#deliver(head);
      }
    } finally {
      this.#draining = false;
    }
    this.#schedule();
  }
}
