import { createServer, type Server, type Socket } from 'node:net';
import { fail } from '../errors.ts';
import type { Cable } from './cable.ts';

/** Where to listen. */
export interface ListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 = any free one. */
  readonly port: number;
}

/** A way into a socket from outside the process. */
export interface Service {
  /** What a host opens. */
  readonly address: string;
  /** Hangs up and stops listening. */
  close(): Promise<void>;
}

/**
 * Listens and hands each caller to `accept`, one at a time: as long as somebody holds the socket's cable, others are
 * hung up on at once.
 *
 * @throws LISTEN_FAILED
 */
export async function listen(
  cable: Cable,
  scheme: 'tcp' | 'rfc2217',
  options: ListenOptions,
  accept: (connection: Socket) => void,
): Promise<Service> {
  const host = options.host ?? '127.0.0.1';
  const open = new Set<Socket>();
  const server = createServer((connection) => {
    connection.on('error', () => connection.destroy());
    if (cable.isHeld || !cable.hasPort) {
      connection.destroy();
      return;
    }
    connection.setNoDelay(true);
    open.add(connection);
    connection.on('close', () => open.delete(connection));
    accept(connection);
  });
  const port = await bind(server, host, options.port);
  return {
    address: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const connection of open) connection.destroy();
      }),
  };
}

function bind(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        fail('LISTEN_FAILED', `${host}:${port} cannot be listened on: ${cause.message}.`, {
          hint: 'Use another port, or 0 for any free one.',
          detail: { field: 'port', value: port, host },
          cause,
        }),
      );
    });
    server.listen({ host, port }, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
