import type { Place } from '../../panel/comset.ts';
import { sendKey } from '../../panel/keyset.ts';
import { SCBK_D } from '../../secure/keys.ts';
import { type KeyKind, PanelHandshake } from '../../secure/panel.ts';
import { type Attempt, spell } from './attempt.ts';
import { CallerFailure, endOf, nakOf, StepEnd } from './end.ts';
import { checkLock } from './lock.ts';

/** How often a handshake is begun anew with a reader that answers everything else. */
const TRIES = 3;

/** How a reader met a key. */
type Met =
  | { readonly kind: 'taken' }
  /** It holds another key, or refuses this kind of key. */
  | { readonly kind: 'refused'; readonly text: string; readonly nak: ReturnType<typeof nakOf> }
  /** It answers polls, but not this. */
  | { readonly kind: 'silent' };

interface Refusal {
  readonly code?: string;
  readonly message: string;
  readonly detail?: { readonly nak?: number; readonly reason?: string };
}

/** The refusal of a key. */
const OF_THE_KEY = 5;

/**
 * Does `work`. Where nothing comes back the reader is asked whether it is there, and it is done again; also where what
 * came may be a late answer to something else.
 */
async function meet(a: Attempt, work: () => Promise<boolean>, firmly = false): Promise<Met> {
  for (let tries = 1; ; tries++) {
    try {
      return (await work()) ? { kind: 'taken' } : { kind: 'refused', text: 'it holds another key', nak: {} };
    } catch (error) {
      const { code, message, detail = {} } = error as Refusal;
      const isLast = tries === TRIES;
      const isRefused = code === 'SC_WRONG_KEY' || (code === 'SC_REFUSED' && (detail.nak === OF_THE_KEY || isLast));
      if (isRefused) return { kind: 'refused', text: message, nak: nakOf(detail) };
      const isSilent = code === 'NO_REPLY' || code === 'GARBAGE_ONLY';
      if (!isSilent && code !== 'SC_REFUSED' && (code !== 'SC_FAILED' || isLast)) throw error;
      if (!(await a.isThere(firmly))) throw code === 'GARBAGE_ONLY' ? error : a.gone();
      if (isLast) return { kind: 'silent' };
    }
  }
}

/** Opens a session: proof from both sides. */
async function open(a: Attempt, key: Uint8Array, kind: KeyKind): Promise<Met> {
  return await meet(a, async () => {
    await a.peer.turn.run(() => a.peer.handshake(key, kind, a.sending));
    return true;
  });
}

/** Whether the reader proves to hold a version of the derived key; nothing is proved to it. */
async function holds(a: Attempt, version: number, firmly = false): Promise<Met> {
  const options = { ...(firmly ? a.firmly : a.sending), retries: 1 };
  return await a.withKey(version, (key) =>
    meet(
      a,
      async () => {
        const answer = await a.peer.turn.run(() => a.peer.challenge(new PanelHandshake(key, 1), options));
        a.peer.restart();
        return answer === 'match';
      },
      firmly,
    ),
  );
}

const versions = ({ run }: Attempt): number[] => [...new Set([run.keyVersion, ...run.earlierVersions])];

/** Which version of the derived key the reader holds. */
async function findVersion(a: Attempt, tried: Met[] = []): Promise<number | undefined> {
  for (const version of versions(a)) {
    const met = await holds(a, version);
    if (met.kind === 'taken') {
      own(a, version);
      return version;
    }
    tried.push(met);
  }
  return undefined;
}

/** The reader has proved to hold this version. */
function own(a: Attempt, version: number): void {
  a.keyed = true;
  a.keyVersion = version;
  a.maybeKeyed = null;
}

/** A session under whichever key it takes, for what it refuses in clear. */
export async function openAny(a: Attempt): Promise<void> {
  const met = await open(a, SCBK_D as Uint8Array, 0);
  if (met.kind === 'taken') return;
  const version = await findVersion(a);
  if (version === undefined) throw rejected(a, met);
  const again = await a.withKey(version, (key) => open(a, key, 1));
  if (again.kind !== 'taken') throw new StepEnd('sc_error', `The reader does not open a session with its own key.`);
}

/** It holds a key that nobody here knows. */
function rejected(a: Attempt, met: Met): StepEnd {
  const place = a.place as Place;
  const applied = a.comsetApplied === true ? 'has its address and rate' : 'was left as it was';
  const why = met.kind === 'refused' ? '' : ' and passes over challenges';
  return new StepEnd(
    'scbk_rejected',
    `The reader at ${spell(place)} holds a key that is not derived from this seed${why}; it ${applied}.`,
    met.kind === 'refused' ? met.nak : {},
  );
}

/**
 * challenge: opens a session with the default key, unless the reader holds a derived key already.
 * @returns whether it is to be keyed.
 */
export async function challenge(a: Attempt): Promise<boolean> {
  a.enter('challenge');
  const mayBeOurs = a.run.earlierVersions.length > 0;
  if (mayBeOurs && (await isOurs(a))) return false;
  const met = await open(a, SCBK_D as Uint8Array, 0);
  if (met.kind === 'taken') {
    a.reach('challenge');
    return true;
  }
  const tried: Met[] = [met];
  if (!mayBeOurs && (await isOurs(a, tried))) return false;
  if (tried.every(({ kind }) => kind === 'silent')) {
    throw new StepEnd('sc_error', `The reader at ${spell(a.place as Place)} answers polls and no challenge.`);
  }
  throw rejected(a, met);
}

async function isOurs(a: Attempt, tried?: Met[]): Promise<boolean> {
  if ((await findVersion(a, tried)) === undefined) return false;
  a.keyedBefore = true;
  a.reach('challenge');
  a.reach('keyset');
  return true;
}

/** keyset: the key leaves, once. @returns whether the reader said that it took it. */
export async function keyset(a: Attempt): Promise<boolean> {
  a.enter('keyset');
  const { keyVersion, beforeKeyset } = a.run;
  await beforeKeyset().catch((error: unknown) => {
    throw new CallerFailure(error);
  });
  a.checkHalt();
  const onLeaving = (): void => {
    a.keyed = null;
    a.maybeKeyed = keyVersion;
  };
  try {
    const options = { ...a.firmly, onLeaving };
    const said = await a.withKey(keyVersion, (key) => a.peer.turn.run(() => sendKey(a.peer, key, options)));
    a.checkHalt();
    if (said !== 'none') a.reach('keyset');
    return said !== 'none';
  } catch (error) {
    const { code, message, detail = {} } = error as Refusal;
    if (code === 'KEYSET_FAILED') {
      a.keyed = false;
      a.maybeKeyed = null;
      throw new StepEnd('keyset_failed', message, nakOf(detail));
    }
    throw error;
  }
}

/** Finds out whether the key that has left was taken. Leaves it open when there is no answer. */
export async function learn(a: Attempt): Promise<void> {
  const version = a.maybeKeyed;
  if (version === null || !a.line.link.isOpen) return;
  try {
    const met = await holds(a, version, true);
    if (met.kind === 'taken') own(a, version);
    else if (met.kind === 'refused') {
      a.keyed = false;
      a.maybeKeyed = null;
    }
  } catch (error) {
    if (endOf(error, a.line.link.isOpen) === undefined) throw error;
  }
}

/** lock-check and verify: the default key is refused, and the new one opens a fresh session. */
export async function prove(a: Attempt, acknowledged: boolean): Promise<void> {
  a.enter('lock-check');
  let lock = await checkLock(a);
  if (lock !== 'closed') {
    // Some leave install mode with their first session only; and one that did not get its key never left it.
    await openOwn(a, acknowledged);
    lock = await checkLock(a);
  }
  if (lock === 'open') {
    throw new StepEnd(
      'install_mode_open',
      `The reader at ${spell(a.target)} took its key and takes the default key still: anybody may key it again.`,
    );
  }
  if (lock === 'unclear') {
    if (!(await a.isThere())) throw a.gone();
    throw new StepEnd('sc_error', `Whether the reader at ${spell(a.target)} takes the default key cannot be told.`);
  }
  a.reach('lock-check');
  a.enter('verify');
  await openOwn(a, acknowledged);
  a.reach('verify');
}

/** A fresh session with the new key. */
export async function openOwn(a: Attempt, acknowledged: boolean): Promise<void> {
  const version = a.keyVersion ?? a.run.keyVersion;
  const place = spell(a.target);
  let met: Met;
  try {
    met = await a.withKey(version, (key) => open(a, key, 1));
  } catch (error) {
    if ((error as Refusal).code !== 'SC_FAILED') throw error;
    await learn(a);
    throw new StepEnd(
      'sc_verify_failed',
      `The reader at ${place} does not bring a session with its new key to an end.`,
    );
  }
  if (met.kind === 'taken') {
    own(a, version);
    return;
  }
  if (met.kind === 'silent') {
    throw new StepEnd('sc_verify_failed', `The reader at ${place} answers polls, and not to its new key.`);
  }
  a.keyed = false;
  a.keyVersion = null;
  a.maybeKeyed = null;
  if (acknowledged) {
    const text = `The reader at ${place} said that it took its key, and does not hold it: ${met.text}`;
    throw new StepEnd('sc_verify_failed', text, met.nak);
  }
  throw new StepEnd('keyset_failed', `The reader at ${place} did not take its key.`, met.nak, 'keyset');
}
