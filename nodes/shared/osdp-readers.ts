import {
  makeReaders,
  ReaderBus,
  servePty,
  serveRfc2217,
  serveTcp,
  type VirtualReader,
} from '../../lib/virtual/index.ts';
import { fail as failNode } from './errors.ts';
import { fail } from './osdp-errors.ts';
import { keyFromEnvironment } from './osdp-keys.ts';

/** How readers are set up: what a keyway-virtual-readers node saves. */
export interface ReadersSettings {
  readonly name: string;
  readonly count: string;
  readonly addresses: string;
  readonly baudRate: string;
  readonly personalities: string;
  readonly line: 'auto' | 'paced' | 'free';
  /** They lie in their box until a hand plugs them in. */
  readonly boxed: boolean;
  readonly keyVariable: string;
  readonly replyMs: string;
  readonly rfc2217Port: string;
  readonly tcpPort: string;
  readonly ptyPath: string;
}

/** What a reader was told (address, rate, key) stays when the flow is deployed again, as it does in a real one. */
const drawers = new Map<string, { like: string; readers: readonly VirtualReader[]; out: readonly VirtualReader[] }>();

/** A bus of the bench with its readers, as a keyway-virtual-readers node sets it up. */
export class ReadersBench {
  readonly bus: ReaderBus;
  readonly #id: string;
  readonly #settings: ReadersSettings;
  readonly #all: VirtualReader[];
  /** Readers that are not on the wires: the next one to be plugged in first. */
  readonly #out = new Set<VirtualReader>();
  readonly #services: { close(): Promise<void> }[] = [];

  /** @throws BAD_FIELD, BAD_READER_OPTION, BAD_OSDP_ADDRESS, BAD_OSDP_BAUD, SECRET_MISSING, BAD_OSDP_KEY, PORT_BUSY */
  constructor(id: string, settings: ReadersSettings) {
    this.#id = id;
    this.#settings = settings;
    const kept = drawers.get(id);
    const readers = kept?.like === this.#like() ? kept.readers : this.#make();
    const { line } = settings;
    const free = line === 'free' || (line === 'auto' && process.env.KEYWAY_LINE === 'free');
    this.bus = new ReaderBus({
      name: settings.name.trim() || id,
      mode: free ? 'free' : 'paced',
      baudRate: Number(settings.baudRate),
    });
    this.#all = [...readers];
    for (const reader of kept?.like === this.#like() ? kept.out : settings.boxed ? readers : []) this.#out.add(reader);
    for (const reader of readers) if (!this.#out.has(reader)) this.bus.add(reader);
  }

  /** All readers in the order in which they were made, those that are not on the wires too. */
  get readers(): readonly VirtualReader[] {
    return this.#all;
  }

  /** The reader at an address; without one the only one, or the only one on the wires. @throws NO_VIRTUAL_READER */
  reader(address: number | undefined): VirtualReader {
    const { readers } = this;
    const [only, ...more] = this.bus.readers.length > 0 ? this.bus.readers : readers;
    // One that is on the wires is meant before one that lies in the box with the same address.
    const found =
      address === undefined && more.length === 0
        ? only
        : [...this.bus.readers, ...this.#out].find((one) => one.address === address);
    if (found !== undefined) return found;
    const known = readers.map((one) => one.address).join(', ');
    throw fail('NO_VIRTUAL_READER', `"${this.bus.name}" has no reader at address ${address ?? '(none named)'}.`, {
      hint: `Its readers are at ${known}.`,
      detail: { field: 'address', value: address ?? null },
    });
  }

  unplug(reader: VirtualReader): void {
    this.bus.remove(reader);
    this.#out.add(reader);
  }

  plug(reader: VirtualReader): void {
    if (this.#out.delete(reader)) this.bus.add(reader);
  }

  /** Plugs in the first that is not on the wires. @throws NO_VIRTUAL_READER */
  plugNext(): VirtualReader {
    const [next] = this.#out;
    if (next === undefined) {
      throw fail('NO_VIRTUAL_READER', `All ${this.#all.length} readers of "${this.bus.name}" are plugged in already.`, {
        hint: 'Unplug one, or set up more of them.',
        detail: { field: 'readers' },
      });
    }
    this.plug(next);
    return next;
  }

  /** How many are not on the wires. */
  get left(): number {
    return this.#out.size;
  }

  /** Puts a new reader, without a key, in the place of one: same address and rate, another serial number. */
  swap(reader: VirtualReader): VirtualReader {
    const { address, baudRate } = reader;
    const [stranger] = makeReaders({ addresses: [address], baudRate, serial: reader.id.serial + 0x1000 });
    this.#out.delete(reader);
    this.#all.splice(this.#all.indexOf(reader), 1, stranger as VirtualReader);
    this.bus.swap(reader, stranger as VirtualReader);
    return stranger as VirtualReader;
  }

  /** Serves the bus on loopback besides, where the node says so. @throws BAD_FIELD, LISTEN_FAILED, PTY_HELPER_MISSING, PTY_FAILED */
  async serve(): Promise<void> {
    const host = '127.0.0.1';
    const rfc2217 = this.#port('rfc2217Port');
    const tcp = this.#port('tcpPort');
    if (rfc2217 > 0) this.#services.push(await serveRfc2217(this.bus.cable(), { host, port: rfc2217 }));
    if (tcp > 0) this.#services.push(await serveTcp(this.bus.cable(), { host, port: tcp }));
    const path = this.#settings.ptyPath.trim();
    if (path !== '' && !path.startsWith('${')) this.#services.push(await servePty(this.bus.cable(), { path }));
  }

  async close(removed: boolean): Promise<void> {
    if (removed) drawers.delete(this.#id);
    else drawers.set(this.#id, { like: this.#like(), readers: this.#all, out: [...this.#out] });
    await Promise.all(this.#services.map((service) => service.close()));
    this.bus.close();
  }

  #make(): VirtualReader[] {
    const { count, addresses, baudRate, personalities, keyVariable, replyMs } = this.#settings;
    const list = wordsIn(addresses).map((text) => this.#whole('addresses', text));
    const variable = keyVariable.trim();
    const key = variable === '' ? undefined : keyFromEnvironment(variable);
    const made = makeReaders({
      count: count.trim() === '' ? list.length || 1 : this.#whole('count', count),
      baudRate: this.#whole('baudRate', baudRate),
      natures: wordsIn(personalities),
      replyMs: replyMs.trim() === '' ? 3 : this.#whole('replyMs', replyMs),
      ...(list.length === 0 ? {} : { addresses: list }),
      ...(key === undefined ? {} : { key }),
    });
    key?.fill(0);
    return made;
  }

  #port(field: 'rfc2217Port' | 'tcpPort'): number {
    const text = this.#settings[field].trim();
    if (text === '' || text.startsWith('${')) return 0;
    const port = this.#whole(field, text);
    if (port > 65535) throw this.#bad(field, text);
    return port;
  }

  #whole(field: string, text: string): number {
    if (!/^\d{1,6}$/.test(text.trim())) throw this.#bad(field, text);
    return Number(text);
  }

  #bad(field: string, value: string): Error {
    return failNode('BAD_FIELD', `The field "${field}" must be a whole number; it is "${value}".`, {
      hint: 'Open the virtual readers and correct it.',
      detail: { field, value },
    });
  }

  /** Readers set up otherwise are other readers. */
  #like(): string {
    const { count, addresses, baudRate, personalities, keyVariable, replyMs, boxed } = this.#settings;
    return [count, addresses, baudRate, personalities, keyVariable, replyMs, boxed].join('|');
  }
}

/** Words with commas or spaces between. */
function wordsIn(text: string): string[] {
  return text.split(/[\s,;]+/).filter((word) => word !== '');
}

/** A deployed keyway-virtual-readers node. */
export interface DeployedReaders {
  readonly id: string;
  readonly bench: ReadersBench;
}

const deployed = new Map<string, DeployedReaders>();

export function deployReaders(readers: DeployedReaders): () => void {
  deployed.set(readers.id, readers);
  return () => {
    if (deployed.get(readers.id) === readers) deployed.delete(readers.id);
  };
}

/** @throws NO_VIRTUAL_READER */
export function readersById(id: string): ReadersBench {
  const found = deployed.get(id);
  if (found !== undefined) return found.bench;
  throw fail('NO_VIRTUAL_READER', 'The node names no virtual readers, or some that are not deployed.', {
    hint: 'Open the node, choose its virtual readers and deploy.',
    detail: { field: 'readers' },
  });
}

/** The virtual readers whose bus has that name, if they are deployed. */
export function readersByName(name: string): ReadersBench | undefined {
  return [...deployed.values()].find(({ bench }) => bench.bus.name === name)?.bench;
}
