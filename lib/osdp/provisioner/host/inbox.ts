import type { Cursor } from '../link/messages.ts';
import type { Edge, SlotId } from '../types.ts';

/** Takes an edge; what it returns is waited for. An edge that it rejects is offered to it again. */
export type EdgeListener = (edge: Edge, facts: { readonly backfill: boolean }) => void | Promise<void>;

interface Known {
  session: string;
  /** Up to here they came, and up to here all listeners took them. */
  came: number;
  taken: number;
}

/** Before an edge is offered again, ms; it doubles up to the second. */
const AGAIN_MS = 100;
const AGAIN_MOST_MS = 5000;

/** Edges on their way to the listeners: each once, in order, one after the other. */
export class Inbox {
  readonly #listeners = new Set<EdgeListener>();
  readonly #known = new Map<SlotId, Known>();
  readonly #queue: { readonly edge: Edge; readonly backfill: boolean }[] = [];
  readonly #onTaken: (cursor: Cursor) => void;
  readonly #onProblem: (error: unknown) => void;
  #running = false;
  #closed = false;
  #wake: () => void = () => undefined;

  constructor(
    after: readonly Cursor[],
    onTaken: (cursor: Cursor) => void,
    onProblem: (error: unknown) => void = () => undefined,
  ) {
    for (const { slot, session, seq } of after) this.#known.set(slot, { session, came: seq, taken: seq });
    this.#onTaken = onTaken;
    this.#onProblem = onProblem;
  }

  /** Edges wait until there is a listener. */
  add(listener: EdgeListener): () => void {
    this.#listeners.add(listener);
    this.#run();
    return () => {
      this.#listeners.delete(listener);
      this.#wake();
    };
  }

  /** One that came before is left out. */
  put(edge: Edge, backfill: boolean): void {
    const { slot, session, seq } = edge;
    const known = this.#known.get(slot);
    if (known?.session === session && seq <= known.came) return;
    if (known?.session === session) known.came = seq;
    else this.#known.set(slot, { session, came: seq, taken: 0 });
    this.#queue.push({ edge, backfill });
    this.#run();
  }

  /** Up to where they came. */
  came(): Cursor[] {
    return [...this.#known].map(([slot, { session, came }]) => ({ slot, session, seq: came }));
  }

  /** Up to where they were taken. */
  taken(): Cursor[] {
    return [...this.#known].flatMap(([slot, { session, taken }]) => (taken > 0 ? [{ slot, session, seq: taken }] : []));
  }

  /** Slots that are no more, or that hold another plan, are forgotten. */
  keep(sessions: ReadonlyMap<SlotId, string | null>): void {
    for (const [slot, { session }] of this.#known) if (sessions.get(slot) !== session) this.#known.delete(slot);
  }

  close(): void {
    this.#closed = true;
    this.#queue.length = 0;
    this.#wake();
  }

  #run(): void {
    if (this.#running || this.#closed) return;
    this.#running = true;
    void this.#deliver().finally(() => {
      this.#running = false;
    });
  }

  async #deliver(): Promise<void> {
    while (this.#listeners.size > 0 && !this.#closed) {
      const next = this.#queue[0];
      if (next === undefined) return;
      await Promise.all([...this.#listeners].map((listener) => this.#offer(listener, next.edge, next.backfill)));
      if (this.#closed) return;
      this.#queue.shift();
      const { slot, session, seq } = next.edge;
      const known = this.#known.get(slot);
      if (known?.session === session) known.taken = seq;
      this.#onTaken({ slot, session, seq });
    }
  }

  async #offer(listener: EdgeListener, edge: Edge, backfill: boolean): Promise<void> {
    for (let pause = AGAIN_MS; this.#listeners.has(listener) && !this.#closed; pause *= 2) {
      try {
        await listener(edge, { backfill });
        return;
      } catch (error) {
        this.#onProblem(error);
        await this.#sleep(Math.min(pause, AGAIN_MOST_MS));
      }
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#wake;
      const timer = setTimeout(done, ms);
      function done(): void {
        clearTimeout(timer);
        before();
        resolve();
      }
      this.#wake = done;
    });
  }
}
