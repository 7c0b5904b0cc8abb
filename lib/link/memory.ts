import { fail } from './errors.ts';
import type { ControlLines, Link, LinkInfo, UsbIdentity } from './link.ts';

/** The device's end of a cable: what a virtual chip or reader, or a server in front of one, is given. */
export interface DeviceEnd {
  /** Sends towards the host. Dropped when the cable is out. */
  send(bytes: Uint8Array): void;
  /** Bytes as the host sent them, at once: pacing is the device's business. */
  onData(listener: (chunk: Uint8Array) => void): void;
  onLines(listener: (lines: ControlLines) => void): void;
  onBaudRate(listener: (baudRate: number) => void): void;
  /** The host closed, or the cable was pulled. Called once. */
  onClose(listener: () => void): void;
  readonly lines: ControlLines;
  /** The host's rate in baud; null when the transport cannot tell (raw TCP, a pty). */
  readonly baudRate: number | null;
  /** Ends the link from the device's side: the host sees PORT_GONE at once. */
  unplug(): void;
}

/** A plug of the virtual bench: appears in discovery and can be opened as `virtual:<name>`. */
export interface MemoryPort {
  readonly name: string;
  readonly usb?: UsbIdentity;
  /** A host opened the port: take this end. Called for one host at a time. */
  attach(end: DeviceEnd): void;
}

const ports = new Map<string, MemoryPort>();
const watchers = new Set<() => void>();

/** Plugs a virtual port in; returns the way to take it out again. @throws PORT_BUSY when the name is taken. */
export function plugMemoryPort(port: MemoryPort): () => void {
  if (ports.has(port.name)) {
    throw fail('PORT_BUSY', `The virtual port "${port.name}" exists already.`, { detail: { name: port.name } });
  }
  ports.set(port.name, port);
  notify();
  return () => {
    if (ports.get(port.name) !== port) return;
    ports.delete(port.name);
    notify();
  };
}

export function findMemoryPort(name: string): MemoryPort | undefined {
  return ports.get(name);
}

export function listMemoryPorts(): MemoryPort[] {
  return [...ports.values()];
}

/** Calls back whenever a virtual port is plugged in or out. */
export function watchMemoryPorts(listener: () => void): () => void {
  watchers.add(listener);
  return () => watchers.delete(listener);
}

function notify(): void {
  for (const watcher of [...watchers]) watcher();
}

/** Both ends of one in-memory cable. Bytes cross in order, each write in a microtask of its own. */
export function createMemoryPair(options: { name: string; baudRate?: number; usb?: UsbIdentity }): {
  host: Link;
  device: DeviceEnd;
} {
  const host = new MemoryLink(options.name, options.baudRate ?? 115200, options.usb);
  return { host, device: host.device };
}

class MemoryLink implements Link {
  readonly info: LinkInfo;
  readonly device: DeviceEnd;
  #baudRate: number;
  #lines: ControlLines = { dtr: false, rts: false };
  #ended: { error: Error | undefined } | undefined;
  readonly #data = new Set<(chunk: Uint8Array) => void>();
  readonly #close = new Set<(error: Error | undefined) => void>();
  readonly #deviceData = new Set<(chunk: Uint8Array) => void>();
  readonly #deviceLines = new Set<(lines: ControlLines) => void>();
  readonly #deviceBaud = new Set<(baudRate: number) => void>();
  readonly #deviceClose = new Set<() => void>();

  constructor(name: string, baudRate: number, usb: UsbIdentity | undefined) {
    this.#baudRate = baudRate;
    this.info = {
      address: `virtual:${name}`,
      kind: 'virtual',
      name,
      hasControlLines: true,
      hasBaudControl: true,
      isLocal: true,
      ...(usb === undefined ? {} : { usb }),
    };
    const link = this;
    this.device = {
      send: (bytes) => {
        const copy = bytes.slice();
        queueMicrotask(() => {
          if (this.#ended === undefined) for (const listener of [...this.#data]) listener(copy);
        });
      },
      onData: (listener) => void this.#deviceData.add(listener),
      onLines: (listener) => void this.#deviceLines.add(listener),
      onBaudRate: (listener) => void this.#deviceBaud.add(listener),
      onClose: (listener) => void this.#deviceClose.add(listener),
      get lines() {
        return link.#lines;
      },
      get baudRate() {
        return link.#baudRate;
      },
      unplug: () => this.#end(fail('PORT_GONE', `The cable at virtual:${name} was pulled.`)),
    };
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  get baudRate(): number {
    return this.#baudRate;
  }

  get lines(): ControlLines {
    return this.#lines;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#check();
    const copy = bytes.slice();
    await Promise.resolve();
    this.#check();
    for (const listener of [...this.#deviceData]) listener(copy);
  }

  async setLines(lines: ControlLines): Promise<void> {
    this.#check();
    this.#lines = { dtr: lines.dtr, rts: lines.rts };
    for (const listener of [...this.#deviceLines]) listener(this.#lines);
  }

  async setBaudRate(baudRate: number): Promise<void> {
    this.#check();
    this.#baudRate = baudRate;
    for (const listener of [...this.#deviceBaud]) listener(baudRate);
  }

  onData(listener: (chunk: Uint8Array) => void): () => void {
    this.#data.add(listener);
    return () => this.#data.delete(listener);
  }

  onClose(listener: (error: Error | undefined) => void): () => void {
    const ended = this.#ended;
    if (ended !== undefined) queueMicrotask(() => listener(ended.error));
    else this.#close.add(listener);
    return () => this.#close.delete(listener);
  }

  async close(): Promise<void> {
    this.#end(undefined);
  }

  #check(): void {
    if (this.#ended !== undefined) {
      throw this.#ended.error ?? fail('PORT_GONE', `The port ${this.info.address} is closed.`);
    }
  }

  #end(error: Error | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = { error };
    for (const listener of [...this.#deviceClose]) listener();
    for (const listener of [...this.#close]) listener(error);
  }
}
