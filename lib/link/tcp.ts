import type { ControlLines, Link, LinkInfo } from './link.ts';
import type { OpenRequest } from './opening.ts';
import { connectSocket, SocketLink } from './socket.ts';

/** Opens a raw byte stream over TCP: no control lines, no baud rate. @throws PORT_UNREACHABLE, CANCELLED. */
export async function openTcp(host: string, port: number, isLocal: boolean, request: OpenRequest): Promise<Link> {
  const socket = await connectSocket(host, port, request);
  return new TcpLink(socket, request.baudRate, {
    address: request.address,
    kind: 'tcp',
    name: request.name,
    hasControlLines: false,
    hasBaudControl: false,
    isLocal,
  });
}

class TcpLink extends SocketLink {
  readonly info: LinkInfo;

  constructor(socket: ConstructorParameters<typeof SocketLink>[0], baudRate: number, info: LinkInfo) {
    super(socket, baudRate);
    this.info = info;
  }

  protected received(chunk: Uint8Array): void {
    this.emitData(chunk);
  }

  protected doWrite(bytes: Uint8Array): Promise<void> {
    return this.send(bytes);
  }

  protected async doSetLines(_lines: ControlLines): Promise<void> {}

  protected async doSetBaudRate(_baudRate: number): Promise<void> {}
}
