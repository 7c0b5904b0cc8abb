import net from 'node:net';
import { codeOf } from '../errors/index.ts';
import { BaseLink } from './base.ts';
import { fail } from './errors.ts';
import { cancelledError, type OpenRequest, throwIfCancelled } from './opening.ts';

const KEEP_ALIVE_MS = 10_000;
/** How long closing waits for the far side to take the last bytes. */
const LAST_BYTES_MS = 500;

/**
 * Connects, without delay and with keep-alive.
 *
 * @throws PORT_UNREACHABLE, CANCELLED.
 */
export function connectSocket(host: string, port: number, request: OpenRequest): Promise<net.Socket> {
  const { address, signal } = request;
  throwIfCancelled(signal, address);
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
    const timer = setTimeout(
      () => give(unreachable(request, `does not answer within ${request.timeoutMs} ms`)),
      request.timeoutMs,
    );
    const onAbort = (): void => give(signal === undefined ? undefined : cancelledError(address, signal));
    const onError = (error: Error): void => give(unreachable(request, reasonOf(error), error));
    const onConnect = (): void => give(undefined);
    const give = (error: Error | undefined): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect);
      socket.off('error', onError);
      if (error === undefined) {
        resolve(socket);
        return;
      }
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    signal?.addEventListener('abort', onAbort);
    socket.on('connect', onConnect);
    socket.on('error', onError);
  });
}

function reasonOf(error: Error): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return 'refuses the connection: nothing listens there';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'cannot be found: the host name does not resolve';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'cannot be reached over the network';
    case 'ETIMEDOUT':
      return 'does not answer';
    default:
      return `cannot be reached (${codeOf(error)})`;
  }
}

/** PORT_UNREACHABLE in one wording: "The port server at tcp://host:port <reason>." */
export function unreachable(request: OpenRequest, reason: string, cause?: unknown): Error {
  return fail('PORT_UNREACHABLE', `The port server at ${request.address} ${reason}.`, {
    hint: 'Check host and port, and that the port server runs and serves nobody else.',
    detail: { field: 'address', value: request.address },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A link over one socket: writing, the far side's end, closing. */
export abstract class SocketLink extends BaseLink {
  readonly #socket: net.Socket;
  readonly #closed: Promise<void>;
  #error: Error | undefined;
  #closing = false;

  constructor(socket: net.Socket, baudRate: number) {
    super(baudRate);
    this.#socket = socket;
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('data', (chunk) => this.received(chunk));
    socket.on('error', (error) => {
      this.#error = error;
    });
    // The far side's FIN comes before 'close': nothing more can be answered, so the link is over now.
    socket.on('end', () => this.#over());
    socket.on('close', () => this.#over());
  }

  async close(): Promise<void> {
    this.#closing = true;
    const timer = setTimeout(() => this.#socket.destroy(), LAST_BYTES_MS);
    // Not over before the server said so too: most serve one client, and would turn the next one away.
    this.#socket.end();
    await this.#closed;
    clearTimeout(timer);
  }

  /** Bytes of the socket as they came. */
  protected abstract received(chunk: Uint8Array): void;

  /** Resolves when the operating system has taken the bytes. */
  protected send(bytes: Uint8Array): Promise<void> {
    const sent = new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error == null ? resolve() : reject(error)));
    });
    return this.untilEnd(sent).catch((error: unknown) => {
      this.check();
      throw this.#gone(error);
    });
  }

  #over(): void {
    if (this.isOpen) this.end(this.#closing ? undefined : this.#gone(this.#error));
    this.#socket.destroy();
  }

  #gone(cause: unknown): Error {
    const code = cause === undefined ? '' : ` (${codeOf(cause)})`;
    return fail('PORT_GONE', `The port server at ${this.info.address} closed the connection${code}.`, {
      hint: 'Look whether the port server still runs and its device is still plugged in.',
      detail: { address: this.info.address },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}
