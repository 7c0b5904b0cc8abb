import { formatAddress, isLoopback, parseAddress } from './address.ts';
import { type PortInfo, systemTimer, type WatchOptions, watchPorts } from './discovery.ts';
import { fail } from './errors.ts';
import type { UsbIdentity } from './link.ts';
import { cancelledError } from './opening.ts';
import { ownershipKey } from './ownership.ts';
import { connectSocket } from './socket.ts';

/** How often local serial ports are looked at, and port servers asked, while somebody waits for one. */
const INTERVAL_MS = 250;
/** What makers write where a serial number should be: many adapters share it. */
const NO_SERIAL_NUMBER = /^(0*[01]?|0123456789(abcdef)?|1234(56(78(90?)?)?)?)$/i;

/** What is known of a device that was there. */
export interface KnownDevice {
  /** Where it was: see `parseAddress`. */
  readonly address: string;
  /** What USB said of it. */
  readonly usb?: UsbIdentity | undefined;
}

/** How long to wait, and what to tell meanwhile. */
export interface WaitOptions extends Pick<WatchOptions, 'listSerial' | 'timer'> {
  /** In ms, more than 0. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** Called with each local port that is there or comes, and is not the device. */
  onPort?: (port: PortInfo) => void;
  /** How often to look, in ms. Default 250; virtual ports report at once. */
  intervalMs?: number;
}

/**
 * Waits until the same device is there, again or still. A device with a USB serial number is known by that, wherever
 * it comes up; one without by its address and, where USB names them, vendor and product. Of a port server it is only
 * known whether it answers: it is asked at the interval, and let go of again.
 *
 * Virtual ports report at once. Local serial ports are polled every 250 ms.
 *
 * @returns where it is now. It may be gone again, or not be ready yet, when you open it.
 * @throws DEVICE_NOT_BACK when the time is over, CANCELLED, BAD_ADDRESS.
 */
export async function waitForDevice(device: KnownDevice, options: WaitOptions): Promise<PortInfo> {
  const target = parseAddress(device.address);
  const address = formatAddress(target);
  const { signal, timeoutMs } = options;
  const intervalMs = options.intervalMs ?? INTERVAL_MS;
  const timer = options.timer ?? systemTimer;
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    let problem: unknown;
    const settle = (end: () => void): void => {
      if (over.signal.aborted) return;
      over.abort();
      stopClock();
      signal?.removeEventListener('abort', onAbort);
      end();
    };
    const found = (port: PortInfo): void => settle(() => resolve(port));
    const onAbort = (): void => settle(() => reject(signal ? cancelledError(address, signal) : undefined));
    const stopClock = timer.set(() => settle(() => reject(notBack(device, address, timeoutMs, problem))), timeoutMs);
    if (signal?.aborted === true) return onAbort();
    signal?.addEventListener('abort', onAbort);

    const note = (error: unknown): void => {
      problem = error;
    };
    if (target.kind === 'tcp' || target.kind === 'rfc2217') {
      const { kind, host, port } = target;
      const info: PortInfo = { address, name: address, stableName: address, kind };
      askServer({ host, port, address, intervalMs, timer, signal: over.signal, note }, () => found(info));
      return;
    }
    watchPorts(
      ({ type, port }) => {
        if (type !== 'plugged' || over.signal.aborted) return;
        if (isSameDevice(device, port)) found(port);
        else options.onPort?.(port);
      },
      {
        intervalMs,
        timer,
        signal: over.signal,
        // What is there already counts as coming.
        known: [],
        onError: note,
        ...(options.listSerial === undefined ? {} : { listSerial: options.listSerial }),
      },
    );
  });
}

/** Whether a port leads to the device that was known: see `waitForDevice`. @throws BAD_ADDRESS */
export function isSameDevice(device: KnownDevice, port: PortInfo): boolean {
  const [then, now] = [device.usb, port.usb];
  const serial = identifying(then);
  if (serial !== undefined) return identifying(now) === serial && then?.vendorId === now?.vendorId;
  const key = ownershipKey(device.address);
  if (key !== ownershipKey(port.address) && key !== ownershipKey(port.stableName)) return false;
  if (then === undefined) return true;
  return now !== undefined && then.vendorId === now.vendorId && then.productId === now.productId;
}

/** A serial number that tells one device from another of its make. */
function identifying(usb: UsbIdentity | undefined): string | undefined {
  const serial = usb?.serialNumber?.trim();
  return serial === undefined || NO_SERIAL_NUMBER.test(serial) ? undefined : serial.toLowerCase();
}

interface Asking {
  host: string;
  port: number;
  address: string;
  intervalMs: number;
  timer: NonNullable<WatchOptions['timer']>;
  signal: AbortSignal;
  note(error: unknown): void;
}

/** Connects until the server takes the connection and keeps it for an interval: one without its device hangs up. */
function askServer(asking: Asking, answers: () => void): void {
  const { host, port, address, intervalMs, timer, signal } = asking;
  let stopPause = (): void => undefined;
  signal.addEventListener('abort', () => stopPause());
  const pause = (): void => {
    if (!signal.aborted) stopPause = timer.set(() => void ask(), intervalMs);
  };
  const ask = async (): Promise<void> => {
    try {
      const request = { address, name: address, baudRate: 0, timeoutMs: isLoopback(host) ? 1000 : 5000, signal };
      const socket = await connectSocket(host, port, request);
      let kept = false;
      const leave = (): void => {
        kept = true;
        socket.destroy();
      };
      const stopKeeping = timer.set(leave, intervalMs);
      signal.addEventListener('abort', leave);
      socket.on('error', asking.note);
      socket.on('close', () => {
        stopKeeping();
        signal.removeEventListener('abort', leave);
        if (kept) answers();
        else pause();
      });
      socket.resume();
    } catch (error) {
      asking.note(error);
      pause();
    }
  };
  void ask();
}

function notBack(device: KnownDevice, address: string, timeoutMs: number, cause: unknown): Error {
  const serial = identifying(device.usb);
  const which = serial === undefined ? '' : ` (USB serial number ${device.usb?.serialNumber})`;
  return fail('DEVICE_NOT_BACK', `The device of ${address}${which} did not come back within ${timeoutMs / 1000} s.`, {
    hint: 'Plug the same device in again, and send the message once more.',
    detail: { field: 'address', value: address, timeoutMs, ...(device.usb === undefined ? {} : { usb: device.usb }) },
    ...(cause === undefined ? {} : { cause }),
  });
}
