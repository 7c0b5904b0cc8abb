import type { SerialPort } from 'serialport';
import { BaseLink } from '../base.ts';
import { fail } from '../errors.ts';
import type { ControlLines, Link, LinkInfo, UsbIdentity } from '../link.ts';
import { cancelledError, type OpenRequest } from '../opening.ts';
import { noticeHangUp } from './hang-up.ts';
import { usbOfPort } from './list.ts';
import { driverText, openError } from './open-error.ts';

/**
 * Opens a local serial port, 8N1, locked against others, both lines released.
 *
 * The lines fall when the port closes (hupcl, the default of the system): a process that is killed in the middle of
 * a reset must not leave a board held in it.
 *
 * @throws PORT_NOT_FOUND, PORT_PERMISSION, PORT_BUSY, PORT_FAILED, CANCELLED.
 */
export async function openSerial(path: string, request: OpenRequest): Promise<Link> {
  const { SerialPort } = await import('serialport');
  const port = new SerialPort({ path, baudRate: request.baudRate, lock: true, hupcl: true, autoOpen: false });
  try {
    await call((done) => port.open(done));
  } catch (cause) {
    throw await openError(path, cause);
  }
  // Reading begins with the first listener for data, which comes later.
  if (port.port !== undefined) noticeHangUp(port.port);
  const usb = await usbOfPort(path);
  // A pty has no control lines: setting them fails there (ENOTTY), and everything else works.
  const hasControlLines = await setBoth(port, { dtr: false, rts: false }).then(
    () => true,
    () => false,
  );
  const link = new SerialLink(port, request, hasControlLines, usb);
  if (request.signal?.aborted === true) {
    await link.close();
    throw cancelledError(request.address, request.signal);
  }
  return link;
}

/** Sets both lines in one step. Node-serialport asserts a line that is left out, so everything is always named. */
export function setBoth(
  port: Pick<SerialPort, 'set'>,
  lines: ControlLines,
  platform = process.platform,
): Promise<void> {
  // Linux forgets its low-latency mode at every call that does not ask for it; a driver without one ignores it.
  const lowLatency = platform === 'linux' ? { lowLatency: true } : {};
  const flags = { brk: false, cts: false, dsr: false, dtr: lines.dtr, rts: lines.rts, ...lowLatency };
  return call((done) => port.set(flags, done));
}

function call(start: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error == null ? resolve() : reject(error))));
}

class SerialLink extends BaseLink {
  readonly info: LinkInfo;
  readonly #port: SerialPort;
  #closed: Promise<void> | undefined;

  constructor(port: SerialPort, request: OpenRequest, hasControlLines: boolean, usb: UsbIdentity | undefined) {
    super(request.baudRate);
    this.#port = port;
    this.info = {
      address: request.address,
      kind: 'serial',
      name: request.name,
      hasControlLines,
      hasBaudControl: true,
      isLocal: true,
      ...(usb === undefined ? {} : { usb }),
    };
    port.on('data', (chunk: Uint8Array) => this.emitData(chunk));
    port.on('close', (error: Error | null) => this.end(this.#closed === undefined ? this.#gone(error) : undefined));
    // Every call has its own callback; an 'error' that nobody listens to would end the process.
    port.on('error', () => undefined);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  protected doWrite(bytes: Uint8Array): Promise<void> {
    return this.#run(call((done) => this.#port.write(bytes, undefined, done)));
  }

  protected async doSetLines(lines: ControlLines): Promise<void> {
    if (this.info.hasControlLines) await this.#run(setBoth(this.#port, lines));
  }

  protected async doSetBaudRate(baudRate: number): Promise<void> {
    // Changing the rate throws away what the driver still holds, so that goes out first.
    await this.#run(call((done) => this.#port.drain(done)));
    await this.#run(call((done) => this.#port.update({ baudRate }, done)));
  }

  async #close(): Promise<void> {
    if (this.#port.isOpen) {
      // A driver that fails to close has let go of the port all the same.
      await call((done) => this.#port.close(done)).catch(() => undefined);
    } else if (this.isOpen) {
      // The cable was pulled just now, and the driver is still closing.
      await new Promise<void>((resolve) => this.onClose(() => resolve()));
    }
    this.end(undefined);
  }

  async #run(work: Promise<void>): Promise<void> {
    try {
      await this.untilEnd(work);
    } catch (cause) {
      this.check();
      // Writing to a port that is gone fails a moment before the driver reports the end.
      if (!this.#port.isOpen) throw this.#gone(cause);
      throw fail('PORT_FAILED', `The driver of ${this.info.address} reports: ${driverText(cause)}.`, {
        detail: { address: this.info.address },
        cause,
      });
    }
  }

  #gone(cause: unknown): Error {
    return fail('PORT_GONE', `The port ${this.info.address} is gone: the cable was pulled or its driver ended.`, {
      hint: 'Plug it in again. A USB port may come back under another number; its stable name stays.',
      detail: { address: this.info.address },
      ...(cause == null ? {} : { cause }),
    });
  }
}
