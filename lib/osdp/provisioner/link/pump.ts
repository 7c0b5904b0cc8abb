import type { ProvisionerDevice } from '../device.ts';
import type { Edge, SlotId } from '../types.ts';
import type { Cursor } from './messages.ts';

/** Edges that a host was sent and has not acknowledged: more wait in the device. */
const WINDOW = 256;
/** Edges of a slot that are read from the device at a time: it reads them from its disk. */
const BATCH = 1024;

interface Lane {
  readonly slot: SlotId;
  session: string;
  /** Up to here they were sent. */
  sent: number;
  /** Those up to here came about while the host was away. */
  readonly backfillUntil: number;
  /** Sent, and not acknowledged. */
  flying: number[];
  /** Read, and not sent. */
  batch: Edge[];
}

/** Where edges go. */
export interface EdgeWay {
  /** Whether the link took it. */
  send(edge: Edge, backfill: boolean): Promise<boolean>;
  /** The device cannot read its edges. */
  failed(error: unknown): void;
}

/**
 * Sends a host the edges of all slots, each slot's in their order. It pulls them from the device when the link has
 * taken the ones before, so a slow host makes nothing grow here. Made in the moment in which the host is attached.
 */
export class EdgePump {
  readonly #device: ProvisionerDevice;
  readonly #way: EdgeWay;
  readonly #lanes = new Map<SlotId, Lane>();
  #started = false;
  #stopped = false;
  #running = false;
  #again = false;

  constructor(device: ProvisionerDevice, after: readonly Cursor[], way: EdgeWay) {
    this.#device = device;
    this.#way = way;
    for (const { slot, session, seq } of device.slots()) {
      if (session === null) continue;
      const known = after.find((cursor) => cursor.slot === slot && cursor.session === session);
      this.#lanes.set(slot, lane(slot, session, known?.seq ?? 0, seq));
    }
  }

  /** Begins: the host knows by now that it is attached. */
  start(): void {
    this.#started = true;
    this.kick();
  }

  /** There may be more to send. */
  kick(): void {
    this.#again = true;
    if (this.#started && !this.#running) this.#run().catch(this.#way.failed);
  }

  /** The host has them up to this one. */
  acknowledged({ slot, session, seq }: Cursor): void {
    const known = this.#lanes.get(slot);
    if (known?.session !== session) return;
    known.flying = known.flying.filter((one) => one > seq);
    this.kick();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false;
        for (const { slot, session, seq } of this.#device.slots()) {
          if (session !== null && !(await this.#drain(slot, session, seq))) return;
        }
      }
    } finally {
      this.#running = false;
    }
  }

  /** @returns false when the host is gone */
  async #drain(slot: SlotId, session: string, newest: number): Promise<boolean> {
    let current = this.#lanes.get(slot);
    if (current?.session !== session) {
      // Begun while this host is attached: nothing of it is backfill.
      current = lane(slot, session, 0, 0);
      this.#lanes.set(slot, current);
    }
    while (current.sent < newest) {
      if (current.batch.length === 0) current.batch = this.#device.edges(slot, current.sent).slice(0, BATCH);
      if (current.batch.length === 0) return true;
      for (let edge = current.batch[0]; edge !== undefined; edge = current.batch[0]) {
        if (current.flying.length >= WINDOW) return true;
        if (edge.session !== session) return true;
        current.batch.shift();
        current.sent = edge.seq;
        current.flying.push(edge.seq);
        if (!(await this.#way.send(edge, edge.seq <= current.backfillUntil)) || this.#stopped) return false;
      }
    }
    return true;
  }
}

function lane(slot: SlotId, session: string, sent: number, backfillUntil: number): Lane {
  return { slot, session, sent, backfillUntil, flying: [], batch: [] };
}
