import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from './errors.ts';

/** RFC 5705, RFC 8446 §7.5: the label under which both ends of one TLS session derive the same bytes. */
export const EXPORTER_LABEL = 'EXPORTER-keyway-provisioner-pairing';
export const EXPORTER_BYTES = 32;
/** How long a code holds. */
export const CODE_MS = 5 * 60_000;
/** How often one may be wrong about a code. */
export const ATTEMPTS = 5;
/** Before the first wrong attempt is answered; it doubles with each. */
const SLOW_MS = 1000;
/** Attempts that wait for others. */
const WAITING_MOST = 4;

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const CODE_DIGITS = 12;
const GROUP = 4;

/** 60 bits as 12 digits of Crockford's base32, in groups of four: "K7QF-2M9X-0TBD". */
export function makeCode(): string {
  const digits = Array.from(randomBytes(CODE_DIGITS), (byte) => DIGITS[byte & 31]).join('');
  return digits.replace(/(.{4})(?=.)/g, '$1-');
}

/**
 * A code as it was typed: groups, blanks, small letters, and I, L, O for 1, 1, 0 do not matter.
 * @throws PAIRING_WRONG_CODE it is none
 */
export function readCode(typed: string): string {
  const digits = typed.toUpperCase().replace(/[\s-]/g, '').replace(/[IL]/g, '1').replace(/O/g, '0');
  if (digits.length === CODE_DIGITS && [...digits].every((digit) => DIGITS.includes(digit))) return digits;
  throw fail('PAIRING_WRONG_CODE', 'This is no pairing code.', {
    hint: `It has ${CODE_DIGITS} letters and digits in groups of ${GROUP}, as the provisioner shows it.`,
    detail: { field: 'code' },
  });
}

/** What ties a proof to one TLS session between two certificates. */
export interface Binding {
  /** EXPORTER_BYTES under EXPORTER_LABEL, without a context. */
  readonly exporter: Uint8Array;
  /** Fingerprints of both certificates, hex. */
  readonly host: string;
  readonly provisioner: string;
}

/** HMAC-SHA-256 under the code, hex: for this session, these certificates and this direction alone. */
export function proofOf(who: 'host' | 'provisioner', code: string, binding: Binding): string {
  return createHmac('sha256', readCode(code))
    .update(`keyway pairing 1 ${who}\0`)
    .update(binding.exporter)
    .update(Buffer.from(binding.host, 'hex'))
    .update(Buffer.from(binding.provisioner, 'hex'))
    .digest('hex');
}

export function isProof(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given, 'hex'), Buffer.from(expected, 'hex')];
  return a.length === b.length && timingSafeEqual(a, b);
}

interface Offer {
  readonly code: string;
  readonly enrol: boolean;
  readonly until: number;
  wrong: number;
}

/** Time, for tests. */
export interface DeskClock {
  now(): number;
  /** Ends early when the signal does. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

const realClock: DeskClock = {
  now: () => Date.now(),
  pause: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
};

/** Where a device takes pairings: one code at a time, made when somebody at its console asks. */
export class PairingDesk {
  readonly #clock: DeskClock;
  #offer: Offer | undefined;
  #line: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  readonly #over = new AbortController();

  constructor(clock: DeskClock = realClock) {
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#current() !== undefined;
  }

  /** Makes a code; one from before is void. @param enrol see Peer.enrolled */
  open(enrol: boolean): { readonly code: string; readonly until: number } {
    const until = this.#clock.now() + CODE_MS;
    const code = makeCode();
    this.#offer = { code: readCode(code), enrol, until, wrong: 0 };
    return { code, until };
  }

  /** For good: whoever waits is answered now. */
  close(): void {
    this.#offer = undefined;
    this.#over.abort();
  }

  /**
   * Answers a host's proof with the provisioner's. One attempt after the other: each wrong one is answered later.
   * @param keep remembers the host, before the proof goes out
   * @throws PAIRING_CLOSED, PAIRING_WRONG_CODE
   */
  async attempt(proof: string, binding: Binding, keep: (enrol: boolean) => Promise<void>): Promise<string> {
    if (this.#current() === undefined || this.#waiting >= WAITING_MOST) throw closed();
    this.#waiting++;
    const mine = this.#line.then(() => this.#judge(proof, binding, keep));
    this.#line = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }

  async #judge(proof: string, binding: Binding, keep: (enrol: boolean) => Promise<void>): Promise<string> {
    const offer = this.#current();
    if (offer === undefined) throw closed();
    if (isProof(proof, proofOf('host', offer.code, binding))) {
      // Used, whatever comes of it.
      this.#offer = undefined;
      await keep(offer.enrol);
      return proofOf('provisioner', offer.code, binding);
    }
    offer.wrong++;
    const left = ATTEMPTS - offer.wrong;
    if (left <= 0 && this.#offer === offer) this.#offer = undefined;
    await this.#clock.pause(SLOW_MS * 2 ** (offer.wrong - 1), this.#over.signal);
    throw fail('PAIRING_WRONG_CODE', 'The pairing code is not the one that the provisioner shows.', {
      hint: left > 0 ? `Type it again; ${left} attempts are left.` : 'Make a new code on the provisioner.',
      detail: { field: 'code', left: Math.max(0, left) },
    });
  }

  #current(): Offer | undefined {
    if (this.#offer !== undefined && this.#clock.now() >= this.#offer.until) this.#offer = undefined;
    return this.#offer;
  }
}

function closed(): Error {
  return fail('PAIRING_CLOSED', 'No pairing code is open on the provisioner.', {
    hint: 'Make one where the provisioner runs: `keyway-provisioner pair`. It holds for five minutes.',
  });
}
