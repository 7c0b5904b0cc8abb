import { errorMaker } from '../errors/index.ts';

/** What can go wrong with a secret. No message ever carries bytes of one. */
export const vaultErrors = {
  BAD_SECRET: 'the value cannot be kept as a secret: it is empty, no bytes, or its terms are wrong',
  HANDLE_UNKNOWN: 'no such handle: it is from another run, or it is no handle',
  HANDLE_USED: 'the secret was handed over already and is wiped',
  HANDLE_EXPIRED: 'the time of the handle is over and its secret is wiped',
  HANDLE_IN_USE: 'another job works with the secret just now',
  HANDLE_NOT_FOR_YOU: 'the handle was made for nodes of another type, or for another certificate namespace',
  HANDLE_WRONG_KIND: 'the handle stands for a secret of another kind',
  SECRET_MISSING: 'the environment variable that should hold the secret is not set, or is empty',
} as const;

export const fail = errorMaker(vaultErrors);
