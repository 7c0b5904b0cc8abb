import { decodeReply, encodeCommand, REPLIES } from '../../codec/index.ts';
import { CONFIGURATION_ADDRESS } from '../../frame/frame.ts';
import { follow, type Place } from '../../panel/comset.ts';
import { nakDetail } from '../../panel/peer.ts';
import type { Received } from '../../panel/sending.ts';
import { type Attempt, isSame, spell } from './attempt.ts';
import { nakOf, StepEnd } from './end.ts';
import { findOut } from './locate.ts';
import { nothingMissed } from './search.ts';
import { openAny } from './secure.ts';

/** How often COMSET is sent when the reader did not get it. */
const TRIES = 3;
/** Rates that a reader may choose for itself, in baud. */
const SLOWEST = 300;
const FASTEST = 1_000_000;

/** comset and confirm: gives the reader its address and rate, and makes sure that it answers there. */
export async function move(a: Attempt): Promise<void> {
  const from = a.place as Place;
  if (isSame(from, a.target)) {
    a.comsetApplied = true;
    a.reach('comset');
    a.reach('confirm');
    return;
  }
  a.enter('comset');
  if (!a.isAlone) await refuseOccupied(a, from);
  for (let tries = 0; tries < TRIES; tries++) {
    const said = await ask(a);
    const places = said === undefined ? [a.target, from] : [said];
    if (said !== undefined && isSame(said, a.target)) {
      a.reach('comset');
      a.enter('confirm');
    }
    const there = await follow(a.line, places, (place, timeoutMs) => answers(a, place, timeoutMs), {
      slowestMs: a.peer.slowestMs,
      switchMs: undefined,
    });
    if (there === undefined) return await lost(a, from, said);
    a.follow(there.place);
    if (isSame(there.place, a.target)) {
      a.comsetApplied = true;
      if (said === undefined) a.reach('comset');
      a.reach('confirm');
      return;
    }
    a.comsetApplied = false;
    if (said !== undefined) throw elsewhere(a, said);
  }
  throw new StepEnd('comset_refused', `The reader at ${spell(from)} did not answer COMSET ${TRIES} times and stays.`);
}

async function answers(a: Attempt, place: Place, timeoutMs: number): Promise<boolean> {
  return (await a.probe(place, { timeoutMs })).frame !== undefined;
}

/** Two readers at one address cannot be told apart again: nobody may be there. */
async function refuseOccupied(a: Attempt, from: Place): Promise<void> {
  const timeoutMs = Math.min(a.line.replyTimeoutMs, 2 * a.peer.slowestMs + 8);
  const { bytes } = await a.probe(a.target, { timeoutMs });
  await a.line.setBaudRate(from.baudRate);
  if (bytes === 0) return;
  throw new StepEnd(
    'bus_collision',
    `Somebody answers at ${spell(a.target)} already; the reader at ${spell(from)} was left as it is.`,
  );
}

/** Where the reader says that it goes; undefined when nothing came, or what cannot be: then nobody knows. */
async function ask(a: Attempt): Promise<Place | undefined> {
  const received = await send(a, false);
  if (received === undefined) return undefined;
  const { nak, reason } = nakDetail(received);
  if (nak !== undefined) {
    a.comsetApplied = false;
    const text = `The reader at ${spell(a.place as Place)} refuses its new address and rate: ${reason}.`;
    throw new StepEnd('comset_refused', text, nakOf({ nak, reason }));
  }
  try {
    const reply = decodeReply(received.code, received.data);
    if (reply.name !== 'COM') return undefined;
    const { address, baudRate } = reply;
    return address < CONFIGURATION_ADDRESS && baudRate >= SLOWEST && baudRate <= FASTEST
      ? { address, baudRate }
      : undefined;
  } catch {
    return undefined;
  }
}

/** COMSET in clear, and under a session where the reader wants one. Undefined when no reply came. */
async function send(a: Attempt, secured: boolean): Promise<Received | undefined> {
  const { code, data } = encodeCommand({ name: 'COMSET', ...a.target });
  const { peer } = a;
  a.checkHalt();
  try {
    a.comsetApplied = null;
    const received = await peer.turn.run(() => peer.send(code, data, { ...a.sending, retries: 0 }));
    if (secured || received.code !== REPLIES.NAK || received.data[0] !== 6) return received;
  } catch (error) {
    const { code: what } = error as { code?: string };
    if (what === 'NO_REPLY' || what === 'GARBAGE_ONLY' || what === 'SC_LOST') return undefined;
    throw error;
  }
  a.comsetApplied = false;
  await openAny(a);
  return await send(a, true);
}

/** It went to another place than it was sent to, and was met there. */
function elsewhere(a: Attempt, said: Place): StepEnd {
  a.nowAt = said;
  const text = `The reader was sent to ${spell(a.target)} and went to ${spell(said)}.`;
  const outcome = said.address === a.target.address ? 'baud_mismatch' : 'wrong_address';
  return new StepEnd(outcome, text, {}, 'comset');
}

/** It is neither where it was sent nor, as far as was asked, where it was. */
async function lost(a: Attempt, from: Place, said: Place | undefined): Promise<void> {
  if (said !== undefined && (await answers(a, from, a.line.replyTimeoutMs))) {
    a.follow(from);
    a.comsetApplied = false;
    throw new StepEnd('comset_refused', `The reader said that it goes to ${spell(said)}, and stays at ${spell(from)}.`);
  }
  a.comsetApplied = null;
  a.place = said ?? a.target;
  await findOut(a, nothingMissed(), [a.target]);
  a.comsetApplied = true;
  a.reach('comset');
  a.reach('confirm');
}
