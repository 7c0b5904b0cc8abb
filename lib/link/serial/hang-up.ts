import { read } from 'node:fs';
import { promisify } from 'node:util';
import { codeOf } from '../../errors/index.ts';

const readSome = promisify(read);

/** What node-serialport's ports of Linux and macOS have inside. */
interface UnixPort {
  fd: number | null;
  readonly poller: { once(event: 'readable', callback: (error: Error | null) => void): unknown };
  read(buffer: Buffer, offset: number, length: number): Promise<{ buffer: Buffer; bytesRead: number }>;
}

function isUnixPort(port: object): port is UnixPort {
  return 'fd' in port && 'poller' in port && 'read' in port;
}

/**
 * Makes a port notice that its terminal was hung up. A read of such a terminal gives no bytes and no error;
 * node-serialport tries again at once, for ever: the unplugged cable goes unnoticed and a core is busy. It happens
 * when the cable is pulled while a read is under way. Ports are opened with VMIN = 1, so that "no bytes yet" is
 * EAGAIN, and none at all means the end.
 */
export function noticeHangUp(port: object): void {
  if (isUnixPort(port)) port.read = (buffer, offset, length) => readOrFail(port, buffer, offset, length);
}

async function readOrFail(port: UnixPort, buffer: Buffer, offset: number, length: number) {
  for (;;) {
    if (port.fd === null) throw cancelled();
    try {
      const { bytesRead } = await readSome(port.fd, buffer, offset, length, null);
      if (bytesRead > 0) return { buffer, bytesRead };
    } catch (error) {
      if (port.fd === null) throw cancelled();
      if (codeOf(error) === 'EINTR') continue;
      if (codeOf(error) !== 'EAGAIN' && codeOf(error) !== 'EWOULDBLOCK') throw error;
      await new Promise<void>((resolve, reject) => {
        port.poller.once('readable', (failed) => (failed === null ? resolve() : reject(failed)));
      });
      continue;
    }
    if (port.fd === null) throw cancelled();
    throw new Error('the terminal was hung up');
  }
}

/** In the form by which node-serialport tells its own closing from a failure. */
function cancelled(): Error {
  return Object.assign(new Error('Port is not open'), { canceled: true });
}
