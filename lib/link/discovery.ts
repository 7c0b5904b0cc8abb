import type { LinkKind, UsbIdentity } from './link.ts';
import { listMemoryPorts, type MemoryPort, watchMemoryPorts } from './memory.ts';
import { holderOf } from './ownership.ts';
import { listSerialPorts, type SerialPortFacts } from './serial/list.ts';

/** A port that could be opened. */
export interface PortInfo {
  /** For `openLink`, now. */
  readonly address: string;
  /** For people. */
  readonly name: string;
  /** For a saved flow: also an address, and the same after the adapter was plugged in elsewhere, where that is known. */
  readonly stableName: string;
  /** `serial` or `virtual` where ports are listed; port servers cannot be. */
  readonly kind: LinkKind;
  readonly usb?: UsbIdentity;
  /** Who holds it in this process. Other processes show only when the port is opened. */
  readonly heldBy?: string;
}

/** A port that came or went. */
export interface PortEvent {
  readonly type: 'plugged' | 'unplugged';
  readonly port: PortInfo;
}

/** How to watch, and what is known already. */
export interface WatchOptions {
  /** How often local serial ports are looked at, in ms; virtual ports report at once. Default 1000. */
  intervalMs?: number;
  /** Ends the watch. */
  signal?: AbortSignal;
  /** What you know already, from `listPorts`; without it the first look gives no events. */
  known?: readonly PortInfo[];
  /** A look at the local ports failed; the next one comes all the same. */
  onError?: (error: unknown) => void;
  /** Another way to list local serial ports, for tests. */
  listSerial?: () => Promise<SerialPortFacts[]>;
  /** Another timer, for tests. */
  timer?: { set(callback: () => void, ms: number): () => void };
}

/** Looks, serial ports first. @throws whatever the operating system reports when its ports cannot be listed. */
export async function listPorts(options: Pick<WatchOptions, 'listSerial'> = {}): Promise<PortInfo[]> {
  const serial = await (options.listSerial ?? listSerialPorts)();
  return [...serial.map(fromSerial), ...listMemoryPorts().map(fromMemory)];
}

/**
 * Tells of ports that come and go. The operating system sends no events, so local ports are polled: one that
 * leaves and comes back between two looks is not noticed.
 *
 * @returns the way to stop.
 */
export function watchPorts(listener: (event: PortEvent) => void, options: WatchOptions = {}): () => void {
  const timer = options.timer ?? systemTimer;
  const listSerial = options.listSerial ?? listSerialPorts;
  const intervalMs = options.intervalMs ?? 1000;
  let stopped = options.signal?.aborted === true;
  let cancelTimer = (): void => undefined;
  let serial = options.known && index(options.known.filter((port) => port.kind === 'serial'));
  let virtual = index(options.known?.filter((port) => port.kind === 'virtual') ?? listMemoryPorts().map(fromMemory));
  if (stopped) return () => undefined;

  const tell = (before: Map<string, PortInfo>, after: Map<string, PortInfo>): void => {
    for (const [key, port] of before) if (!stopped && !after.has(key)) listener({ type: 'unplugged', port });
    for (const [key, port] of after) if (!stopped && !before.has(key)) listener({ type: 'plugged', port });
  };
  const lookAtVirtual = (): void => {
    const before = virtual;
    virtual = index(listMemoryPorts().map(fromMemory));
    tell(before, virtual);
  };
  const lookAtSerial = async (): Promise<void> => {
    try {
      const now = index((await listSerial()).map(fromSerial));
      const before = serial;
      serial = now;
      if (before !== undefined) tell(before, now);
    } catch (error) {
      if (!stopped) options.onError?.(error);
    }
    if (!stopped) cancelTimer = timer.set(() => void lookAtSerial(), intervalMs);
  };
  const stopVirtual = watchMemoryPorts(lookAtVirtual);
  const stop = (): void => {
    stopped = true;
    cancelTimer();
    stopVirtual();
    options.signal?.removeEventListener('abort', stop);
  };
  options.signal?.addEventListener('abort', stop);
  lookAtVirtual();
  void lookAtSerial();
  return stop;
}

/** Timers as they come. */
export const systemTimer = {
  set(callback: () => void, ms: number): () => void {
    const handle = setTimeout(callback, ms);
    return () => clearTimeout(handle);
  },
};

/** Another adapter under the same path is another port. */
function index(ports: readonly PortInfo[]): Map<string, PortInfo> {
  return new Map(
    ports.map((port) => [
      [port.address, port.stableName, port.usb?.vendorId, port.usb?.productId, port.usb?.serialNumber].join('\n'),
      port,
    ]),
  );
}

function fromSerial(port: SerialPortFacts): PortInfo {
  const short = port.address.replace(/^\/dev\//, '');
  const label = [port.usb?.manufacturer, port.usb?.product].filter((part) => part !== undefined).join(' ');
  return withHolder({
    address: port.address,
    name: label === '' ? short : `${label} (${short})`,
    stableName: port.stableName,
    kind: 'serial',
    ...(port.usb === undefined ? {} : { usb: port.usb }),
  });
}

function fromMemory(port: MemoryPort): PortInfo {
  const address = `virtual:${port.name}`;
  return withHolder({
    address,
    name: port.name,
    stableName: address,
    kind: 'virtual',
    ...(port.usb === undefined ? {} : { usb: port.usb }),
  });
}

function withHolder(port: PortInfo): PortInfo {
  const heldBy = holderOf(port.address);
  return heldBy === undefined ? port : { ...port, heldBy };
}
