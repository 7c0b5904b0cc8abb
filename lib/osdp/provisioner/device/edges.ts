import type { Entry, Journal } from '../store/index.ts';
import type { Edge, SlotId } from '../types.ts';
import { decode } from './state.ts';

/** The most edges that a plan keeps for a host that is away: several times what 126 steps bring about. */
export const EDGES_MOST = 8192;

interface Waiting {
  readonly edge: Edge;
  entry: Entry | undefined;
  /** On the disk, or of no importance there. */
  ready: boolean;
}

/**
 * The edges of a plan: given out in the order of their numbers, each once it may be, and kept until the host has said
 * that it has them. Only where they lie in the journal is kept in memory. Beyond EDGES_MOST the oldest is dropped: the
 * host then finds the picture of the plan whole, but not all of its history.
 */
export class EdgeLine {
  readonly #slot: SlotId;
  readonly #session: string;
  readonly #waiting: Waiting[] = [];
  #kept: { readonly seq: number; readonly entry: Entry }[];
  #newest: number;
  #acked: number;
  /** Called with every edge that is given out. */
  onEdge: (edge: Edge) => void = () => undefined;

  constructor(
    id: { slot: SlotId; session: string },
    from: { edges: readonly { seq: number; entry: Entry }[]; seq: number; acked: number },
  ) {
    this.#slot = id.slot;
    this.#session = id.session;
    this.#kept = [...from.edges];
    this.#newest = from.seq;
    this.#acked = from.acked;
  }

  /** The number of the newest one that was given out. */
  get newest(): number {
    return this.#newest;
  }

  get acked(): number {
    return this.#acked;
  }

  /** Entries that are still needed, oldest first. */
  get entries(): readonly Entry[] {
    const waiting = this.#waiting.flatMap(({ entry }) => (entry === undefined ? [] : [entry]));
    return [...this.#kept.map(({ entry }) => entry), ...waiting];
  }

  /** Takes an edge into the line. It leaves it by `release`, after all that came before. */
  add(edge: Edge): Waiting {
    const one: Waiting = { edge, entry: undefined, ready: false };
    this.#waiting.push(one);
    return one;
  }

  /** It never was. */
  withdraw(one: Waiting): void {
    this.#waiting.splice(this.#waiting.indexOf(one), 1);
    this.release();
  }

  /** Those that are written, but not known to be on the disk. */
  get unready(): readonly Waiting[] {
    return this.#waiting.filter(({ entry, ready }) => entry !== undefined && !ready);
  }

  release(): void {
    for (let head = this.#waiting[0]; head?.ready === true && head.entry !== undefined; head = this.#waiting[0]) {
      this.#waiting.shift();
      this.#newest = head.edge.seq;
      this.#kept.push({ seq: head.edge.seq, entry: head.entry });
      if (this.#kept.length > EDGES_MOST) this.#kept.shift();
      this.onEdge(head.edge);
    }
  }

  after(seq: number, journal: Journal): Edge[] {
    return this.#kept
      .filter((one) => one.seq > seq)
      .flatMap(({ entry }) => {
        const record = decode(journal.read(entry));
        if (record.t !== 'edge') return [];
        const { seq: number, step, cause, summary } = record;
        return [{ slot: this.#slot, session: this.#session, seq: number, step, cause, summary }];
      });
  }

  acknowledge(seq: number): void {
    this.#acked = Math.max(this.#acked, Math.min(seq, this.#newest));
    const first = this.#kept.findIndex((one) => one.seq > this.#acked);
    this.#kept = first === -1 ? [] : this.#kept.slice(first);
  }
}

export type { Waiting };
