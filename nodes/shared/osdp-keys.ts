import { type AddReader, checkKey } from '../../lib/osdp/index.ts';
import { describeHandle, type Lease, lease, takeEnvironmentSecret, wipe } from '../../lib/vault/index.ts';

/** How a reader is spoken to. */
export const securities = ['clear', 'default', 'environment', 'handle'] as const;
export type Security = (typeof securities)[number];

/** A reader that a bus looks after. */
export interface KnownReader {
  /** 0 … 126. */
  readonly address: number;
  /** For people; may be empty. */
  readonly name: string;
  /**
   * clear: no secure channel. default: under the default key, which everybody knows. environment, handle: under its
   * own key, and never in clear.
   */
  readonly security: Security;
  /** The variable's name, or the handle. */
  readonly key: string;
}

/** Who redeems the handles of readers' keys. */
const REDEEMER = 'keyway-osdp-bus';

/** Keys of one bus. Handles are on loan while it is deployed: another deploy may redeem them again. */
export class ReaderKeys {
  readonly #job: string;
  readonly #leases = new Map<string, Lease>();

  constructor(job: string) {
    this.#job = job;
  }

  /**
   * What a panel is to know of a reader. The caller overwrites the key after use.
   * @throws SECRET_MISSING, HANDLE_UNKNOWN, HANDLE_USED, HANDLE_EXPIRED, HANDLE_IN_USE, HANDLE_NOT_FOR_YOU,
   * BAD_OSDP_KEY, FORBIDDEN_KEY
   */
  terms({ address, security, key }: KnownReader): AddReader {
    if (security === 'clear') return { address };
    if (security === 'default') return { address, defaultKey: true };
    if (security === 'handle') return { address, key: keyIn(this.#lease(key).bytes) };
    return { address, key: keyFromEnvironment(key) };
  }

  /** Gives one handle back. */
  giveBack({ security, key }: KnownReader): void {
    if (security !== 'handle') return;
    this.#leases.get(key)?.abort();
    this.#leases.delete(key);
  }

  close(): void {
    for (const one of this.#leases.values()) one.abort();
    this.#leases.clear();
  }

  #lease(handle: string): Lease {
    let held = this.#leases.get(handle);
    if (held === undefined) {
      held = lease(handle, { nodeType: REDEEMER, kind: describeHandle(handle).kind, job: this.#job });
      this.#leases.set(handle, held);
    }
    return held;
  }
}

/** A key that an environment variable holds, as 32 hex digits. The caller overwrites it. @throws SECRET_MISSING, BAD_OSDP_KEY, FORBIDDEN_KEY */
export function keyFromEnvironment(name: string): Buffer {
  const secret = takeEnvironmentSecret(name);
  try {
    return keyIn(secret);
  } finally {
    wipe(secret);
  }
}

/** A key as it is kept: 16 bytes, or 32 hex digits as text. @throws BAD_OSDP_KEY, FORBIDDEN_KEY */
function keyIn(secret: Uint8Array): Buffer {
  const text = Buffer.from(secret);
  try {
    const digits = text.length >= 32 ? text.toString('latin1').trim() : '';
    if (!/^[0-9a-f]{32}$/i.test(digits)) return checkKey(text);
    const bytes = Buffer.from(digits, 'hex');
    try {
      return checkKey(bytes);
    } finally {
      wipe(bytes);
    }
  } finally {
    wipe(text);
  }
}
