import type { Keystore } from '../../vault/index.ts';
import { fail } from '../errors.ts';
import type { AuthorityStore } from '../store.ts';

/** What the making of authorities works with. */
export interface Ground {
  readonly store: AuthorityStore;
  readonly keystore: Keystore;
  readonly organisation: string | undefined;
  readonly crlBaseUrl: string | undefined;
  readonly clock: () => number;
}

/** A device whose clock is a little behind must find its certificate valid. */
export const BACKDATE = 300_000;

/**
 * The time at which something is issued or redeemed.
 * @throws CLOCK_BEHIND
 */
export async function timeFor(ground: Ground): Promise<number> {
  // In this order: what is written in between is not newer than the clock.
  const newest = await ground.store.newestTime();
  const now = ground.clock();
  if (now < newest) {
    throw fail('CLOCK_BEHIND', `The clock says ${iso(now)}, and the newest record is from ${iso(newest)}.`, {
      hint: 'Set the clock of this machine: certificates that are issued now would have wrong times.',
      detail: { now, newest },
    });
  }
  return now;
}

const iso = (ms: number): string => new Date(ms).toISOString();

export const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;
