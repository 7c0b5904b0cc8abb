/** Packets on a bare line (RFC 1055): END around each, END and ESC within it escaped. */
const END = 0xc0;
const ESC = 0xdb;
const ESC_END = 0xdc;
const ESC_ESC = 0xdd;

export function slipEncode(packet: Uint8Array): Uint8Array {
  let extra = 0;
  for (const byte of packet) if (byte === END || byte === ESC) extra++;
  const out = new Uint8Array(packet.length + extra + 2);
  out[0] = END;
  let at = 1;
  for (const byte of packet) {
    if (byte === END || byte === ESC) {
      out[at++] = ESC;
      out[at++] = byte === END ? ESC_END : ESC_ESC;
    } else out[at++] = byte;
  }
  out[at] = END;
  return out;
}

/** Finds packets in what a line brings. What is no packet, or longer than `most`, is left out. */
export class SlipReader {
  readonly #buffer: Uint8Array;
  #length = 0;
  #escaped = false;
  /** Until the next END: it is too long, escaped wrongly, or its beginning was missed. */
  #skip = true;

  constructor(most: number) {
    this.#buffer = new Uint8Array(most);
  }

  *push(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    for (const byte of chunk) {
      if (byte === END) {
        const whole = !this.#skip && !this.#escaped && this.#length > 0;
        const packet = whole ? this.#buffer.slice(0, this.#length) : undefined;
        this.#length = 0;
        this.#escaped = false;
        this.#skip = false;
        if (packet !== undefined) yield packet;
      } else if (!this.#skip) this.#take(byte);
    }
  }

  #take(byte: number): void {
    if (byte === ESC && !this.#escaped) {
      this.#escaped = true;
      return;
    }
    const meant = !this.#escaped ? byte : byte === ESC_END ? END : byte === ESC_ESC ? ESC : undefined;
    this.#escaped = false;
    if (meant === undefined || this.#length === this.#buffer.length) this.#skip = true;
    else this.#buffer[this.#length++] = meant;
  }
}
