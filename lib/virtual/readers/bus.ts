import { type DeviceEnd, plugMemoryPort } from '../../link/index.ts';
import { type Clock, realClock } from '../clock.ts';
import type { Cable } from '../serve/cable.ts';
import type { BusFault } from './faults.ts';
import { type BusStats, Medium, type Station } from './medium.ts';
import type { VirtualReader } from './reader.ts';

export interface ReaderBusOptions {
  /** Plugged in as `virtual:<name>` from the start. */
  readonly name: string;
  readonly clock?: Clock;
  /** At the true rate of the wire (default), or as fast as it goes. */
  readonly mode?: 'paced' | 'free';
  /** Who sends hears his own bytes. Default false. */
  readonly echo?: boolean;
  /** The rate, in baud, at which bytes of hosts pass whose rate nobody can tell (TCP, a pty). Default 9600. */
  readonly baudRate?: number;
}

/**
 * A two-wire bus of the bench with readers on it, and an adapter whose port a host can open. More ports may be
 * plugged in, for a second panel or for who only listens.
 */
export class ReaderBus {
  readonly name: string;
  readonly medium: Medium;
  readonly #readers = new Set<VirtualReader>();
  readonly #ends = new Map<DeviceEnd, HostStation>();
  readonly #plugs = new Map<string, () => void>();
  readonly #watchers = new Set<() => void>();
  #closed = false;

  /** @throws PORT_BUSY when the name is taken. */
  constructor(options: ReaderBusOptions) {
    this.name = options.name;
    this.medium = new Medium({
      clock: options.clock ?? realClock,
      mode: options.mode ?? 'paced',
      defaultBaud: options.baudRate ?? 9600,
    });
    this.medium.echo = options.echo === true;
    this.plug(this.name);
  }

  get readers(): readonly VirtualReader[] {
    return [...this.#readers];
  }

  get stats(): BusStats {
    return this.medium.stats;
  }

  /** Whether a host holds any of the ports. */
  get isHeld(): boolean {
    return this.#ends.size > 0;
  }

  /** Wires a reader up and gives it power. */
  add(reader: VirtualReader): VirtualReader {
    this.#readers.add(reader);
    reader.connect(this.medium);
    return reader;
  }

  /** Takes a reader off the wires: it loses its power. */
  remove(reader: VirtualReader): void {
    if (this.#readers.delete(reader)) reader.disconnect();
  }

  /** Puts another reader in the place of one. */
  swap(reader: VirtualReader, stranger: VirtualReader): void {
    this.remove(reader);
    this.add(stranger);
  }

  /** Makes something go wrong on the wires. */
  fault(fault: BusFault): void {
    this.medium.faults.add(fault);
  }

  /** Plugs one more port in, `virtual:<name>`. Returns the way to take it out. @throws PORT_BUSY */
  plug(name: string): () => void {
    const own = new Set<DeviceEnd>();
    const unplug = plugMemoryPort({
      name,
      attach: (end) => {
        own.add(end);
        this.attach(end);
      },
    });
    const out = (): void => {
      if (!this.#plugs.delete(name)) return;
      unplug();
      for (const end of own) if (this.#ends.has(end)) end.unplug();
    };
    this.#plugs.set(name, out);
    return out;
  }

  /** Takes a port out, the first one unless another is named: who holds it loses it. */
  pull(name = this.name): void {
    this.#plugs.get(name)?.();
  }

  /** Whether a port of that name is plugged in. */
  isPlugged(name = this.name): boolean {
    return this.#plugs.has(name);
  }

  /** One more way to the wires, for a server that hands it on to one host at a time. */
  cable(): Cable {
    const held = new Set<DeviceEnd>();
    const hasPort = (): boolean => !this.#closed;
    return {
      get isHeld() {
        return held.size > 0;
      },
      get hasPort() {
        return hasPort();
      },
      attach: (end) => {
        if (this.#closed) {
          end.unplug();
          return;
        }
        held.add(end);
        end.onClose(() => {
          held.delete(end);
          this.#changed();
        });
        this.attach(end);
        this.#changed();
      },
      onChange: (listener) => {
        this.#watchers.add(listener);
        return () => this.#watchers.delete(listener);
      },
    };
  }

  /** Gives a host the wires. */
  attach(end: DeviceEnd): void {
    const station = new HostStation(end);
    this.#ends.set(end, station);
    this.medium.join(station);
    end.onData((bytes) => {
      if (this.#ends.has(end)) this.medium.send(station, bytes);
    });
    end.onClose(() => {
      this.#ends.delete(end);
      this.medium.leave(station);
    });
  }

  /** Takes readers and ports off the bench. */
  close(): void {
    this.#closed = true;
    for (const unplug of [...this.#plugs.values()]) unplug();
    for (const end of [...this.#ends.keys()]) end.unplug();
    for (const reader of this.readers) this.remove(reader);
    this.#changed();
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

class HostStation implements Station {
  readonly inPieces = true;
  readonly #end: DeviceEnd;

  constructor(end: DeviceEnd) {
    this.#end = end;
  }

  get baudRate(): number | null {
    return this.#end.baudRate;
  }

  hear(bytes: Uint8Array): void {
    this.#end.send(bytes);
  }
}
