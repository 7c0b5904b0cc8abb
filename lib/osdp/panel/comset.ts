import { COMMANDS, decodeReply, encodeCommand, REPLIES } from '../codec/index.ts';
import { fail } from '../errors.ts';
import { CONFIGURATION_ADDRESS } from '../frame/frame.ts';
import { checkAddress } from '../secure/keys.ts';
import type { BusLine } from './line.ts';
import { nakDetail } from './peer.ts';
import type { PanelReader } from './reader.ts';
import type { SendOptions } from './sending.ts';
import { BAUD_RATES, type ComsetResult } from './types.ts';

/** Rates that a reader may choose for itself, in baud: some know others than those of the norm. */
const SLOWEST = 300;
const FASTEST = 1_000_000;

/** Where a reader is to be found. */
export interface Place {
  readonly address: number;
  readonly baudRate: number;
}

export interface ComsetOptions extends SendOptions {
  /** How long the reader may be deaf after it has changed over, in ms. Default 700. */
  readonly switchMs?: number;
}

/** @throws BAD_OSDP_BAUD */
export function checkBaudRate(baudRate: number, field = 'baudRate'): void {
  if (BAUD_RATES.includes(baudRate)) return;
  throw fail('BAD_OSDP_BAUD', `${String(baudRate)} is no rate of OSDP readers.`, {
    hint: `Use one of ${[...BAUD_RATES].sort((a, b) => a - b).join(', ')}.`,
    detail: { field, value: baudRate },
  });
}

/**
 * Gives the reader another address and rate, follows it there and makes sure that it answers. The line is left at
 * the reader's new rate. A reply that got lost is made up for by asking at both places.
 *
 * @param at gives the reader as it is known at an address. @param onFound takes the reader at the address where it
 * answers in the end.
 * @throws COMSET_REFUSED, COMSET_DIFFERENT (it is left at the place it chose), COMSET_LOST, and what sending throws
 */
export async function moveReader(
  line: BusLine,
  reader: PanelReader,
  to: Place,
  at: (address: number) => PanelReader,
  onFound: (reader: PanelReader) => void,
  options: ComsetOptions = {},
): Promise<ComsetResult> {
  checkAddress(to.address);
  checkBaudRate(to.baudRate);
  const from: Place = { address: reader.address, baudRate: line.baudRate };
  const said = await ask(reader, to, options);
  const actual = said ?? to;
  const there = at(actual.address);
  if (there !== reader) there.inherit(reader);
  const known = (place: Place): PanelReader => {
    const one = at(place.address);
    if (one !== there) one.inherit(there);
    return one;
  };
  const found = await follow(
    line,
    said === undefined ? [to, from] : [actual],
    (place, timeoutMs) => answers(known(place), { ...options, retries: 0, timeoutMs }),
    { slowestMs: there.peer.slowestMs, switchMs: options.switchMs },
  );
  if (found === undefined) {
    await line.setBaudRate(from.baudRate);
    throw lost(from, actual, said !== undefined);
  }
  onFound(at(found.place.address));
  const same = found.place.address === to.address && found.place.baudRate === to.baudRate;
  if (said === undefined && !same) {
    throw fail(
      'COMSET_REFUSED',
      `The reader at address ${from.address} did not answer COMSET and stays where it was.`,
      {
        hint: 'Try again.',
        detail: { ...from, wanted: to },
      },
    );
  }
  if (!same) {
    throw fail(
      'COMSET_DIFFERENT',
      `The reader took address ${actual.address} at ${actual.baudRate} baud instead of ${to.address} at ${to.baudRate}.`,
      { detail: { ...from, wanted: to, actual } },
    );
  }
  return { ...found.place, confirmedBy: said === undefined ? 'probe' : 'reply', tries: found.tries };
}

/** What COM says; undefined when no reply came, or one that cannot be: it does not mean that nothing was done. */
async function ask(reader: PanelReader, to: Place, options: SendOptions): Promise<Place | undefined> {
  const { code, data } = encodeCommand({ name: 'COMSET', ...to });
  try {
    if (!reader.mayTalkClear && !reader.hasSession) await reader.openSession(options);
    const received = await reader.peer.turn.run(() => reader.peer.send(code, data, { ...options, retries: 1 }));
    if (received.code === REPLIES.NAK) {
      const nak = nakDetail(received);
      throw fail('COMSET_REFUSED', `The reader at address ${reader.address} refuses its new place: ${nak.reason}.`, {
        ...(nak.nak === 6 ? { hint: 'It wants a secure channel: give its key.' } : {}),
        detail: { address: reader.address, wanted: to, ...nak },
      });
    }
    const reply = decodeReply(received.code, received.data);
    if (reply.name === 'COM') {
      const { address, baudRate } = reply;
      const canBe = address < CONFIGURATION_ADDRESS && baudRate >= SLOWEST && baudRate <= FASTEST;
      return canBe ? { address, baudRate } : undefined;
    }
    throw fail('UNEXPECTED_REPLY', `The reader at address ${reader.address} answers COMSET with ${reply.name}.`, {
      detail: { address: reader.address, reply: received.code },
    });
  } catch (error) {
    const { code: what } = error as { code?: string };
    if (what === 'NO_REPLY' || what === 'GARBAGE_ONLY' || what === 'SC_LOST') return undefined;
    throw error;
  }
}

/** How long a reader may be deaf after it has changed over, in ms, unless it is said otherwise. */
const SWITCH_MS = 700;

/**
 * Asks at each place in turn until one answers. The first asks are short: a reader that is changing over hears
 * nothing, and one that has changed over answers as fast as it did before. The line is left at the rate of who answers.
 *
 * @param ask whether somebody answers at the place, its rate being set, within so many ms.
 * @param reader.slowestMs the longest that it took to begin a reply.
 */
export async function follow(
  line: BusLine,
  places: readonly Place[],
  ask: (place: Place, timeoutMs: number) => Promise<boolean>,
  reader: { slowestMs: number; switchMs: number | undefined },
): Promise<{ place: Place; tries: number } | undefined> {
  const start = line.clock.now();
  const patience = reader.switchMs ?? SWITCH_MS;
  let timeoutMs = Math.min(line.replyTimeoutMs, 1.5 * reader.slowestMs + 4);
  let tries = 0;
  for (let last = 0; last < 2; ) {
    if (line.clock.now() - start >= patience) {
      last++;
      timeoutMs = line.replyTimeoutMs;
    }
    for (const place of places) {
      await line.setBaudRate(place.baudRate);
      tries++;
      if (await ask(place, timeoutMs)) return { place, tries };
    }
    timeoutMs = Math.min(line.replyTimeoutMs, timeoutMs * 1.5);
  }
  return undefined;
}

/** A reader whose key is known is not asked in clear: a handshake tells as well. */
async function answers(reader: PanelReader, options: SendOptions): Promise<boolean> {
  try {
    reader.peer.restart();
    if (reader.mayTalkClear)
      await reader.peer.turn.run(() => reader.peer.send(COMMANDS.POLL, new Uint8Array(), options));
    else await reader.openSession(options);
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'NO_REPLY' || code === 'GARBAGE_ONLY') return false;
    throw error;
  }
}

function lost(from: Place, to: Place, said: boolean): Error {
  const where = `address ${to.address} at ${to.baudRate} baud`;
  const message = said
    ? `The reader said that it moves to ${where}, and does not answer there.`
    : `The reader did not answer COMSET, and answers neither at ${where} nor where it was.`;
  return fail('COMSET_LOST', message, {
    hint: 'Run a discovery with this reader alone on the bus.',
    detail: { ...from, wanted: to },
  });
}
