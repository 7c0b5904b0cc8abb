import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** A handshake that came to nothing. */
export interface FailedHandshake {
  readonly code: 'EST_HANDSHAKE' | 'EST_HANDSHAKE_TIMEOUT';
  readonly text: string;
  /** Address of the client, where the connection had one still. */
  readonly source: string | undefined;
}

/**
 * Tells of the handshakes that fail at a server: there is no request then that could be refused.
 * @returns what ends every connection, also those that are still at their handshake; of these nothing is told
 */
export function watchHandshakes(server: Server, onFailed: (failed: FailedHandshake) => void): () => void {
  const open = new Set<Socket>();
  let closing = false;
  server.prependListener('connection', (socket: Socket) => {
    // Asked for while it is there: a socket keeps what it once told.
    if (socket.remoteAddress === undefined) return;
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    if (closing) return;
    const timeout = error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT';
    const said = (error.code ?? error.message).slice(0, 128);
    onFailed({
      code: timeout ? 'EST_HANDSHAKE_TIMEOUT' : 'EST_HANDSHAKE',
      text: timeout ? 'The TLS handshake took too long.' : `The TLS handshake failed: ${said}.`,
      source: belowOf(socket).remoteAddress,
    });
  });
  return () => {
    closing = true;
    server.closeAllConnections();
    for (const socket of open) socket.destroy();
  };
}

/** The connection below TLS: the only one that still knows its address when a handshake has failed. */
function belowOf(socket: TLSSocket): Socket {
  const { _parent: below } = socket as TLSSocket & { _parent?: Socket | null };
  return below ?? socket;
}
