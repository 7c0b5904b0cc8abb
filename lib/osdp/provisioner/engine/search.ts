import { CONFIGURATION_ADDRESS } from '../../frame/frame.ts';
import type { Place } from '../../panel/comset.ts';
import { BAUD_RATES } from '../../panel/types.ts';
import { type Attempt, isSame, spell } from './attempt.ts';
import { type Halt, StepEnd } from './end.ts';

/** What was heard while nobody was found. */
export interface Missed {
  tries: number;
  /** Tries that brought bytes and no frame. */
  noisy: number;
  bytes: number;
  /** Where somebody else answered. */
  stranger: Place | undefined;
}

export const nothingMissed = (): Missed => ({ tries: 0, noisy: 0, bytes: 0, stranger: undefined });

const ADDRESSES = Array.from({ length: 127 }, (_, address) => address);

/**
 * Looks for the one reader on the wires at the configuration address, at every rate, and names its address.
 * @param expected where it should have been. @returns whether it is at one of these after all, and in hand.
 * @throws StepEnd when it is somewhere else.
 */
export async function searchAll(a: Attempt, missed: Missed, expected: readonly Place[]): Promise<boolean> {
  const rates = [...new Set([a.target.baudRate, a.run.terms.factory.baudRate, ...BAUD_RATES])];
  for (const check of ['crc', 'checksum'] as const) {
    for (const baudRate of rates) {
      for (let tries = 0; tries < 2; tries++) {
        const probed = await a.probe({ address: CONFIGURATION_ADDRESS, baudRate }, { check });
        missed.tries++;
        missed.bytes += probed.bytes;
        if (probed.frame !== undefined) {
          a.take({ address: CONFIGURATION_ADDRESS, baudRate }, probed, check);
          const address = await findAddress(a, baudRate, probed.delayMs);
          return judge(a, baudRate, address, expected);
        }
        if (probed.bytes === 0) break;
        missed.noisy++;
      }
    }
  }
  return false;
}

/** The addresses one by one, the likely ones first; as fast as the reader was, then with all patience. */
async function findAddress(a: Attempt, baudRate: number, delayMs: number): Promise<number | undefined> {
  const likely = [a.target.address, a.run.terms.factory.address];
  const quick = Math.min(a.line.replyTimeoutMs, 2 * delayMs + 8);
  try {
    for (const timeoutMs of [quick, a.line.replyTimeoutMs]) {
      for (const address of new Set([...likely, ...ADDRESSES])) {
        const { frame } = await a.probe({ address, baudRate }, { timeoutMs });
        if (frame !== undefined) return address;
      }
    }
  } catch (error) {
    // Out of time: that it is there, and at which rate, is worth more than how long it took to find out.
    const { outcome } = (a.halt.reason ?? {}) as Partial<Halt>;
    if (error !== a.halt.reason || outcome !== 'step_timeout') throw error;
  }
  return undefined;
}

function judge(a: Attempt, baudRate: number, address: number | undefined, expected: readonly Place[]): boolean {
  const place = address === undefined ? undefined : { address, baudRate };
  if (place !== undefined && expected.some((one) => isSame(one, place))) {
    a.follow(place);
    a.foundAt ??= place;
    return true;
  }
  a.place = place;
  a.foundAt ??= place;
  if (place !== undefined) a.comsetApplied = false;
  const where = expected.map(spell).join(' and ');
  const atRate = expected.some((one) => one.baudRate === baudRate);
  const atAddress = expected.some((one) => one.address === address);
  const text = `The reader does not answer at ${where}, but at ${place === undefined ? `${baudRate} baud` : spell(place)}.`;
  const nowAt = place === undefined ? {} : { nowAt: place };
  throw new StepEnd(atRate && !atAddress ? 'wrong_address' : 'baud_mismatch', text, nowAt);
}
