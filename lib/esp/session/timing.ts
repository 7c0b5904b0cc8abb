import { cancelled } from './errors.ts';

/** How long things may take, in milliseconds. The figures are those of Espressif's own tool where it has one. */
export interface Timing {
  /** EN is held low for this long. */
  readonly resetHoldMs: number;
  /** BOOT is held this long after EN rises; attempts take them in turn. */
  readonly bootHoldMs: readonly number[];
  /** One SYNC. */
  readonly syncMs: number;
  readonly syncsPerAttempt: number;
  /** A command that touches no flash, and the least for one that does. */
  readonly commandMs: number;
  /** Writing, a megabyte of uncompressed data. */
  readonly writeMsPerMB: number;
  readonly eraseMsPerMB: number;
  readonly md5MsPerMB: number;
  readonly chipEraseMs: number;
  /** Rest after a change of the line rate. */
  readonly baudSettleMs: number;
  /** How long a cancelled operation waits for the chip to come to rest. */
  readonly settleMs: number;
  /** From the order to the watchdog until it has restarted the chip. */
  readonly watchdogMs: number;
}

/** Times that suit a chip at the end of a USB cable. */
export const defaultTiming: Timing = {
  resetHoldMs: 100,
  bootHoldMs: [50, 550],
  syncMs: 100,
  syncsPerAttempt: 5,
  commandMs: 3000,
  writeMsPerMB: 40_000,
  eraseMsPerMB: 40_000,
  md5MsPerMB: 8_000,
  chipEraseMs: 120_000,
  baudSettleMs: 50,
  settleMs: 2000,
  watchdogMs: 500,
};

/** A time for `bytes` at so much a megabyte, never less than the plain command's. */
export function timeFor(timing: Timing, msPerMB: number, bytes: number): number {
  return Math.max(timing.commandMs, (msPerMB * bytes) / 1_000_000);
}

/** Waits; rejects with CANCELLED at once when the signal aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(cancelled(signal));
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(cancelled(signal as AbortSignal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
