const DIGITS = Buffer.from('0123456789ABCDEF', 'latin1');

/** Puts texts and keys together without a key ever becoming a string, which nobody could overwrite. */
export class SecretWriter {
  #bytes = Buffer.allocUnsafeSlow(256);
  #length = 0;

  /** Only ASCII, never anything secret. */
  text(text: string): this {
    const at = this.#room(text.length);
    this.#bytes.write(text, at, 'latin1');
    return this;
  }

  /** Two upper-case digits a byte. */
  hex(secret: Uint8Array): this {
    let at = this.#room(2 * secret.length);
    for (const byte of secret) {
      this.#bytes[at++] = DIGITS[byte >> 4] as number;
      this.#bytes[at++] = DIGITS[byte & 15] as number;
    }
    return this;
  }

  /** What was written, in memory of its own; the writer is empty after it. */
  take(): Buffer {
    const taken = Buffer.allocUnsafeSlow(this.#length);
    this.#bytes.copy(taken, 0, 0, this.#length);
    this.wipe();
    return taken;
  }

  wipe(): void {
    this.#bytes.fill(0);
    this.#length = 0;
  }

  #room(more: number): number {
    const at = this.#length;
    const needed = at + more;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes.fill(0);
      this.#bytes = larger;
    }
    this.#length = needed;
    return at;
  }
}
