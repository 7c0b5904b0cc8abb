import { type Clock, waitUntil } from '../../clock.ts';
import { COMMANDS } from '../../codec/index.ts';
import { type Check, encodeFrame } from '../../frame/frame.ts';
import type { Place } from '../../panel/comset.ts';
import type { Panel } from '../../panel/panel.ts';

export interface ReaderKeeperOptions {
  /** How often the reader is polled, in ms. Default 1500. */
  readonly everyMs?: number;
  /** Default: the panel's. */
  readonly clock?: Clock;
}

/**
 * Polls the reader in hand while an operator is waited for: some go back to another address when nobody talks to them
 * for a while. Between two polls the bus is free; the line is left at the rate that it had.
 */
export class ReaderKeeper {
  readonly #panel: Panel;
  readonly #clock: Clock;
  readonly #everyMs: number;
  #stop: AbortController | undefined;
  #loop: Promise<void> = Promise.resolve();
  /** Whether the reader has answered its last poll; undefined before any. */
  answers: boolean | undefined;

  constructor(panel: Panel, options: ReaderKeeperOptions = {}) {
    this.#panel = panel;
    this.#clock = options.clock ?? panel.clock;
    this.#everyMs = options.everyMs ?? 1500;
  }

  /** Begins to poll at a place, and ends with any other. */
  hold(place: Place): void {
    this.#stop?.abort();
    const stop = new AbortController();
    this.#stop = stop;
    this.answers = undefined;
    this.#loop = this.#loop.then(() => this.#run(place, stop.signal));
  }

  /** Ends; resolves when the poll under way is over. */
  async release(): Promise<void> {
    this.#stop?.abort();
    this.#stop = undefined;
    await this.#loop;
  }

  async #run(place: Place, signal: AbortSignal): Promise<void> {
    const { address, baudRate } = place;
    let check: Check = 'crc';
    const poll = async (): Promise<void> => {
      if (signal.aborted) return;
      const { line } = this.#panel;
      const data = new Uint8Array();
      const raw = encodeFrame({ address, reply: false, sequence: 0, check, code: COMMANDS.POLL, data });
      const before = line.baudRate;
      const { taken } = await line.turn.run(async () => {
        await line.setBaudRate(baudRate);
        const answer = await line.exchange(raw, address, (frame) => frame);
        await line.setBaudRate(before);
        return answer;
      });
      this.answers = taken !== undefined;
      // It may know the other kind of check only.
      if (taken === undefined) check = check === 'crc' ? 'checksum' : 'crc';
    };
    try {
      while (!signal.aborted) {
        await waitUntil(this.#clock, this.#clock.now() + this.#everyMs, { coarse: true, signal });
        await this.#panel.exclusive(poll);
      }
    } catch {
      // It was released, or the port is gone: then there is nothing to hold any more.
    }
  }
}
