import { type Clock, waitUntil } from '../clock.ts';
import { maskCapture } from './mask.ts';
import { type CaptureRecord, formatOsdpcap } from './osdpcap.ts';

/** Takes what goes over a bus. */
export type TraceSink = (io: CaptureRecord['io'], data: Uint8Array) => void;

/** Keeps the last frames of a bus in memory. They may hold keys: only `export` gives them away, masked unless asked. */
export class TraceRecorder {
  readonly #limit: number;
  readonly #source: string;
  readonly #now: () => number;
  readonly #records: CaptureRecord[] = [];
  #dropped = 0;

  /** @param options.limit frames kept; default 10 000. @param options.now milliseconds since 1970, with fractions. */
  constructor(options: { limit?: number; source?: string; now?: () => number } = {}) {
    this.#limit = options.limit ?? 10_000;
    this.#source = options.source ?? 'keyway';
    this.#now = options.now ?? (() => performance.timeOrigin + performance.now());
  }

  /** Frames that were pushed out by later ones. */
  get dropped(): number {
    return this.#dropped;
  }

  get length(): number {
    return this.#records.length;
  }

  readonly sink: TraceSink = (io, data) => {
    const ms = this.#now();
    const seconds = Math.floor(ms / 1000);
    const nanoseconds = Math.min(999_999_999, Math.round((ms - seconds * 1000) * 1e6));
    this.#records.push({ seconds, nanoseconds, io, data: data.slice(), source: this.#source, masked: false });
    if (this.#records.length > this.#limit) {
      this.#records.shift()?.data.fill(0);
      this.#dropped++;
    }
  };

  /**
   * The capture as text. With `secrets` it shows keys, cards and PINs: who asks for that must write it to the audit
   * log.
   */
  export(options: { secrets?: boolean } = {}): string {
    return formatOsdpcap(options.secrets === true ? this.#records : maskCapture(this.#records));
  }

  /** Forgets and overwrites everything. */
  clear(): void {
    for (const { data } of this.#records) data.fill(0);
    this.#records.length = 0;
  }
}

/**
 * Sends the frames of a capture again at the distances in time at which they were recorded.
 * @param options.io which of them; default all. @param options.speed 2 = twice as fast. Default 1.
 */
export async function replayCapture(
  records: readonly CaptureRecord[],
  send: (record: CaptureRecord) => void | Promise<void>,
  options: { clock: Clock; io?: CaptureRecord['io']; speed?: number; signal?: AbortSignal },
): Promise<number> {
  const chosen = records.filter(({ io }) => options.io === undefined || io === options.io);
  const at = ({ seconds, nanoseconds }: CaptureRecord) => seconds * 1000 + nanoseconds / 1e6;
  const first = chosen[0];
  if (first === undefined) return 0;
  const start = options.clock.now();
  for (const record of chosen) {
    const due = start + (at(record) - at(first)) / (options.speed ?? 1);
    if (due > options.clock.now()) {
      await waitUntil(options.clock, due, options.signal === undefined ? {} : { signal: options.signal });
    }
    options.signal?.throwIfAborted();
    await send(record);
  }
  return chosen.length;
}
