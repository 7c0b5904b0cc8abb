import { EventEmitter } from 'node:events';
import type { Link } from '../../link/index.ts';
import { type Clock, realClock } from '../clock.ts';
import { fail } from '../errors.ts';
import { checkAddress, checkKey } from '../secure/keys.ts';
import { type ComsetOptions, checkBaudRate, moveReader, type Place } from './comset.ts';
import { type DiscoverOptions, type Discovery, discover } from './discover.ts';
import { type KeysetOptions, setKey } from './keyset.ts';
import { BusLine } from './line.ts';
import { Mutex } from './mutex.ts';
import { Peer } from './peer.ts';
import { Poller } from './poller.ts';
import { PanelReader } from './reader.ts';
import type { AddReader, ComsetResult, KeysetResult, PanelEvents, PanelOptions } from './types.ts';

/**
 * The panel of one bus: it owns the link, asks one reader at a time and waits for the answer. Readers that were added
 * are polled while it runs; anything else may be asked of any reader meanwhile and takes its turn between the polls.
 */
export class Panel extends EventEmitter<PanelEvents> {
  readonly line: BusLine;
  readonly clock: Clock;
  readonly #readers = new Map<number, PanelReader>();
  readonly #poller: Poller;
  /** Held by the poll loop for one reader at a time, and by what needs the bus for itself. */
  readonly #turn = new Mutex();
  #closed = false;
  readonly #stopWatching: () => void;

  /** @throws BAD_OSDP_OPTION. The link is closed with the panel. */
  constructor(link: Link, options: PanelOptions = {}) {
    super();
    const { replyTimeoutMs = 200, stallMs = 150, pollMs = 50, offlineMs = 8000 } = options;
    checkNumber('replyTimeoutMs', replyTimeoutMs, 5, 10_000);
    checkNumber('stallMs', stallMs, 1, 10_000);
    checkNumber('pollMs', pollMs, 0, 60_000);
    checkNumber('offlineMs', offlineMs, 100, 3_600_000);
    this.clock = options.clock ?? realClock;
    this.line = new BusLine(link, {
      clock: this.clock,
      replyTimeoutMs,
      stallMs,
      ...(options.trace === undefined ? {} : { trace: options.trace }),
    });
    this.line.foreign = ({ address, code }) => this.emit('foreign', { address, code });
    this.#poller = new Poller(this, this.#turn, { pollMs, offlineMs });
    this.#stopWatching = link.onClose((error) => {
      this.#end();
      this.emit('gone', error);
    });
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get baudRate(): number {
    return this.line.baudRate;
  }

  /** The readers that the panel looks after, by address. */
  get readers(): readonly PanelReader[] {
    return this.#poller.readers;
  }

  /** How many exchanges the poll loop has ended with a reply. */
  get polls(): number {
    return this.#poller.polls;
  }

  isOnline(address: number): boolean {
    return this.#poller.isOnline(address);
  }

  /**
   * Takes a reader on. Its first poll follows at once when the panel runs.
   * @throws BAD_OSDP_ADDRESS, BAD_OSDP_KEY, FORBIDDEN_KEY, READER_EXISTS
   */
  add(options: AddReader): PanelReader {
    this.#check();
    checkAddress(options.address);
    if (this.#poller.has(options.address)) {
      throw fail('READER_EXISTS', `The panel looks after a reader at address ${options.address} already.`, {
        detail: { address: options.address },
      });
    }
    if (options.key !== undefined) checkKey(options.key).fill(0);
    const reader = this.reader(options.address);
    reader.secure(options.key, options.defaultKey === true);
    reader.wakeWithPoll = options.wakeWithPoll === true;
    if (options.poll !== false) this.#poller.add(reader);
    return reader;
  }

  /** Lets a reader go and forgets its key. */
  remove(address: number): void {
    this.#poller.remove(address);
    this.#readers.get(address)?.wipe();
    this.#readers.delete(address);
  }

  /** The reader at an address, added or not. @throws BAD_OSDP_ADDRESS, PANEL_CLOSED */
  reader(address: number): PanelReader {
    this.#check();
    checkAddress(address);
    return this.#at(address);
  }

  /** Begins to poll. Harmless when called again. */
  start(): void {
    this.#check();
    this.#poller.start();
  }

  /** Ends polling; resolves when the exchange under way is over. */
  async stop(): Promise<void> {
    await this.#poller.stop();
  }

  /** Changes the rate of this side in place. Sessions live on. @throws BAD_OSDP_BAUD */
  async setBaudRate(baudRate: number): Promise<void> {
    this.#check();
    checkBaudRate(baudRate);
    await this.exclusive(() => this.line.setBaudRate(baudRate));
  }

  /** Keeps the poll loop out while `work` talks on the bus. Not to be nested. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    this.#check();
    return await this.#turn.run(async () => {
      this.#check();
      return await work();
    });
  }

  /**
   * Moves a reader to another address and rate and follows it. The panel stays at the new rate unless `stay` is
   * false; then it goes back once the reader has answered.
   *
   * @throws BAD_OSDP_ADDRESS, BAD_OSDP_BAUD, READER_EXISTS, COMSET_REFUSED, COMSET_DIFFERENT, COMSET_LOST
   */
  async comset(address: number, to: Place, options: ComsetOptions & { stay?: boolean } = {}): Promise<ComsetResult> {
    const reader = this.reader(address);
    checkAddress(to.address);
    checkBaudRate(to.baudRate);
    if (to.address !== address && this.#poller.has(to.address)) {
      throw fail('READER_EXISTS', `The panel looks after a reader at address ${to.address} already.`, {
        hint: 'Two readers at one address cannot be told apart.',
        detail: { address: to.address },
      });
    }
    return await this.exclusive(async () => {
      const { baudRate } = this.line;
      try {
        const at = (one: number) => this.#at(one);
        return await moveReader(this.line, reader, to, at, (found) => this.#moved(reader, found), options);
      } finally {
        if (options.stay === false && !this.#closed) await this.line.setBaudRate(baudRate);
      }
    });
  }

  /**
   * Gives a reader its key under the session that is open, and proves it by a fresh handshake. From then on the
   * reader is spoken to under this key alone; also when the key has left and nobody knows what became of it.
   *
   * @throws BAD_OSDP_KEY, FORBIDDEN_KEY, SC_REQUIRED, KEYSET_IN_CLEAR, KEYSET_FAILED
   */
  async keyset(address: number, key: Uint8Array, options: KeysetOptions = {}): Promise<KeysetResult> {
    const reader = this.reader(address);
    let left = false;
    const onLeaving = (): void => {
      left = true;
    };
    try {
      const result = await reader.peer.turn.run(() => setKey(reader.peer, key, { ...options, onLeaving }));
      reader.secure(key, false);
      return result;
    } catch (error) {
      const { code, detail } = error as { code?: string; detail?: { handshake?: string } };
      if (left && (code !== 'KEYSET_FAILED' || detail?.handshake === 'SC_FAILED')) reader.secure(key, false);
      throw error;
    }
  }

  /**
   * Looks for readers whose address and rate nobody knows. The panel stays at the rate of the last one found, unless
   * it looks after readers: then it goes back to theirs.
   * @throws BUS_HAS_PANEL, BUS_NOISY, CANCELLED, BAD_OSDP_OPTION
   */
  async discover(options: DiscoverOptions): Promise<Discovery> {
    return await this.exclusive(async () => {
      const { baudRate } = this.line;
      const own = this.readers;
      try {
        return await discover(this.line, options, own);
      } finally {
        if (own.length > 0 && this.line.link.isOpen) await this.line.setBaudRate(baudRate);
        // A question to all readers has ended sessions without a word: they are opened again, not missed.
        if (options.mode === 'single') for (const { peer } of own) await peer.turn.run(async () => peer.restart());
      }
    });
  }

  /** Ends polling, forgets all keys and closes the link. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#end();
      await this.#poller.stop().catch(() => undefined);
    }
    await this.line.link.close();
  }

  #at(address: number): PanelReader {
    let reader = this.#readers.get(address);
    if (reader === undefined) {
      reader = new PanelReader(new Peer(this.line, address));
      this.#readers.set(address, reader);
    }
    return reader;
  }

  /** The reader has another address now: who was polled there is polled here. */
  #moved(from: PanelReader, to: PanelReader): void {
    if (from === to) return;
    if (this.#poller.has(from.address)) {
      this.#poller.remove(from.address);
      this.#poller.add(to);
    }
    from.wipe();
    this.#readers.delete(from.address);
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWatching();
    this.line.close();
    this.#poller.abort();
    for (const reader of this.#readers.values()) reader.wipe();
  }

  #check(): void {
    if (!this.#closed) return;
    throw fail('PANEL_CLOSED', `The panel at ${this.line.link.info.name} was closed.`, {
      detail: { address: this.line.link.info.address },
    });
  }
}

function checkNumber(field: string, value: number, least: number, most: number): void {
  if (Number.isFinite(value) && value >= least && value <= most) return;
  throw fail('BAD_OSDP_OPTION', `${field} is ${String(value)}; it must be from ${least} to ${most}.`, {
    detail: { field, value },
  });
}
