/** SLIP framing of the ESP serial protocol (RFC 1055 with frames delimited at both ends). */

const END = 0xc0;
const ESC = 0xdb;
const ESC_END = 0xdc;
const ESC_ESC = 0xdd;

/** One frame for the wire: C0, the escaped payload, C0. */
export function slipEncode(payload: Uint8Array): Uint8Array {
  let extra = 0;
  for (const byte of payload) if (byte === END || byte === ESC) extra++;
  const frame = new Uint8Array(payload.length + extra + 2);
  let at = 0;
  frame[at++] = END;
  for (const byte of payload) {
    if (byte === END) {
      frame[at++] = ESC;
      frame[at++] = ESC_END;
    } else if (byte === ESC) {
      frame[at++] = ESC;
      frame[at++] = ESC_ESC;
    } else frame[at++] = byte;
  }
  frame[at] = END;
  return frame;
}

export interface SlipEvents {
  /** A whole frame, unescaped; never empty. The array is the listener's to keep. */
  frame(payload: Uint8Array): void;
  /** Bytes outside any frame (boot log, noise), as one run per push. */
  stray?(bytes: Uint8Array): void;
  /** A frame that was dropped: a bad escape, or longer than the limit. */
  dropped?(reason: 'escape' | 'length'): void;
}

/**
 * Takes frames out of a byte stream, in any chunks, in one pass. A frame with a bad escape or longer than `limit`
 * bytes is dropped whole and the next END starts afresh, as ROM and stub do.
 */
export class SlipDecoder {
  readonly #events: SlipEvents;
  readonly #limit: number;
  #buffer: Uint8Array;
  #length = 0;
  #state: 'outside' | 'inside' | 'escaped' | 'skipping' = 'outside';

  constructor(events: SlipEvents, limit = 0x4000 + 0x1000) {
    this.#events = events;
    this.#limit = limit;
    this.#buffer = new Uint8Array(Math.min(limit, 1024));
  }

  push(chunk: Uint8Array): void {
    let strayFrom = -1;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (this.#state === 'outside') {
        if (byte === END) {
          if (strayFrom >= 0) this.#events.stray?.(chunk.slice(strayFrom, i));
          strayFrom = -1;
          this.#length = 0;
          this.#state = 'inside';
        } else if (strayFrom < 0) strayFrom = i;
      } else if (byte === END) {
        this.#end();
      } else if (this.#state === 'escaped') {
        if (byte === ESC_END) this.#put(END);
        else if (byte === ESC_ESC) this.#put(ESC);
        else this.#skip('escape');
      } else if (this.#state === 'inside') {
        if (byte === ESC) this.#state = 'escaped';
        else this.#put(byte);
      }
    }
    if (strayFrom >= 0) this.#events.stray?.(chunk.slice(strayFrom));
  }

  /** Forgets a half frame, as after a reset of the line. */
  reset(): void {
    this.#state = 'outside';
    this.#length = 0;
  }

  #end(): void {
    if (this.#state === 'escaped') this.#events.dropped?.('escape');
    else if (this.#state === 'inside') {
      // END END: the closing mark of one frame may open the next, so an empty frame stays open.
      if (this.#length === 0) return;
      const frame = this.#buffer.slice(0, this.#length);
      this.#state = 'outside';
      this.#length = 0;
      this.#events.frame(frame);
      return;
    }
    this.#state = 'outside';
    this.#length = 0;
  }

  #put(byte: number): void {
    this.#state = 'inside';
    if (this.#length === this.#limit) {
      this.#skip('length');
      return;
    }
    if (this.#length === this.#buffer.length) {
      const grown = new Uint8Array(Math.min(this.#limit, this.#buffer.length * 2));
      grown.set(this.#buffer);
      this.#buffer = grown;
    }
    this.#buffer[this.#length++] = byte;
  }

  #skip(reason: 'escape' | 'length'): void {
    this.#state = 'skipping';
    this.#events.dropped?.(reason);
  }
}
