import { constants } from 'node:crypto';
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import {
  createSecureContext,
  createServer as createTlsServer,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import { pemBlock } from '../pki/index.ts';
import { type EndpointCode, fail } from './errors.ts';
import type { EndpointLimits, EndpointTls } from './types.ts';

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: EndpointTls;
  readonly limits: EndpointLimits;
  /** A handshake is done. */
  readonly onSecure: (socket: TLSSocket, address: string) => void;
  readonly onRefused: (at: 'connection' | 'handshake', code: EndpointCode, message: string, address: string) => void;
  readonly onTrouble: (error: Error) => void;
}

/**
 * Takes connections and does the TLS handshake. A certificate is asked for and not judged: whoever is told
 * `onSecure` does that, also for a resumed session, in which no certificate travels.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #tcp: TcpServer;
  readonly #tls: TlsServer;
  readonly #open = new Set<Socket>();
  readonly #perAddress = new Map<string, number>();
  #handshakes = 0;
  #closing = false;

  /** @throws BAD_TLS */
  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#tls = createTlsServer({
      ...contextOf(options.tls),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: options.limits.handshakeMs,
    });
    this.#tls.on('secureConnection', (socket) => this.#secure(socket));
    this.#tls.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => this.#failed(error, socket));
    this.#tcp = createTcpServer((socket) => this.#connected(socket));
  }

  /** @throws PORT_IN_USE, PORT_DENIED, LISTEN_FAILED */
  listen(): Promise<{ host: string; port: number }> {
    const { host, port, onTrouble } = this.#options;
    return new Promise((resolve, reject) => {
      const refused = (cause: NodeJS.ErrnoException): void => reject(listenError(host, port, cause));
      this.#tcp.once('error', refused);
      this.#tcp.listen({ host, port }, () => {
        this.#tcp.off('error', refused);
        this.#tcp.on('error', (error) => onTrouble(listenError(host, port, error)));
        const address = this.#tcp.address();
        resolve({ host, port: typeof address === 'object' && address !== null ? address.port : port });
      });
    });
  }

  /** @throws BAD_TLS */
  setSecureContext(tls: EndpointTls): void {
    this.#tls.setSecureContext(contextOf(tls));
  }

  #connected(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const { limits, onRefused } = this.#options;
    const ip = socket.remoteAddress;
    if (ip === undefined || this.#closing) {
      socket.destroy();
      return;
    }
    const mine = this.#perAddress.get(ip) ?? 0;
    const refuse = (code: EndpointCode, message: string): void => {
      const address = addressOf(socket);
      socket.destroy();
      onRefused('connection', code, message, address);
    };
    if (this.#open.size >= limits.connections) {
      refuse('TOO_MANY_CONNECTIONS', `${limits.connections} connections are open already.`);
      return;
    }
    if (this.#handshakes >= limits.handshakes) {
      refuse('TOO_MANY_CONNECTIONS', `${limits.handshakes} handshakes are under way already.`);
      return;
    }
    if (mine >= limits.connectionsPerAddress) {
      refuse('TOO_MANY_FROM_ADDRESS', `${mine} connections from ${ip} are open already.`);
      return;
    }
    this.#open.add(socket);
    this.#perAddress.set(ip, mine + 1);
    this.#handshakes++;
    socket.on('close', () => {
      this.#open.delete(socket);
      if (!shaken.has(socket)) this.#handshakes--;
      const left = (this.#perAddress.get(ip) ?? 1) - 1;
      if (left === 0) this.#perAddress.delete(ip);
      else this.#perAddress.set(ip, left);
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    this.#tls.emit('connection', socket);
  }

  #secure(socket: TLSSocket): void {
    const below = belowOf(socket);
    if (below !== undefined && !shaken.has(below)) {
      shaken.add(below);
      this.#handshakes--;
    }
    socket.on('error', () => socket.destroy());
    if (this.#closing) socket.destroy();
    else this.#options.onSecure(socket, addressOf(below ?? socket));
  }

  #failed(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const below = belowOf(socket);
    const address = addressOf(below ?? socket);
    socket.destroy();
    below?.destroy();
    if (this.#closing) return;
    const timeout = error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT';
    const said = error.code ?? error.message;
    this.#options.onRefused(
      'handshake',
      timeout ? 'HANDSHAKE_TIMEOUT' : 'HANDSHAKE_FAILED',
      timeout ? 'The TLS handshake took too long.' : `The TLS handshake failed: ${said.slice(0, 128)}.`,
      address,
    );
  }

  /** Takes no more connections. */
  stop(): void {
    this.#closing = true;
    if (this.#tcp.listening) this.#tcp.close();
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    this.stop();
    const closed = [...this.#open].map(
      (socket) =>
        new Promise<void>((resolve) => {
          socket.once('close', () => resolve());
          socket.destroy();
        }),
    );
    await Promise.all(closed);
  }
}

/** Connections whose handshake is done. */
const shaken = new WeakSet<Socket>();

/** The connection below TLS: the only one that still knows its address when a handshake has failed. */
function belowOf(socket: TLSSocket): Socket | undefined {
  const { _parent: below } = socket as TLSSocket & { _parent?: Socket | null };
  return below ?? undefined;
}

function addressOf({ remoteAddress = 'unknown', remotePort }: Socket): string {
  const host = remoteAddress.replace(/^::ffff:(?=\d+\.)/, '');
  return `${host.includes(':') ? `[${host}]` : host}:${remotePort ?? 0}`;
}

interface Context {
  key: string | Buffer;
  cert: string | Buffer;
  ca: (string | Buffer)[];
  minVersion: 'TLSv1.2' | 'TLSv1.3';
  secureOptions: number;
  sessionIdContext: string;
}

/** @throws BAD_TLS */
function contextOf(tls: EndpointTls): Context {
  const { key, cert, ca, minVersion = 'TLSv1.2' } = tls;
  const all: readonly (string | Uint8Array)[] =
    ca === undefined ? [] : typeof ca === 'string' || ca instanceof Uint8Array ? [ca] : ca;
  try {
    // Node takes what is empty, and authorities that are none, for nothing at all.
    if (key.length === 0 || cert.length === 0) throw new TypeError('One of them is empty.');
    for (const one of all) pemBlock(typeof one === 'string' ? one : new TextDecoder().decode(one), 'CERTIFICATE');
    const context: Context = {
      key: bufferOr(key),
      cert: bufferOr(cert),
      minVersion,
      // A client could show another certificate in the middle of a session.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      sessionIdContext: 'keyway-endpoint',
      // None at all would be the authorities of the web.
      ca: all.map(bufferOr),
    };
    createSecureContext(context);
    return context;
  } catch (error) {
    const said = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown';
    throw fail('BAD_TLS', `The key and certificate of the endpoint cannot be used (${said}).`, {
      hint: 'Give a private key, and its certificate with the intermediates above it, both as PEM.',
      detail: { field: 'tls', reason: said },
    });
  }
}

const bufferOr = (part: string | Uint8Array): string | Buffer =>
  typeof part === 'string' ? part : Buffer.from(part.buffer, part.byteOffset, part.byteLength);

function listenError(host: string, port: number, cause: NodeJS.ErrnoException): Error {
  const detail = { field: 'port', value: port, host };
  if (cause.code === 'EADDRINUSE') {
    return fail('PORT_IN_USE', `Something listens on ${host}:${port} already.`, {
      hint: 'Choose another port, or stop the other program.',
      ...{ cause, detail },
    });
  }
  if (cause.code === 'EACCES') {
    return fail('PORT_DENIED', `This user may not listen on port ${port}.`, {
      hint: 'Choose a port above 1023.',
      ...{ cause, detail },
    });
  }
  return fail('LISTEN_FAILED', `The endpoint cannot listen on ${host}:${port}: ${cause.code ?? cause.message}.`, {
    hint: 'Name an address of this machine.',
    ...{ cause, detail },
  });
}
