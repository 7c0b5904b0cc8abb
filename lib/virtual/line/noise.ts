/** Mean distance of two struck bytes when the fault does not say. */
const DEFAULT_EVERY = 2000;

/** A line that is noisy above some rate: bits flip, at distances and in places that are the same on every run. */
export class Noise {
  readonly #every: number;
  readonly #aboveBaud: number;
  #state: number;
  #left: number;

  constructor({
    every = DEFAULT_EVERY,
    aboveBaud = 0,
    seed = 1,
  }: { every?: number; aboveBaud?: number; seed?: number }) {
    this.#every = every;
    this.#aboveBaud = aboveBaud;
    this.#state = seed >>> 0 || 1;
    this.#left = this.#distance();
  }

  /** The bytes as they come out. `baud` is the sender's rate; null = nobody knows, which is no reason to be spared. */
  pass(bytes: Uint8Array, baud: number | null): Uint8Array {
    if (baud !== null && baud <= this.#aboveBaud) return bytes;
    if (this.#left >= bytes.length) {
      this.#left -= bytes.length;
      return bytes;
    }
    const out = bytes.slice();
    for (; this.#left < out.length; this.#left += this.#distance()) {
      out[this.#left] = (out[this.#left] as number) ^ (1 << (this.#next() >>> 29));
    }
    this.#left -= out.length;
    return out;
  }

  #distance(): number {
    return 1 + (this.#next() % (2 * this.#every));
  }

  /** xorshift32. */
  #next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    this.#state >>>= 0;
    return this.#state;
  }
}
