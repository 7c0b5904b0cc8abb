import { Inflate } from 'pako';

export type InflateResult = 'more' | 'done' | 'bad-data' | 'bad-adler';

/**
 * A zlib stream taken in pieces, as a loader takes it: output is handed on in runs of `window` bytes and whatever is
 * left at the end of the stream.
 */
export class StreamInflater {
  readonly #raw: Inflate;
  #header: number[] = [];
  #trailer: number[] = [];
  #adlerA = 1;
  #adlerB = 0;
  #state: InflateResult = 'more';

  constructor(output: (bytes: Uint8Array) => void, window = 0x8000) {
    this.#raw = new Inflate({ raw: true, chunkSize: window });
    this.#raw.onData = (chunk) => {
      const bytes = chunk as Uint8Array;
      this.#sum(bytes);
      output(bytes.slice());
    };
  }

  /** `checked` = whether the Adler-32 at the end counts. */
  push(bytes: Uint8Array, checked: boolean): InflateResult {
    let from = 0;
    while (this.#header.length < 2 && from < bytes.length) this.#header.push(bytes[from++] as number);
    if (this.#header.length < 2 || this.#state === 'bad-data') return this.#state;
    const [cmf, flg] = this.#header as [number, number];
    if ((cmf & 15) !== 8 || ((cmf << 8) | flg) % 31 !== 0 || (flg & 0x20) !== 0) {
      this.#state = 'bad-data';
      return this.#state;
    }
    if (this.#state === 'more' && from < bytes.length) {
      const input = bytes.subarray(from);
      const stream = this.#raw as unknown as { strm: { avail_in: number }; ended: boolean; err: number };
      this.#raw.push(input, false);
      from = bytes.length;
      if (stream.err !== 0 && stream.err !== 1 && stream.err !== -5) this.#state = 'bad-data';
      else if (stream.ended) {
        this.#state = 'done';
        from -= stream.strm.avail_in;
      }
    }
    if (this.#state !== 'done') return this.#state;
    while (this.#trailer.length < 4 && from < bytes.length) this.#trailer.push(bytes[from++] as number);
    if (this.#trailer.length < 4) return 'more';
    if (!checked) return 'done';
    const said = this.#trailer.reduce((sum, byte) => sum * 256 + byte, 0);
    return said === this.#adlerB * 65536 + this.#adlerA ? 'done' : 'bad-adler';
  }

  #sum(bytes: Uint8Array): void {
    let a = this.#adlerA;
    let b = this.#adlerB;
    for (let i = 0; i < bytes.length; ) {
      const end = Math.min(bytes.length, i + 3800);
      for (; i < end; i++) {
        a += bytes[i] as number;
        b += a;
      }
      a %= 65521;
      b %= 65521;
    }
    this.#adlerA = a;
    this.#adlerB = b;
  }
}
