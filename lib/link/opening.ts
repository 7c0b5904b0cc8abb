import { fail } from './errors.ts';

/** What an opener is given: everything decided, nothing optional but the signal. */
export interface OpenRequest {
  readonly address: string;
  readonly name: string;
  readonly baudRate: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** @throws CANCELLED */
export function throwIfCancelled(signal: AbortSignal | undefined, address: string): void {
  if (signal?.aborted === true) throw cancelledError(address, signal);
}

export function cancelledError(address: string, signal: AbortSignal): Error {
  return fail('CANCELLED', `Opening ${address} was cancelled.`, { detail: { address }, cause: signal.reason });
}
