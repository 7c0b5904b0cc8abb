import { COMMANDS, REPLIES } from '../codec/index.ts';
import { fail } from '../errors.ts';
import { type Check, CONFIGURATION_ADDRESS, encodeFrame, type Frame } from '../frame/frame.ts';
import { checkAddress, checkKey, SCBK_D } from '../secure/keys.ts';
import { checkBaudRate } from './comset.ts';
import type { BusLine } from './line.ts';
import { Peer } from './peer.ts';
import { PanelReader } from './reader.ts';
import type { SendOptions } from './sending.ts';
import { BAUD_RATES, type Capabilities, type Identity } from './types.ts';

export interface DiscoverOptions {
  /** `single`: one reader is on the wire, and may be asked at the configuration address. `multi`: it may not. */
  readonly mode: 'single' | 'multi';
  /** Rates to look at, in this order. Default all six. */
  readonly baudRates?: readonly number[];
  /** Addresses to look at, in this order. Default 0 to 126. */
  readonly addresses?: readonly number[];
  /** Kinds of check to speak with, in this order. Default: both in single mode, CRC alone otherwise. */
  readonly checks?: readonly Check[];
  /** How long each rate is listened to before anything is sent, in ms. Default 2000. */
  readonly listenMs?: number;
  /** Talk though another panel or noise was heard. Default false. */
  readonly force?: boolean;
  /** Find out whose key a reader holds; `not-probed` when it gives no clear answer. A challenge ends any session it has. Default: in single mode only. */
  readonly probeSecurity?: boolean;
  /** Keys that the reader may hold, with a name for each. The default key is always tried. */
  readonly keys?: readonly { readonly name: string; readonly key: Uint8Array }[];
  /** Called at every step and with every reader as soon as it has answered. */
  readonly onProgress?: (progress: DiscoverProgress) => void;
  readonly signal?: AbortSignal;
}

export interface DiscoverProgress {
  readonly phase: 'listen' | 'search' | 'name' | 'ask';
  readonly done: number;
  readonly total: number;
  readonly baudRate: number;
  readonly address?: number;
  /** Somebody has answered here for the first time; its address is not known yet in single mode. */
  readonly present?: boolean;
}

export type SecurityState =
  | { readonly state: 'install-mode' }
  /** `key`: the name it was given by. */
  | { readonly state: 'known-key'; readonly key: string }
  | { readonly state: 'unknown-key' }
  | { readonly state: 'unsupported' }
  | { readonly state: 'not-probed' };

export interface FoundReader {
  /** Undefined when it answers at the configuration address only. */
  readonly address: number | undefined;
  readonly baudRate: number;
  readonly check: Check;
  readonly identity: Identity | undefined;
  readonly capabilities: Capabilities | undefined;
  readonly security: SecurityState;
  /** It refuses to be polled in clear. */
  readonly secureOnly: boolean;
  /** How long it took to begin its replies, at the most, in ms. */
  readonly replyMs: number;
}

/** A place where bytes came back and never a frame: two readers on one address, or noise. */
export interface Disturbed {
  readonly address: number;
  readonly baudRate: number;
  readonly bytes: number;
}

export interface Discovery {
  readonly readers: readonly FoundReader[];
  readonly disturbed: readonly Disturbed[];
  /** From the end of the listening to the first answer, and to the end; in ms. */
  readonly presenceMs: number | undefined;
  readonly searchMs: number;
}

interface Search {
  readonly line: BusLine;
  readonly options: DiscoverOptions;
  readonly baudRates: readonly number[];
  readonly addresses: readonly number[];
  /** Readers that are not spoken to in clear, and the rate at which they are. */
  readonly own: readonly PanelReader[];
  readonly ownRate: number;
  readonly disturbed: Disturbed[];
  start: number;
  presenceMs: number | undefined;
  foreign: number;
}

/**
 * Looks for readers; the line is left at the rate of the last one found, or as it was.
 * @param own readers that the panel knows: where several may be on the bus, those with a key are asked under it.
 */
export async function discover(
  line: BusLine,
  options: DiscoverOptions,
  own: readonly PanelReader[] = [],
): Promise<Discovery> {
  const { baudRates = BAUD_RATES, addresses = Array.from({ length: 127 }, (_, i) => i) } = options;
  for (const rate of baudRates) checkBaudRate(rate, 'baudRates');
  for (const address of addresses) checkAddress(address, 'addresses');
  for (const { key } of options.keys ?? []) checkKey(key, 'keys').fill(0);
  const before = line.baudRate;
  const search: Search = {
    line,
    options,
    baudRates,
    addresses,
    own: own.filter(({ mayTalkClear }) => !mayTalkClear),
    ownRate: before,
    disturbed: [],
    start: 0,
    presenceMs: undefined,
    foreign: 0,
  };
  const readers: FoundReader[] = [];
  const listener = line.foreign;
  line.foreign = (frame) => {
    search.foreign++;
    listener?.(frame);
  };
  try {
    await listenFirst(search);
    search.start = line.clock.now();
    if (options.mode === 'single') readers.push(...(await searchSingle(search)));
    else await searchMulti(search, readers);
  } catch (error) {
    if (options.signal?.aborted !== true) throw error;
    throw fail('CANCELLED', `The discovery was cancelled; ${readers.length} readers had been found.`, {
      detail: { found: readers.length },
      cause: error,
    });
  } finally {
    line.foreign = listener;
    if (line.link.isOpen) await line.setBaudRate(readers.at(-1)?.baudRate ?? before);
  }
  const { presenceMs, disturbed } = search;
  return { readers, disturbed, presenceMs, searchMs: line.clock.now() - search.start };
}

/** Every rate is listened to before the first word: another panel's sessions would not outlive a challenge. */
async function listenFirst({ line, options, baudRates }: Search): Promise<void> {
  const { listenMs = 2000, force = false, signal } = options;
  let noise: { bytes: number; baudRate: number } | undefined;
  for (const [done, baudRate] of baudRates.entries()) {
    options.onProgress?.({ phase: 'listen', done, total: baudRates.length, baudRate });
    await line.setBaudRate(baudRate);
    const heard = await line.listen(listenMs, { signal });
    if (force) continue;
    if (heard.commands > 0 || heard.replies > 0) {
      throw fail(
        'BUS_HAS_PANEL',
        `Another panel talks on this bus at ${baudRate} baud: ${heard.commands} commands and ${heard.replies} replies in ${listenMs / 1000} s.`,
        {
          hint: 'Take it off the bus, or force the discovery; its sessions may then break.',
          detail: { baudRate, ...heard },
        },
      );
    }
    if (heard.bytes > 0) noise ??= { bytes: heard.bytes, baudRate };
  }
  if (noise === undefined) return;
  throw fail(
    'BUS_NOISY',
    `${noise.bytes} bytes came at ${noise.baudRate} baud though nobody was asked, and no frame at any rate.`,
    {
      hint: 'Another panel may talk at a rate that was not listened to, or the line is disturbed. Force the discovery to go on.',
      detail: { ...noise },
    },
  );
}

/** One reader: six questions to the configuration address find its rate, then its address is looked for. */
async function searchSingle(search: Search): Promise<FoundReader[]> {
  const { line, baudRates, options } = search;
  for (const asked of options.checks ?? (['crc', 'checksum'] as const)) {
    for (const [done, baudRate] of baudRates.entries()) {
      options.onProgress?.({ phase: 'search', done, total: baudRates.length, baudRate });
      const probe = await ask(search, CONFIGURATION_ADDRESS, baudRate, asked);
      if (probe === undefined) continue;
      const check = understood(asked, probe.frame);
      options.onProgress?.({ phase: 'search', done, total: baudRates.length, baudRate, present: true });
      const address = await nameIt(search, baudRate, check, probe.delayMs);
      return [await lookAt(search, address, baudRate, check, probe.frame)];
    }
  }
  if (search.disturbed.length > 0) {
    const { bytes, baudRate } = search.disturbed[0] as Disturbed;
    throw fail(
      'GARBAGE_ONLY',
      `${bytes} bytes came back at ${baudRate} baud and no frame: more than one reader may be on the bus.`,
      {
        hint: 'Leave one reader on the bus, or use the search for several.',
        detail: { baudRate, bytes, line: line.link.info.address },
      },
    );
  }
  return [];
}

/** The addresses one by one. As fast as the reader was before; and once more with all patience if that fails. */
async function nameIt(search: Search, baudRate: number, check: Check, delayMs: number): Promise<number | undefined> {
  const { line, addresses, options } = search;
  const quick = Math.min(line.replyTimeoutMs, 2 * delayMs + 8);
  for (const timeoutMs of quick < line.replyTimeoutMs ? [quick, line.replyTimeoutMs] : [quick]) {
    for (const [done, address] of addresses.entries()) {
      options.onProgress?.({ phase: 'name', done, total: addresses.length, baudRate, address });
      const answer = await ask(search, address, baudRate, check, timeoutMs);
      if (answer !== undefined) return answer.frame.address;
    }
  }
  return undefined;
}

async function searchMulti(search: Search, readers: FoundReader[]): Promise<void> {
  const { baudRates, addresses, options } = search;
  const { checks = ['crc'] } = options;
  const total = checks.length * baudRates.length * addresses.length;
  let done = 0;
  for (const asked of checks) {
    for (const baudRate of baudRates) {
      for (const address of addresses) {
        options.onProgress?.({ phase: 'search', done: done++, total, baudRate, address });
        if (readers.some((one) => one.address === address && one.baudRate === baudRate)) continue;
        const own = baudRate === search.ownRate ? search.own.find((one) => one.address === address) : undefined;
        if (own !== undefined) {
          const known = await lookAtOwn(search, own);
          if (known !== undefined) readers.push(known);
          continue;
        }
        const answer = await ask(search, address, baudRate, asked);
        if (answer === undefined) continue;
        options.onProgress?.({ phase: 'search', done, total, baudRate, address, present: true });
        readers.push(await lookAt(search, address, baudRate, understood(asked, answer.frame), answer.frame));
      }
    }
  }
}

/** A reader that complains of the check of a sound frame knows the other kind only. */
function understood(asked: Check, frame: Frame): Check {
  return frame.code === REPLIES.NAK && frame.data[0] === 1 ? 'checksum' : asked;
}

/** One POLL at number 0: any valid frame is somebody. */
async function ask(
  search: Search,
  address: number,
  baudRate: number,
  check: Check,
  timeoutMs?: number,
): Promise<{ frame: Frame; delayMs: number } | undefined> {
  const { line, options } = search;
  if (search.foreign > 0 && options.force !== true) {
    throw fail('BUS_HAS_PANEL', `Another panel began to talk at ${line.baudRate} baud during the discovery.`, {
      detail: { baudRate: line.baudRate },
    });
  }
  const raw = encodeFrame({ address, reply: false, sequence: 0, check, code: COMMANDS.POLL, data: new Uint8Array() });
  // A damaged answer may be noise on one frame: it is asked again once.
  for (let tries = 0; tries < 2; tries++) {
    const answer = await line.turn.run(async () => {
      await line.setBaudRate(baudRate);
      return await line.exchange(raw, address, (frame) => frame, {
        signal: options.signal,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
    });
    if (answer.taken !== undefined) {
      search.presenceMs ??= line.clock.now() - search.start;
      return { frame: answer.taken, delayMs: answer.delayMs };
    }
    if (answer.bytes === 0) return undefined;
    if (tries === 1) search.disturbed.push({ address, baudRate, bytes: answer.bytes });
  }
  return undefined;
}

/** All that a reader tells of itself, and, asked for, whose key it holds. */
async function lookAt(
  search: Search,
  address: number | undefined,
  baudRate: number,
  check: Check,
  first: Frame,
): Promise<FoundReader> {
  const { line, options, addresses } = search;
  options.onProgress?.({
    phase: 'ask',
    done: 0,
    total: addresses.length,
    baudRate,
    ...(address === undefined ? {} : { address }),
  });
  const reader = new PanelReader(new Peer(line, address ?? CONFIGURATION_ADDRESS));
  reader.peer.check = check;
  const sending = { signal: options.signal };
  await reader.isThere(sending).catch(() => undefined);
  const identity = await tolerant(reader.identify(sending), options.signal);
  const capabilities = await tolerant(reader.capabilities(sending), options.signal);
  const probe = options.probeSecurity ?? options.mode === 'single';
  // One that answers a challenge with nonsense must not end the search for others.
  const security: SecurityState = (probe
    ? await tolerant(probeSecurity(reader, capabilities, options), options.signal)
    : undefined) ?? { state: 'not-probed' };
  const secureOnly = first.code === REPLIES.NAK && first.data[0] === 6;
  const replyMs = reader.peer.slowestMs;
  reader.wipe();
  return { address, baudRate, check, identity, capabilities, security, secureOnly, replyMs };
}

/** A reader of ours, asked under its key and never in clear; undefined when it does not answer. */
async function lookAtOwn(search: Search, reader: PanelReader): Promise<FoundReader | undefined> {
  const { line, options } = search;
  const { address, peer } = reader;
  const sending = { signal: options.signal };
  let security: SecurityState = reader.isKeyed
    ? { state: 'known-key', key: reader.nameOfKey(options.keys ?? []) ?? `address ${address}` }
    : { state: 'install-mode' };
  await line.turn.run(() => line.setBaudRate(search.ownRate));
  try {
    await reader.isThere(sending);
  } catch (error) {
    options.signal?.throwIfAborted();
    const { code } = error as { code?: string };
    if (code === 'NO_REPLY') return undefined;
    if (code === undefined || !line.link.isOpen) throw error;
    if (code === 'GARBAGE_ONLY') {
      const { bytes } = (error as { detail: { bytes: number } }).detail;
      search.disturbed.push({ address, baudRate: search.ownRate, bytes });
      return undefined;
    }
    // Somebody else sits in its place, or it was keyed by others: a challenge tells, and says nothing in clear.
    const stranger = new PanelReader(new Peer(line, address));
    const probed =
      options.probeSecurity === true && tolerant(probeSecurity(stranger, undefined, options), options.signal);
    security = (await probed) || { state: code === 'SC_WRONG_KEY' ? 'unknown-key' : 'not-probed' };
    peer.restart();
  }
  search.presenceMs ??= line.clock.now() - search.start;
  const place = { baudRate: search.ownRate, address };
  options.onProgress?.({ phase: 'search', done: 0, total: search.addresses.length, ...place, present: true });
  const lives = reader.hasSession;
  const identity = lives ? await tolerant(reader.identify(sending), options.signal) : undefined;
  const capabilities = lives ? await tolerant(reader.capabilities(sending), options.signal) : undefined;
  const { check, slowestMs: replyMs } = peer;
  return { ...place, check, identity, capabilities, security, secureOnly: false, replyMs };
}

/** Readers may refuse to say who they are; that they are there is known already. */
async function tolerant<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    signal?.throwIfAborted();
    if ((error as { code?: string }).code === undefined) throw error;
    return undefined;
  }
}

/** Judged by cryptograms alone: flags and identifiers of a reader are not believed. */
export async function probeSecurity(
  reader: PanelReader,
  capabilities: Capabilities | undefined,
  options: Pick<DiscoverOptions, 'keys' | 'signal'>,
): Promise<SecurityState> {
  if (capabilities !== undefined && !capabilities.secureChannel) return { state: 'unsupported' };
  const sending = { signal: options.signal };
  if (await holds(reader, SCBK_D as Uint8Array, 0, sending)) return { state: 'install-mode' };
  for (const { name, key } of options.keys ?? []) {
    if (await holds(reader, key, 1, sending)) return { state: 'known-key', key: name };
  }
  return { state: 'unknown-key' };
}

/** Some readers say nothing to a challenge that they do not like. */
async function holds(reader: PanelReader, key: Uint8Array, kind: 0 | 1, options: SendOptions): Promise<boolean> {
  try {
    return await reader.holdsKey(key, kind, { ...options, retries: 1 });
  } catch (error) {
    if ((error as { code?: string }).code === 'NO_REPLY') return false;
    throw error;
  }
}
