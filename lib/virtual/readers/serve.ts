import { createServer, type Socket } from 'node:net';
import { fail } from '../errors.ts';
import type { ListenOptions, Service } from '../serve/listen.ts';
import { RemoteEnd } from '../serve/remote-end.ts';
import type { ReaderBus } from './bus.ts';

/**
 * Serves a bus as a bare byte stream over TCP, to one host at a time. Nobody is told the host's rate: its bytes pass
 * at the rate that the bus was made with, and fit every reader.
 *
 * @throws LISTEN_FAILED
 */
export async function serveReaders(bus: ReaderBus, options: ListenOptions): Promise<Service> {
  const host = options.host ?? '127.0.0.1';
  const open = new Map<Socket, RemoteEnd>();
  const server = createServer((connection) => {
    connection.on('error', () => connection.destroy());
    if (open.size > 0) {
      connection.destroy();
      return;
    }
    connection.setNoDelay(true);
    const end = new RemoteEnd({
      send: (bytes) => connection.write(bytes),
      hangUp: () => connection.destroy(),
      baudRate: null,
    });
    open.set(connection, end);
    connection.on('data', (chunk) => end.received(chunk));
    connection.on('close', () => {
      open.delete(connection);
      end.ended();
    });
    bus.attach(end);
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        fail('LISTEN_FAILED', `${host}:${options.port} cannot be listened on: ${cause.message}.`, {
          hint: 'Use another port, or 0 for any free one.',
          detail: { field: 'port', value: options.port, host },
          cause,
        }),
      );
    });
    server.listen({ host, port: options.port }, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : options.port);
    });
  });
  return {
    address: `tcp://${host.includes(':') ? `[${host}]` : host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const connection of open.keys()) connection.destroy();
      }),
  };
}
