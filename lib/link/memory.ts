import { BaseLink } from './base.ts';
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
  /**
   * The host let go of its handle, which may be long after the cable was pulled: until then an operating system does
   * not give the port's name to another device. Called once; absent where a host has no handle of its own here.
   */
  onRelease?(listener: () => void): void;
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
    throw fail('PORT_BUSY', `The virtual port "${port.name}" exists already.`, {
      detail: { field: 'name', value: port.name },
    });
  }
  ports.set(port.name, port);
  notify();
  return () => {
    if (ports.get(port.name) !== port) return;
    ports.delete(port.name);
    notify();
  };
}

/** The virtual port of that name, if it is plugged in. */
export function findMemoryPort(name: string): MemoryPort | undefined {
  return ports.get(name);
}

/** All virtual ports that are plugged in. */
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

/**
 * Both ends of one in-memory cable. Bytes cross in order, each write in a microtask of its own.
 *
 * @param options.name the port's name, without `virtual:`; `title` is what people call it, when that differs.
 */
export function createMemoryPair(options: { name: string; title?: string; baudRate?: number; usb?: UsbIdentity }): {
  host: Link;
  device: DeviceEnd;
} {
  const info: LinkInfo = {
    address: `virtual:${options.name}`,
    kind: 'virtual',
    name: options.title ?? options.name,
    hasControlLines: true,
    hasBaudControl: true,
    isLocal: true,
    ...(options.usb === undefined ? {} : { usb: options.usb }),
  };
  const host = new MemoryLink(info, options.baudRate ?? 115200);
  return { host, device: host.device };
}

class MemoryLink extends BaseLink {
  readonly info: LinkInfo;
  readonly device: DeviceEnd;
  readonly #deviceData = new Set<(chunk: Uint8Array) => void>();
  readonly #deviceLines = new Set<(lines: ControlLines) => void>();
  readonly #deviceBaud = new Set<(baudRate: number) => void>();
  readonly #deviceClose = new Set<() => void>();
  readonly #deviceRelease = new Set<() => void>();
  #wire: { baudRate: number; lines: ControlLines };

  constructor(info: LinkInfo, baudRate: number) {
    super(baudRate);
    this.info = info;
    this.#wire = { baudRate, lines: { dtr: false, rts: false } };
    const link = this;
    this.device = {
      send: (bytes) => {
        const copy = bytes.slice();
        queueMicrotask(() => this.emitData(copy));
      },
      onData: (listener) => void this.#deviceData.add(listener),
      onLines: (listener) => void this.#deviceLines.add(listener),
      onBaudRate: (listener) => void this.#deviceBaud.add(listener),
      onClose: (listener) => void this.#deviceClose.add(listener),
      onRelease: (listener) => void this.#deviceRelease.add(listener),
      get lines() {
        return link.#wire.lines;
      },
      get baudRate() {
        return link.#wire.baudRate;
      },
      unplug: () =>
        this.end(
          fail('PORT_GONE', `The cable at ${info.address} was pulled.`, {
            hint: 'Plug it in again.',
            detail: { address: info.address },
          }),
        ),
    };
  }

  async close(): Promise<void> {
    this.end(undefined);
    const listeners = [...this.#deviceRelease];
    this.#deviceRelease.clear();
    for (const listener of listeners) listener();
  }

  protected async doWrite(bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice();
    await Promise.resolve();
    this.check();
    for (const listener of [...this.#deviceData]) listener(copy);
  }

  protected async doSetLines(lines: ControlLines): Promise<void> {
    this.#wire = { ...this.#wire, lines };
    for (const listener of [...this.#deviceLines]) listener(lines);
  }

  protected async doSetBaudRate(baudRate: number): Promise<void> {
    this.#wire = { ...this.#wire, baudRate };
    for (const listener of [...this.#deviceBaud]) listener(baudRate);
  }

  protected override end(error: Error | undefined): void {
    if (!this.isOpen) return;
    const listeners = [...this.#deviceClose];
    this.#deviceClose.clear();
    for (const listener of listeners) listener();
    super.end(error);
  }
}
