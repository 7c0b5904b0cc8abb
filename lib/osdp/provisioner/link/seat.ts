import type { HostIdentity } from '../device.ts';
import { fail } from './errors.ts';

/** Who asks to be the one host, or is it. */
export interface Claim {
  readonly host: HostIdentity;
  /** Drawn by the host's program: one program that comes again is no second host. */
  readonly instance: string;
  /** Ends what the claim holds; `reason` is for the host that loses the seat to another one. */
  leave(reason: Error | null): Promise<void>;
}

/** Who sits there. */
export interface Holder {
  readonly name: string;
  readonly since: number;
}

/** The one place at a provisioner. Claims are looked at one after the other. */
export class Seat {
  readonly #mayTakeOver: (host: HostIdentity) => boolean;
  readonly #now: () => number;
  #claim: Claim | undefined;
  #since = 0;
  #line: Promise<unknown> = Promise.resolve();

  constructor(mayTakeOver: (host: HostIdentity) => boolean, now: () => number = Date.now) {
    this.#mayTakeOver = mayTakeOver;
    this.#now = now;
  }

  get holder(): Holder | null {
    return this.#claim === undefined ? null : { name: this.#claim.host.name, since: this.#since };
  }

  /**
   * @param sit called when the seat is the claim's, at once
   * @returns the name of the host that had to go
   * @throws HOST_BUSY, TAKEOVER_REFUSED
   */
  take(claim: Claim, takeover: boolean, sit: () => void): Promise<string | null> {
    return this.#inLine(async () => {
      const current = this.#claim;
      const reason = current === undefined ? null : this.#judge(current, claim, takeover);
      this.#claim = undefined;
      await current?.leave(reason);
      sit();
      this.#since = this.#now();
      this.#claim = claim;
      return reason === null ? null : (current?.host.name ?? null);
    });
  }

  /** The claim's link is gone. */
  release(claim: Claim): Promise<void> {
    return this.#inLine(async () => {
      if (this.#claim !== claim) return;
      this.#claim = undefined;
      await claim.leave(null);
    });
  }

  /** @returns why the current one must go; null when it is the same host that comes again */
  #judge(current: Claim, claim: Claim, takeover: boolean): Error | null {
    const { name } = current.host;
    const same = current.host.id === claim.host.id;
    if (same && current.instance === claim.instance) return null;
    const facts = { host: name, since: this.#since };
    if (!takeover) {
      throw fail(
        'HOST_BUSY',
        `"${name}" is attached to this provisioner since ${new Date(this.#since).toISOString()}.`,
        {
          hint: 'End it there, or ask for a takeover.',
          detail: facts,
        },
      );
    }
    if (!same && !this.#mayTakeOver(claim.host)) {
      throw fail('TAKEOVER_REFUSED', `This host may not take the provisioner over from "${name}".`, {
        hint:
          'A host may that sealed a slot there, or that was enrolled where the provisioner runs: ' +
          '`keyway-provisioner hosts enrol`.',
        detail: facts,
      });
    }
    return fail('HOST_TAKEN_OVER', `"${claim.host.name}" has taken the provisioner over.`, {
      hint: 'Ask there, or take it over again.',
      detail: { host: claim.host.name },
    });
  }

  #inLine<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#line.then(work);
    this.#line = done.catch(() => undefined);
    return done;
  }
}
