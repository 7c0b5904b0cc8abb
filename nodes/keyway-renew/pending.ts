interface Kept {
  readonly key: Buffer;
  readonly timer: NodeJS.Timeout;
}

/**
 * New keys that were asked for, and whose answer has not come: who asks again with the same key gets the same
 * certificate, and does not use up the renewals that a device may have at a time.
 */
export class PendingKeys {
  readonly #most: number;
  readonly #kept = new Map<string, Kept>();

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * The key that waits under this name, or a new one, which waits from now on.
   * @param lifetime ms that it waits
   * @returns a copy, a secret: overwrite it
   */
  async of(name: string, lifetime: number, make: () => Promise<Buffer>): Promise<Buffer> {
    const before = this.#kept.get(name);
    if (before !== undefined) return Buffer.from(before.key);
    const made = await make();
    const other = this.#kept.get(name);
    if (other !== undefined) {
      // Somebody else was quicker: two keys would be two certificates.
      made.fill(0);
      return Buffer.from(other.key);
    }
    const timer = setTimeout(() => this.#end(name), lifetime).unref();
    this.#kept.set(name, { key: Buffer.from(made), timer });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > this.#most && oldest !== undefined) this.#end(oldest);
    return made;
  }

  /** That key was used, or is of no use. */
  drop(name: string, key: Uint8Array): void {
    const kept = this.#kept.get(name);
    if (kept !== undefined && Buffer.compare(kept.key, key) === 0) this.#end(name);
  }

  get size(): number {
    return this.#kept.size;
  }

  #end(name: string): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    this.#kept.delete(name);
    clearTimeout(kept.timer);
    kept.key.fill(0);
  }
}
