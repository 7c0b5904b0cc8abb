import { fail } from '../errors.ts';
import { Noise } from './noise.ts';

/** A direction of the serial line. */
export type Direction = 'toChip' | 'toHost';

/**
 * Something that goes wrong on the line or at the chip, at a byte. `at` counts bytes of that direction: from the moment
 * the fault is set (`from: 'now'`, the default) or from the last `resetStats()` (`from: 'start'`). Each strikes once, but
 * for `noise`, which lasts until the faults are cleared.
 */
export interface Fault {
  readonly kind: 'drop' | 'flip' | 'noise' | 'stall' | 'reset' | 'pull' | 'brownout';
  /** Default toChip. */
  readonly direction?: Direction;
  /** 0 is the next byte. Default 0. */
  readonly at?: number;
  readonly from?: 'now' | 'start';
  /** flip: which bits; default 0x01. */
  readonly mask?: number;
  /** drop: how many bytes; default 1. */
  readonly count?: number;
  /** noise: a bit flips once in about so many bytes; default 2000. */
  readonly every?: number;
  /** noise: the line carries this rate, and lower ones, without. Default 0: it is noisy at any rate. */
  readonly aboveBaud?: number;
  /** stall: how long, in ms; absent = for ever. */
  readonly ms?: number;
}

interface Armed {
  readonly fault: Fault;
  /** Absolute byte index in its direction. */
  readonly index: number;
}

/** What is left of a run of bytes after the faults on it, in order. */
export type Passage = { readonly bytes: Uint8Array } | { readonly fault: Fault };

/** Keeps the faults that wait for their byte. */
export class Faults {
  #armed: Armed[] = [];
  #noise: { readonly direction: Direction; readonly noise: Noise }[] = [];
  readonly #count: Record<Direction, number> = { toChip: 0, toHost: 0 };
  readonly #start: Record<Direction, number> = { toChip: 0, toHost: 0 };

  /** @throws BAD_FAULT */
  set(fault: Fault): void {
    check(fault);
    const direction = fault.direction ?? 'toChip';
    if (fault.kind === 'noise') {
      this.#noise.push({ direction, noise: new Noise({ ...fault, seed: this.#noise.length + 1 }) });
      return;
    }
    const base = fault.from === 'start' ? this.#start[direction] : this.#count[direction];
    this.#armed.push({ fault, index: base + (fault.at ?? 0) });
    this.#armed.sort((a, b) => a.index - b.index);
  }

  clear(): void {
    this.#armed = [];
    this.#noise = [];
  }

  /** From here `from: 'start'` counts. */
  restart(): void {
    this.#start.toChip = this.#count.toChip;
    this.#start.toHost = this.#count.toHost;
  }

  /** How many of the next `length` bytes pass before one is struck, plus that one; `length` when none is. */
  reach(direction: Direction, length: number, queued: number): number {
    const from = this.#count[direction] + queued;
    for (const { fault, index } of this.#armed) {
      if ((fault.direction ?? 'toChip') !== direction || index < from) continue;
      return Math.min(length, index - from + 1);
    }
    return length;
  }

  /** Bytes that passed did not, after all: a stall holds them back. */
  giveBack(direction: Direction, count: number): void {
    this.#count[direction] -= count;
  }

  /** Bytes as they pass: dropped, flipped, and cut where a fault strikes. `baud` is the sender's rate. */
  pass(direction: Direction, sent: Uint8Array, baud: number | null): Passage[] {
    const bytes = this.#noise.reduce(
      (all, one) => (one.direction === direction ? one.noise.pass(all, baud) : all),
      sent,
    );
    const from = this.#count[direction];
    this.#count[direction] += bytes.length;
    if (this.#armed.length === 0) return [{ bytes }];
    const out: Passage[] = [];
    const kept = bytes.slice();
    let at = 0;
    for (const armed of [...this.#armed]) {
      const { fault, index } = armed;
      if ((fault.direction ?? 'toChip') !== direction || index >= from + bytes.length) continue;
      this.#armed = this.#armed.filter((other) => other !== armed);
      const place = Math.max(at, index - from);
      if (fault.kind === 'flip') {
        kept[place] = (kept[place] as number) ^ (fault.mask ?? 1);
        continue;
      }
      if (place > at) out.push({ bytes: kept.slice(at, place) });
      at = place;
      if (fault.kind === 'drop') {
        const count = fault.count ?? 1;
        at = Math.min(kept.length, place + count);
        const rest = count - (at - place);
        if (rest > 0) this.#armed.unshift({ fault: { ...fault, count: rest }, index: from + bytes.length });
      } else out.push({ fault });
    }
    if (at < kept.length) out.push({ bytes: kept.slice(at) });
    return out;
  }
}

function check(fault: Fault): void {
  const whole: readonly (keyof Fault)[] = ['at', 'count', 'ms', 'mask', 'every', 'aboveBaud'];
  for (const field of whole) {
    const value = fault[field];
    if (value === undefined) continue;
    if (
      typeof value !== 'number' ||
      !Number.isFinite(value) ||
      value < 0 ||
      (field !== 'ms' && !Number.isInteger(value))
    ) {
      throw fail('BAD_FAULT', `A fault's ${field} cannot be ${String(value)}.`, {
        hint: 'Give a whole number, 0 or more.',
        detail: { field, value },
      });
    }
  }
  if (fault.every === 0) {
    throw fail('BAD_FAULT', 'Noise cannot strike once in 0 bytes.', {
      hint: 'Use every 1 to flip a bit in each byte or two.',
      detail: { field: 'every', value: 0 },
    });
  }
  if (!['drop', 'flip', 'noise', 'stall', 'reset', 'pull', 'brownout'].includes(fault.kind)) {
    throw fail('BAD_FAULT', `There is no fault called "${String(fault.kind)}".`, {
      hint: 'Use drop, flip, noise, stall, reset, pull or brownout.',
      detail: { field: 'kind', value: fault.kind },
    });
  }
}
