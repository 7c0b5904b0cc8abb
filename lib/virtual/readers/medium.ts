import type { Clock } from '../clock.ts';
import { garble, ratesMatch } from '../line/garble.ts';
import { BusFaults } from './faults.ts';

/** Who is on a bus. */
export interface Station {
  /** What it sends and listens at, in baud; null when nobody can tell: then it fits everything. */
  readonly baudRate: number | null;
  /** Wants bytes as they arrive, in pieces; others get each talk when it is over. */
  readonly inPieces: boolean;
  /** @param at when the last of them passed; the call may come a little later. */
  hear(bytes: Uint8Array, at: number): void;
}

/** What has gone over a bus. Times in ms. */
export interface BusStats {
  frames: number;
  bytes: number;
  /** How long the wire was busy, talks that nobody heard included. */
  wireMs: number;
  /** Two characters before each frame of a host, at its rate. Before a reader's they are part of its time to reply. */
  idleMs: number;
  /** What the readers took to reply, and to change their rate. */
  replyMs: number;
  switchMs: number;
  collisions: number;
  /** Begin of the first talk and end of the last; null before any. */
  from: number | null;
  to: number;
}

interface Talk {
  readonly station: Station;
  /** As it is heard; null when a fault swallows it. */
  readonly heard: Uint8Array | null;
  readonly length: number;
  readonly baudRate: number | null;
  readonly start: number;
  readonly byteMs: number;
  readonly end: number;
  /** When others talked too. */
  readonly clashes: [number, number][];
  handedOn: number;
}

/** Bytes in a piece: what a UART's buffer holds before it speaks up. */
const PIECE = 16;
/** How long a talk is remembered after its end, for others that were to begin before it and are late, in ms. */
const LATE_MS = 50;

/**
 * Two wires that all stations share: 10 bits a byte, nobody hears himself, who talks while another does is not
 * understood by anyone, and who listens at another rate hears garbage.
 */
export class Medium {
  readonly clock: Clock;
  readonly mode: 'paced' | 'free';
  readonly faults = new BusFaults();
  readonly stats: BusStats = emptyStats();
  /** Whether who talks hears his own bytes, as some two-wire adapters have it. */
  echo = false;
  /** The rate at which bytes of stations without one take their time. */
  readonly #defaultBaud: number;
  readonly #stations = new Set<Station>();
  #talks: Talk[] = [];
  #garbled = 0;

  constructor(options: { clock: Clock; mode: 'paced' | 'free'; defaultBaud: number }) {
    this.clock = options.clock;
    this.mode = options.mode;
    this.#defaultBaud = options.defaultBaud;
  }

  join(station: Station): void {
    this.#stations.add(station);
  }

  leave(station: Station): void {
    this.#stations.delete(station);
  }

  /** Characters at the rate, in ms. */
  characters(count: number, baudRate: number | null): number {
    return this.mode === 'free' ? 0 : (count * 10_000) / (baudRate ?? this.#defaultBaud);
  }

  /**
   * Sends now, or as soon as the station's own last talk is over. `after` is called when everybody has heard the last
   * byte. `at` is when it was to be sent, where a timer was late. Returns when the last byte will have passed.
   */
  send(station: Station, bytes: Uint8Array, options: { after?: (() => void) | undefined; at?: number } = {}): number {
    const now = this.clock.now();
    const last = this.#talks.findLast((talk) => talk.station === station);
    const start = Math.max(options.at ?? now, last?.end ?? 0);
    const { baudRate } = station;
    const byteMs = this.characters(1, baudRate);
    const end = start + bytes.length * byteMs;
    const talk: Talk = {
      station,
      heard: this.faults.strike(bytes),
      length: bytes.length,
      baudRate,
      start,
      byteMs,
      end,
      clashes: [],
      handedOn: 0,
    };
    const past = this.mode === 'free' ? now : now - LATE_MS;
    this.#talks = this.#talks.filter(({ end }) => end >= past);
    for (const other of this.#talks) this.#clash(other, talk);
    this.#talks.push(talk);
    this.#count(talk);
    this.#schedule(talk, options.after);
    return end;
  }

  clearStats(): void {
    Object.assign(this.stats, emptyStats());
  }

  #clash(one: Talk, other: Talk): void {
    if (one.station === other.station) return;
    const from = Math.max(one.start, other.start);
    const to = Math.min(one.end, other.end);
    // Talks without length clash when both answer at once; a panel's talk and the answer to it do not.
    if (this.mode === 'free' ? one.station.inPieces || other.station.inPieces : to <= from) return;
    one.clashes.push([from, to]);
    other.clashes.push([from, to]);
    this.stats.collisions++;
  }

  #count(talk: Talk): void {
    const { stats } = this;
    stats.frames++;
    stats.bytes += talk.length;
    stats.wireMs += talk.end - talk.start;
    if (talk.station.inPieces) stats.idleMs += 2 * talk.byteMs;
    stats.from ??= talk.start;
    stats.to = Math.max(stats.to, talk.end);
  }

  /** The last piece comes on time; those before it may be late by a timer tick, for they only show that more comes. */
  #schedule(talk: Talk, after: (() => void) | undefined): void {
    const hand = (to: number, last: boolean): void => {
      if (to <= talk.handedOn && !last) return;
      const from = talk.handedOn;
      talk.handedOn = to;
      this.#deliver(talk, from, to, last);
    };
    this.clock.at(talk.end, () => {
      hand(talk.length, true);
      after?.();
    });
    if (this.mode === 'free') return;
    for (let to = PIECE; to < talk.length; to += PIECE) {
      this.clock.at(talk.start + to * talk.byteMs, () => hand(to, false), true);
    }
  }

  #deliver(talk: Talk, from: number, to: number, last: boolean): void {
    if (talk.heard === null) return;
    let piece: Uint8Array | undefined;
    for (const station of [...this.#stations]) {
      if (station === talk.station && !(this.echo && station.inPieces)) continue;
      if (station.inPieces) {
        piece ??= this.#bytes(talk, from, to);
        station.hear(this.#at(station, talk, piece), talk.start + to * talk.byteMs);
      } else if (last) station.hear(this.#at(station, talk, this.#bytes(talk, 0, talk.length)), talk.end);
    }
  }

  #at(station: Station, talk: Talk, bytes: Uint8Array): Uint8Array {
    if (ratesMatch(talk.baudRate, station.baudRate)) return bytes;
    return garble(bytes, (talk.baudRate as number) / (station.baudRate as number), this.#garbled++);
  }

  #bytes(talk: Talk, from: number, to: number): Uint8Array {
    const heard = talk.heard as Uint8Array;
    const out = heard.slice(from, to);
    for (const [begin, end] of talk.clashes) {
      for (let i = from; i < to; i++) {
        const at = talk.start + i * talk.byteMs;
        if (at + talk.byteMs < begin || at > end) continue;
        const noise = garble(heard.subarray(i, i + 1), 1, this.#garbled++);
        out[i - from] = noise[0] as number;
      }
    }
    return out;
  }
}

function emptyStats(): BusStats {
  return {
    frames: 0,
    bytes: 0,
    wireMs: 0,
    idleMs: 0,
    replyMs: 0,
    switchMs: 0,
    collisions: 0,
    from: null,
    to: 0,
  };
}
