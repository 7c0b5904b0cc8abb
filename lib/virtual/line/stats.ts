import type { Direction } from './faults.ts';

/** What the line saw. Times are in ms of the chip's clock. */
export interface LineStats {
  readonly wireBytes: Readonly<Record<Direction, number>>;
  readonly firstByteAt: Readonly<Record<Direction, number | null>>;
  readonly lastByteAt: Readonly<Record<Direction, number | null>>;
  /**
   * Host turnarounds: from the end of the last byte of a data block's ACK to the start of the host's next byte, in ms,
   * one sample a block.
   */
  readonly turnaround: {
    readonly samples: readonly number[];
    readonly median: number | null;
    readonly p99: number | null;
    readonly max: number | null;
  };
  /** Commands answered, by opcode in two hex digits. */
  readonly commands: Readonly<Record<string, number>>;
  /** When the first FLASH_DEFL_BEGIN or FLASH_BEGIN started to arrive, and when the last MD5 reply had left; null where there was none. */
  readonly flashFrom: number | null;
  readonly flashTo: number | null;
}

const FLASH_BEGIN = 0x02;
const FLASH_DATA = 0x03;
const FLASH_DEFL_BEGIN = 0x10;
const FLASH_DEFL_DATA = 0x11;
const SPI_FLASH_MD5 = 0x13;

export class StatsKeeper {
  #bytes = { toChip: 0, toHost: 0 };
  #first: Record<Direction, number | null> = { toChip: null, toHost: null };
  #last: Record<Direction, number | null> = { toChip: null, toHost: null };
  #samples: number[] = [];
  #commands: Record<string, number> = {};
  #flashFrom: number | null = null;
  #flashTo: number | null = null;
  /** End of the last block's ACK, until the host answers it. */
  #ackedAt: number | null = null;
  #requestAt = 0;

  reset(): void {
    this.#bytes = { toChip: 0, toHost: 0 };
    this.#first = { toChip: null, toHost: null };
    this.#last = { toChip: null, toHost: null };
    this.#samples = [];
    this.#commands = {};
    this.#flashFrom = null;
    this.#flashTo = null;
    this.#ackedAt = null;
  }

  /** Bytes on the wire from `start` to `end`. */
  bytes(direction: Direction, count: number, start: number, end: number): void {
    if (count === 0) return;
    this.#bytes[direction] += count;
    this.#first[direction] ??= start;
    this.#last[direction] = end;
    if (direction !== 'toChip') return;
    this.#requestAt = start;
    if (this.#ackedAt !== null && start >= this.#ackedAt) {
      this.#samples.push(start - this.#ackedAt);
      this.#ackedAt = null;
    }
  }

  command(op: number): void {
    const key = op.toString(16).padStart(2, '0');
    this.#commands[key] = (this.#commands[key] ?? 0) + 1;
    if (op === FLASH_BEGIN || op === FLASH_DEFL_BEGIN) this.#flashFrom ??= this.#requestAt;
  }

  /** A reply's last byte leaves at `end`. */
  replied(op: number, end: number): void {
    if (op === FLASH_DATA || op === FLASH_DEFL_DATA) this.#ackedAt = end;
    if (op === SPI_FLASH_MD5) this.#flashTo = end;
  }

  get(): LineStats {
    const sorted = [...this.#samples].sort((a, b) => a - b);
    const quantile = (q: number): number | null =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? null;
    return {
      wireBytes: { ...this.#bytes },
      firstByteAt: { ...this.#first },
      lastByteAt: { ...this.#last },
      turnaround: {
        samples: [...this.#samples],
        median: quantile(0.5),
        p99: quantile(0.99),
        max: sorted.at(-1) ?? null,
      },
      commands: { ...this.#commands },
      flashFrom: this.#flashFrom,
      flashTo: this.#flashTo,
    };
  }
}
