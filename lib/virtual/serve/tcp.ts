import type { Cable } from './cable.ts';
import { type ListenOptions, listen, type Service } from './listen.ts';
import { RemoteEnd } from './remote-end.ts';

/** Serves a socket's cable as a bare byte stream: no control lines, and nobody is told the host's rate. @throws LISTEN_FAILED */
export function serveTcp(cable: Cable, options: ListenOptions): Promise<Service> {
  return listen(cable, 'tcp', options, (connection) => {
    const end = new RemoteEnd({
      send: (bytes) => connection.write(bytes),
      hangUp: () => connection.destroy(),
      baudRate: null,
    });
    connection.on('data', (chunk) => end.received(chunk));
    connection.on('close', () => end.ended());
    cable.attach(end);
  });
}
