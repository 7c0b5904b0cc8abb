const END = 0xc0;
const ESC = 0xdb;
const ESC_END = 0xdc;
const ESC_ESC = 0xdd;

/** Header, a block of 16 KB, and what the stub leaves for the rest. */
export const STUB_BUFFER = 8 + 0x4000 + 0xff;

interface Buffer {
  readonly bytes: Uint8Array;
  length: number;
  state: 'free' | 'complete' | 'error';
}

/**
 * The stub's two receive buffers and the state machine in front of them, byte for byte:
 * - one buffer is worked on while the other fills; with both taken, bytes are dropped and nobody is told;
 * - END on an empty frame ends that frame (it does not open another), so a lost or doubled END turns every later
 *   frame inside out until the number of ENDs is even again;
 * - a bad escape, or one byte too many, spoils the frame: it is thrown away in silence.
 */
export class StubReceiver {
  readonly #buffers: [Buffer, Buffer] = [makeBuffer(), makeBuffer()];
  #filling: 0 | 1 = 0;
  #state: 'none' | 'frame' | 'escape' = 'none';

  push(bytes: Uint8Array): void {
    for (const byte of bytes) this.#take(byte);
  }

  /** The next whole frame, in a buffer that stays taken until `release`. Spoilt frames are let go on the way. */
  next(): Uint8Array | undefined {
    for (const buffer of this.#buffers) if (buffer.state === 'error') free(buffer);
    const other = this.#buffers[1 - this.#filling] as Buffer;
    const buffer = other.state === 'complete' ? other : (this.#buffers[this.#filling] as Buffer);
    return buffer.state === 'complete' ? buffer.bytes.subarray(0, buffer.length) : undefined;
  }

  release(frame: Uint8Array): void {
    for (const buffer of this.#buffers) {
      if (buffer.bytes.buffer === frame.buffer && buffer.state !== 'free') free(buffer);
    }
  }

  #take(byte: number): void {
    let buffer = this.#buffers[this.#filling] as Buffer;
    if (buffer.state !== 'free') {
      const other = this.#buffers[1 - this.#filling] as Buffer;
      if (other.state !== 'free') return;
      this.#filling = (1 - this.#filling) as 0 | 1;
      buffer = other;
    }
    if (this.#state === 'none') {
      if (byte !== END) return;
      buffer.length = 0;
      this.#state = 'frame';
    } else if (this.#state === 'escape') {
      this.#state = 'frame';
      if (byte === ESC_END) this.#put(buffer, END);
      else if (byte === ESC_ESC) this.#put(buffer, ESC);
      else this.#spoil(buffer);
    } else if (byte === END) {
      if (buffer.length > 0) buffer.state = 'complete';
      this.#state = 'none';
    } else if (byte === ESC) this.#state = 'escape';
    else this.#put(buffer, byte);
  }

  #put(buffer: Buffer, byte: number): void {
    if (buffer.length === STUB_BUFFER) this.#spoil(buffer);
    else buffer.bytes[buffer.length++] = byte;
  }

  #spoil(buffer: Buffer): void {
    buffer.state = 'error';
    this.#state = 'none';
  }
}

function makeBuffer(): Buffer {
  return { bytes: new Uint8Array(STUB_BUFFER), length: 0, state: 'free' };
}

function free(buffer: Buffer): void {
  buffer.state = 'free';
  buffer.length = 0;
}

/** The hardware FIFO in front of a ROM loader that is busy: what does not fit is lost. */
const FIFO = 128;

/**
 * The ROM loader's receiver: one frame at a time, of at most `limit` bytes; while the loader works, the UART's FIFO
 * keeps 128 bytes and the rest is lost.
 */
export class RomReceiver {
  readonly #limit: number;
  #frame: number[] = [];
  #state: 'none' | 'frame' | 'escape' | 'skip' = 'none';
  #ready: Uint8Array | undefined;
  #fifo: number[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (this.#ready === undefined) this.#take(byte);
      else if (this.#fifo.length < FIFO) this.#fifo.push(byte);
    }
  }

  next(): Uint8Array | undefined {
    return this.#ready;
  }

  release(): void {
    this.#ready = undefined;
    const waiting = this.#fifo;
    this.#fifo = [];
    this.push(Uint8Array.from(waiting));
  }

  #take(byte: number): void {
    if (this.#state === 'none') {
      if (byte === END) this.#state = 'frame';
      return;
    }
    if (byte === END) {
      if (this.#state === 'frame' && this.#frame.length === 0) return;
      if (this.#state === 'frame') this.#ready = Uint8Array.from(this.#frame);
      this.#frame = [];
      this.#state = 'none';
    } else if (this.#state === 'escape') {
      if (byte === ESC_END || byte === ESC_ESC) {
        this.#state = 'frame';
        this.#put(byte === ESC_END ? END : ESC);
      } else this.#skip();
    } else if (this.#state === 'frame') {
      if (byte === ESC) this.#state = 'escape';
      else this.#put(byte);
    }
  }

  #put(byte: number): void {
    if (this.#frame.length >= this.#limit) this.#skip();
    else this.#frame.push(byte);
  }

  #skip(): void {
    this.#state = 'skip';
    this.#frame = [];
  }
}
