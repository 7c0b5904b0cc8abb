import { isKeywayError, type KeywayError } from '../../lib/errors/index.ts';
import { type DiscoverOptions, Panel, type PanelEvents, type PanelReader } from '../../lib/osdp/index.ts';
import { acquirePort, type Lease } from './broker.ts';
import type { PortTarget } from './deployed.ts';
import { fail } from './osdp-errors.ts';
import { type KnownReader, ReaderKeys } from './osdp-keys.ts';
import { type TurnOptions, Turns } from './turns.ts';

/** How long a bus that is listened to waits before it tries a port again that is not there. */
const RETRY_MS = 1000;
/** How long the port stays open for the next command when nobody listens. */
const LINGER_MS = 2000;
/** Another panel is told of this often at the most, however much it talks. */
const FOREIGN_MS = 10_000;

const EVENTS = ['online', 'offline', 'card', 'keypad', 'tamper', 'reply', 'insecure', 'foreign'] as const;
export type BusEvent = (typeof EVENTS)[number];
/** What a panel says of a reader. */
export type EventPayload = PanelEvents[BusEvent][0];

/** Somebody for whom the readers are polled. */
export interface BusListener {
  onEvent(name: BusEvent, event: EventPayload): void;
  /** open: readers are polled; gone: the port is not there, it is tried again. */
  onState(state: 'open' | 'gone', error?: Error): void;
}

export interface BusSettings {
  readonly id: string;
  readonly name: string;
  readonly mode: 'single' | 'multi';
  /** How often a reader is polled at most, and after how long a silence it is offline, in ms. @throws BAD_FIELD */
  timing(): { readonly pollMs: number; readonly offlineMs: number };
  /** @throws PORT_NOT_SET, BAD_FIELD */
  target(): Promise<PortTarget>;
  /** @throws BAD_OSDP_BAUD */
  baudRate(): number;
  /** @throws BAD_OSDP_ADDRESS, BAD_FIELD */
  readers(): readonly KnownReader[];
}

interface Held {
  readonly panel: Panel;
  readonly lease: Lease;
}

/** The bus of a keyway-osdp-bus node: one panel, which all nodes share. Its port is claimed while somebody needs it. */
export class OsdpBus {
  readonly settings: BusSettings;
  readonly #keys: ReaderKeys;
  readonly #turns: Turns;
  readonly #listeners = new Set<BusListener>();
  /** Readers that messages added; undefined for one that they took away. */
  readonly #changes = new Map<number, KnownReader | undefined>();
  readonly #ends = new AbortController();
  /** Readers whose key cannot be had, and why. */
  readonly #keyless = new Map<number, KeywayError>();
  #opening: Promise<Held> | undefined;
  #held: Held | undefined;
  #letting: Promise<void> = Promise.resolve();
  #users = 0;
  #timer: NodeJS.Timeout | undefined;
  #keyTimer: NodeJS.Timeout | undefined;
  #foreignAt = Number.NEGATIVE_INFINITY;

  constructor(settings: BusSettings) {
    this.settings = settings;
    this.#keys = new ReaderKeys(`OSDP bus ${settings.name}`);
    this.#turns = new Turns(`The bus ${settings.name}`);
  }

  /** The readers it looks after now, those included whose key cannot be had. @throws BAD_OSDP_ADDRESS, BAD_FIELD */
  get readers(): readonly KnownReader[] {
    const all = new Map<number, KnownReader | undefined>(this.settings.readers().map((one) => [one.address, one]));
    for (const [address, reader] of this.#changes) all.set(address, reader);
    return [...all.values()].filter((one) => one !== undefined);
  }

  /** How many readers answer. */
  get online(): number {
    const { panel } = this.#held ?? {};
    return panel?.readers.filter(({ address }) => panel.isOnline(address)).length ?? 0;
  }

  /**
   * Works with the panel, one job at a time; its polls go on between. The bus is back at its own rate afterwards.
   * @throws BUSY, and what opening the port throws
   */
  async run<T>(options: TurnOptions, work: (panel: Panel) => Promise<T>): Promise<T> {
    const giveBack = await this.#turns.take(options);
    this.#users++;
    try {
      const { panel } = await abortable(this.#get(options), options.signal);
      this.#addKeyless(panel);
      try {
        return await work(panel);
      } finally {
        if (!panel.isClosed) await panel.setBaudRate(this.settings.baudRate());
      }
    } finally {
      this.#users--;
      giveBack();
      this.#rest();
    }
  }

  /** The reader at an address, never one whose key cannot be had. @throws BAD_OSDP_ADDRESS, and what its key is refused for */
  reader(panel: Panel, address: number): PanelReader {
    const why = this.#keyless.get(address);
    if (why !== undefined) throw why;
    return panel.reader(address);
  }

  /** Keys with the names of their readers, for who wants to find out whose key a reader holds. */
  keys(): { list: NonNullable<DiscoverOptions['keys']>; wipe(): void } {
    const list: { name: string; key: Uint8Array }[] = [];
    for (const reader of this.readers) {
      const { key } = this.#keys.terms(reader);
      if (key !== undefined) list.push({ name: reader.name || `address ${reader.address}`, key });
    }
    return { list, wipe: () => list.forEach(({ key }) => void key.fill(0)) };
  }

  /** Has all known readers polled. Returns the way to stop. */
  listen(listener: BusListener): () => Promise<void> {
    this.#listeners.add(listener);
    if (this.#held !== undefined) {
      this.#held.panel.start();
      listener.onState('open');
    } else this.#openForListeners();
    return async () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
      await this.#held?.panel.stop();
      this.#rest();
    };
  }

  /** Takes a reader on, or one that is there with another key. @throws what its key or address is refused for */
  add(reader: KnownReader): void {
    const before = this.readers.find((one) => one.address === reader.address);
    const terms = this.#keys.terms(reader);
    try {
      const { panel } = this.#held ?? {};
      panel?.remove(reader.address);
      panel?.add(terms);
      this.#changes.set(reader.address, reader);
      this.#keyless.delete(reader.address);
      if (before !== undefined && before.key !== reader.key) this.#keys.giveBack(before);
    } finally {
      terms.key?.fill(0);
    }
  }

  /** Lets a reader go, and its key. */
  remove(address: number): void {
    const known = this.readers.find((one) => one.address === address);
    this.#held?.panel.remove(address);
    this.#changes.set(address, undefined);
    this.#keyless.delete(address);
    if (known !== undefined) this.#keys.giveBack(known);
  }

  /** Ends all within a moment: the port is free afterwards. */
  async close(): Promise<void> {
    this.#ends.abort(fail('BUS_NOT_SET', `The bus ${this.settings.name} is not deployed any more.`));
    clearTimeout(this.#timer);
    clearTimeout(this.#keyTimer);
    this.#listeners.clear();
    await this.#opening?.catch(() => undefined);
    await this.#letGo();
    this.#keys.close();
  }

  async #get({ wait }: { wait: boolean }): Promise<Held> {
    this.#ends.signal.throwIfAborted();
    clearTimeout(this.#timer);
    if (this.#held !== undefined) return this.#held;
    this.#opening ??= this.#open(wait)
      .catch((error: unknown) => {
        this.#retry();
        throw error;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return await this.#opening;
  }

  async #open(wait: boolean): Promise<Held> {
    const { name } = this.settings;
    const timing = this.settings.timing();
    const baudRate = this.settings.baudRate();
    const { readers } = this;
    await this.#letting;
    const target = { ...(await this.settings.target()), baudRate };
    const lease = await acquirePort(target, { owner: `OSDP bus ${name}`, wait, signal: this.#ends.signal });
    try {
      this.#ends.signal.throwIfAborted();
      if (lease.link.baudRate !== baudRate) await lease.link.setBaudRate(baudRate);
      const panel = new Panel(lease.link, timing);
      const held = { panel, lease };
      for (const event of EVENTS) {
        panel.on(event, (payload: EventPayload) => this.#tell(event, payload));
      }
      panel.on('gone', (error) => this.#gone(held, error));
      this.#held = held;
      this.#keyless.clear();
      for (const reader of readers) this.#addTo(panel, reader);
      if (this.#listeners.size > 0) panel.start();
      for (const listener of [...this.#listeners]) listener.onState('open');
      return held;
    } catch (error) {
      this.#held = undefined;
      await lease.release();
      throw error;
    }
  }

  /** A reader whose key cannot be had is left alone: it is not spoken to in clear instead. */
  #addTo(panel: Panel, reader: KnownReader): void {
    const { address } = reader;
    try {
      const terms = this.#keys.terms(reader);
      panel.add(terms);
      terms.key?.fill(0);
    } catch (error) {
      if (!isKeywayError(error)) throw error;
      const { code, message } = error;
      if (this.#keyless.get(address)?.code !== code) this.#tell('insecure', { address, code, message });
      this.#keyless.set(address, error);
      this.#watchKeyless();
    }
  }

  /** A handle may be made by the flow that has just begun. */
  #addKeyless(panel: Panel): void {
    if (this.#keyless.size === 0) return;
    for (const reader of this.readers) {
      if (!this.#keyless.has(reader.address)) continue;
      this.#addTo(panel, reader);
      if (panel.readers.some(({ address }) => address === reader.address)) this.#keyless.delete(reader.address);
    }
  }

  #watchKeyless(): void {
    clearTimeout(this.#keyTimer);
    this.#keyTimer = setTimeout(() => {
      if (this.#held !== undefined && this.#listeners.size > 0) this.#addKeyless(this.#held.panel);
    }, RETRY_MS);
    this.#keyTimer.unref();
  }

  #tell(name: BusEvent, event: EventPayload): void {
    if (name === 'foreign') {
      const now = performance.now();
      if (now - this.#foreignAt < FOREIGN_MS) return;
      this.#foreignAt = now;
    }
    for (const listener of [...this.#listeners]) listener.onEvent(name, event);
  }

  /** The cable was pulled, or the far side went. */
  #gone(held: Held, error: Error | undefined): void {
    if (this.#held !== held) return;
    this.#held = undefined;
    this.#letting = held.lease.release().catch(() => undefined);
    for (const listener of [...this.#listeners]) listener.onState('gone', error);
    this.#retry();
  }

  #openForListeners(): void {
    this.#get({ wait: true }).catch((error: unknown) => {
      for (const listener of [...this.#listeners]) listener.onState('gone', error as Error);
    });
  }

  #retry(): void {
    if (this.#listeners.size === 0 || this.#ends.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#openForListeners(), RETRY_MS);
    this.#timer.unref();
  }

  /** Gives the port back in a moment when nobody needs it. */
  #rest(): void {
    if (this.#users > 0 || this.#listeners.size > 0 || this.#held === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#letGo().catch(() => undefined), LINGER_MS);
    this.#timer.unref();
  }

  async #letGo(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) {
      this.#letting = held.panel
        .close()
        .catch(() => undefined)
        .then(() => held.lease.release());
    }
    await this.#letting;
  }
}

const buses = new Map<string, OsdpBus>();

export function deployBus(bus: OsdpBus): () => void {
  const { id } = bus.settings;
  buses.set(id, bus);
  return () => {
    if (buses.get(id) === bus) buses.delete(id);
  };
}

/** The deployed bus that a node names. @throws BUS_NOT_SET */
export function busById(id: string): OsdpBus {
  const bus = buses.get(id);
  if (bus !== undefined) return bus;
  throw fail('BUS_NOT_SET', 'The node names no OSDP bus, or one that is not deployed.', {
    hint: 'Open the node, choose its bus and deploy.',
    detail: { field: 'bus' },
  });
}

/** What is waited for, or the end of the wait. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
