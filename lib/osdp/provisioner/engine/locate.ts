import type { Check } from '../../frame/frame.ts';
import type { Place } from '../../panel/comset.ts';
import type { ReaderIdentity } from '../types.ts';
import { type Attempt, isSame, type Probed, spell } from './attempt.ts';
import { StepEnd } from './end.ts';
import { type Missed, nothingMissed, searchAll } from './search.ts';

/** Between two rounds of looking for a reader that is to come, in ms. */
export const WAIT_MS = 250;
/** Every so many rounds a reader that knows the checksum only is looked for too. */
const CHECKSUM_ROUND = 4;
/** After so many rounds in a row without a sign, whoever was at a place has gone. */
const GONE_ROUNDS = 8;
/** So many rounds in a row with bytes and no frame are worth a word. */
const NOISY_ROUNDS = 3;

/** Where the reader is to be, the likelier place first. */
function places(a: Attempt): Place[] {
  const { factory } = a.run.terms;
  if (isSame(factory, a.target)) return [a.target];
  return a.run.again === true ? [a.target, factory] : [factory, a.target];
}

/** One question at a place. @returns whether somebody is there; then it is in hand. */
export async function lookAt(a: Attempt, place: Place, missed: Missed, check: Check = 'crc'): Promise<boolean> {
  const probed = await a.probe(place, { check });
  if (probed.frame !== undefined) {
    a.take(place, probed, check);
    return true;
  }
  count(missed, place, probed);
  return false;
}

function count(missed: Missed, place: Place, { bytes, others }: Probed): void {
  missed.tries++;
  missed.bytes += bytes;
  const [address] = others;
  if (address !== undefined) missed.stranger = { address, baudRate: place.baudRate };
  else if (bytes > 0) missed.noisy++;
}

/** Finds the reader where it may be, each place once and then with patience; else says what is the matter. */
export async function locate(a: Attempt): Promise<void> {
  const missed = nothingMissed();
  for (const check of ['crc', 'crc', 'checksum', 'crc'] as const) {
    for (const place of places(a)) if (await lookAt(a, place, missed, check)) return;
  }
  await findOut(a, missed, places(a));
}

/**
 * Nobody is where a reader should be: finds out what is the matter. @returns when it is there after all, and in hand.
 * @throws StepEnd
 */
export async function findOut(a: Attempt, missed: Missed, expected: readonly Place[]): Promise<void> {
  const where = expected.map(spell).join(' and ');
  const { stranger } = missed;
  if (stranger !== undefined) {
    throw new StepEnd('wrong_address', `Instead of ${where}, a reader answers from ${spell(stranger)}.`, {
      nowAt: stranger,
    });
  }
  if (missed.noisy > 1) throw collision(where, missed);
  if (a.isAlone) {
    if (await searchAll(a, missed, expected)) return;
    if (missed.noisy > 1) throw collision('the configuration address', missed);
  }
  const also = a.isAlone ? ', nor at any other rate' : '';
  throw new StepEnd(
    'no_response',
    `No reader answers at ${where}${also}: ${missed.tries} tries, ${missed.bytes} bytes.`,
  );
}

function collision(where: string, { bytes, noisy }: Missed): StepEnd {
  const text = `${bytes} bytes and no valid frame came from ${where} in ${noisy} tries: two readers answer at once, or the line is disturbed.`;
  return new StepEnd('bus_collision', text);
}

/** What is remembered from one round of waiting to the next. */
export interface Waiting {
  round: number;
  noisy: number;
  told: string | undefined;
  /** For how many rounds nothing has come from a place. */
  readonly silent: Map<string, number>;
}

export const nothingHeard = (): Waiting => ({ round: 0, noisy: 0, told: undefined, silent: new Map() });

/** One round of looking for a reader that is to come. @returns whether one is in hand. */
export async function lookOut(a: Attempt, waiting: Waiting): Promise<boolean> {
  const check: Check = waiting.round++ % CHECKSUM_ROUND === CHECKSUM_ROUND - 1 ? 'checksum' : 'crc';
  const missed = nothingMissed();
  for (const place of places(a)) {
    const { bytes } = missed;
    const where = spell(place);
    const silent = waiting.silent.get(where) ?? 0;
    const isThere = await lookAt(a, place, missed, check);
    waiting.silent.set(where, isThere || missed.bytes > bytes ? 0 : silent + 1);
    if (isThere && !(await isPassedOver(a, waiting, silent >= GONE_ROUNDS))) return true;
  }
  waiting.noisy = missed.noisy > 0 ? waiting.noisy + 1 : 0;
  if (waiting.noisy === NOISY_ROUNDS) {
    say(a, waiting, 'Bytes come back and no valid frame: two readers answer at once, or the line is disturbed.');
  }
  return false;
}

/** A reader that has failed already is no new one. @param isNew nobody was at its place before it. */
async function isPassedOver(a: Attempt, waiting: Waiting, isNew: boolean): Promise<boolean> {
  const { passOver = [], passOverUnknown = false, plan } = a.run;
  if (passOver.length === 0 && !passOverUnknown) return false;
  const identity = await a.identify().catch((error: { code?: string }) => {
    if (passOverUnknown && error.code === 'NO_REPLY') return undefined;
    throw error;
  });
  if (identity !== undefined && identity.serial === plan.serial) return false;
  if (identity === undefined || !isTelling(identity)) {
    if (isNew || !passOverUnknown) return false;
    const text = 'A reader that does not say who it is failed in another step: take it off the wires for ten seconds.';
    say(a, waiting, text);
  } else {
    if (!passOver.some(({ serial, vendor }) => serial === identity.serial && vendor === identity.vendor)) return false;
    say(a, waiting, `The reader ${name(identity)} failed in another step and is passed over: take it off the wires.`);
  }
  forget(a);
  return true;
}

/** Whether the serial number can tell two readers apart: some have none, and say so by zeros or ones. */
export function isTelling({ serial }: ReaderIdentity): boolean {
  return serial !== '00000000' && serial !== 'FFFFFFFF';
}

/** The reader in hand is none of ours. */
export function forget(a: Attempt): void {
  a.found = undefined;
  a.foundAt = undefined;
  a.place = undefined;
}

function say(a: Attempt, waiting: Waiting, text: string): void {
  if (waiting.told === text) return;
  waiting.told = text;
  a.remark(text);
}

/** "4B5759 10000000" */
export function name({ vendor, serial }: ReaderIdentity): string {
  return `${vendor} ${serial}`;
}
