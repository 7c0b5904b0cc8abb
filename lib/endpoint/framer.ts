import type { EndpointCode } from './errors.ts';

/** A whole MQTT packet, and where its body begins. */
export type OnFrame = (frame: Buffer, bodyAt: number) => void;

const PIECES_MOST = 128;

/**
 * Cuts a stream into whole MQTT packets (MQTT §2.1): what reads them never sees a part of one, nor of the next. The
 * bound holds as soon as the length is known, before the bytes are there.
 */
export class Framer {
  readonly #most: number;
  readonly #onFrame: OnFrame;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** How many bytes there must be before looking again makes sense. */
  #needed = 2;
  #stopped = false;

  /** @param most the largest packet, header included, in bytes */
  constructor(most: number, onFrame: OnFrame) {
    this.#most = most;
    this.#onFrame = onFrame;
  }

  /** No more frames, also of bytes that came already. */
  stop(): void {
    this.#stopped = true;
    this.#held = [];
    this.#heldBytes = 0;
  }

  /** @returns what is wrong with the stream, once and for all */
  push(chunk: Buffer): EndpointCode | undefined {
    if (this.#stopped) return undefined;
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes < this.#needed) {
      // Many small pieces would cost many times what they hold.
      if (this.#held.length >= PIECES_MOST) this.#held = [Buffer.concat(this.#held, this.#heldBytes)];
      return undefined;
    }
    let rest = this.#held.length === 1 ? chunk : Buffer.concat(this.#held, this.#heldBytes);
    this.#needed = 2;
    while (rest.length >= 2) {
      const header = readHeader(rest);
      if (header === 'short') break;
      if (header === 'bad') return 'MALFORMED_PACKET';
      const total = header.bodyAt + header.length;
      if (total > this.#most) return 'PACKET_TOO_LARGE';
      if (rest.length < total) {
        this.#needed = total;
        break;
      }
      this.#onFrame(rest.subarray(0, total), header.bodyAt);
      if (this.#stopped) return undefined;
      rest = rest.subarray(total);
    }
    this.#held = rest.length === 0 ? [] : [rest];
    this.#heldBytes = rest.length;
    return undefined;
  }
}

function readHeader(bytes: Buffer): { length: number; bodyAt: number } | 'short' | 'bad' {
  let length = 0;
  for (let at = 1; at <= 4; at++) {
    const byte = bytes[at];
    if (byte === undefined) return 'short';
    length |= (byte & 0x7f) << (7 * (at - 1));
    if (byte < 0x80) return { length, bodyAt: at + 1 };
  }
  return 'bad';
}
