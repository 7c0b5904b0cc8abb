import { SCBK_D } from '../../osdp/index.ts';
import type { Personality } from './personality.ts';

/** The key of a virtual reader, and which key it brings to a handshake. */
export class ReaderKeys {
  #own: Buffer | null;
  /** It was opened with its own key since it has it. */
  #opened = false;

  constructor(key: Uint8Array | null) {
    this.#own = key === null ? null : Buffer.from(key);
  }

  get isKeyed(): boolean {
    return this.#own !== null;
  }

  holds(key: Uint8Array): boolean {
    return this.#own !== null && Buffer.compare(this.#own, key) === 0;
  }

  /** Whether the default key is refused. */
  isLocked({ staysOpen, locksLate }: Personality): boolean {
    return this.#own !== null && !staysOpen && (!locksLate || this.#opened);
  }

  set(key: Uint8Array | null): void {
    this.#own?.fill(0);
    this.#own = key === null ? null : Buffer.from(key);
    this.#opened = false;
  }

  /** It was opened with its own key. */
  opened(): void {
    this.#opened = true;
  }

  /**
   * The key for a challenge, and the kind that it says it is of.
   * @param asked 0 for the default key, 1 for its own. @returns no key where the challenge is refused.
   */
  answering(asked: number, personality: Personality): [Uint8Array | undefined, 0 | 1] {
    if (personality.noAes) return [undefined, 0];
    const own = this.#own;
    if (asked !== 0) {
      if (own !== null) return [own, 1];
      return [personality.zeroKeyOpens ? new Uint8Array(16) : undefined, 0];
    }
    if (own === null || !this.isLocked(personality)) return [SCBK_D as Uint8Array, 0];
    return personality.defaultChallenge === 'own-key' ? [own, 1] : [undefined, 0];
  }
}
