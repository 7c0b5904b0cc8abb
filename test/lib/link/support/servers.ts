import { once } from 'node:events';
import net from 'node:net';

/** A server for one test: what it is given is in `connections`, as they come. */
export interface TestServer {
  readonly port: number;
  readonly connections: net.Socket[];
  close(): Promise<void>;
}

const running = new Set<TestServer>();

export async function serve(onConnection: (socket: net.Socket) => void): Promise<TestServer> {
  const connections: net.Socket[] = [];
  const server = net.createServer({ noDelay: true }, (socket) => {
    connections.push(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const entry: TestServer = {
    port: (server.address() as net.AddressInfo).port,
    connections,
    async close() {
      running.delete(entry);
      for (const socket of connections) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  running.add(entry);
  return entry;
}

/** For afterEach. */
export async function closeServers(): Promise<void> {
  for (const server of [...running]) await server.close();
}

/** A port on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = await serve(() => undefined);
  await server.close();
  return server.port;
}

/** How the port server of a test behaves; all off = as RFC 2217 says. */
export interface Rfc2217Behaviour {
  /** Answers WILL COM-PORT with DONT. */
  declineComPort?: boolean;
  /** Answers DO BINARY with WONT. */
  declineBinary?: boolean;
  /** Never answers at all. */
  mute?: boolean;
  /** Acknowledges nothing of these commands. */
  silentOn?: number[];
  /** The rate it claims to have set, whatever was asked. */
  baudAnswer?: number;
}

export interface Rfc2217Server extends TestServer {
  /** Commands as they came: "5:8" is SET_CONTROL 8. */
  readonly commands: string[];
  /** Every chunk that the socket gave, raw. */
  readonly chunks: Buffer[];
  behaviour: Rfc2217Behaviour;
  /** Device bytes to the client, escaped. */
  send(bytes: Uint8Array): void;
  /** Raw bytes to the client. */
  sendRaw(bytes: Uint8Array): void;
}

/**
 * A port server written from the RFC alone, without the code under test: it echoes data, and answers suboptions with
 * their number + 100.
 */
export async function serveRfc2217(behaviour: Rfc2217Behaviour = {}): Promise<Rfc2217Server> {
  const commands: string[] = [];
  const chunks: Buffer[] = [];
  let client: net.Socket | undefined;
  const base = await serve((socket) => {
    client = socket;
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (entry.behaviour.mute === true) return;
      rest = Buffer.concat([rest, chunk]);
      for (let used = one(rest); used > 0; used = one(rest)) rest = rest.subarray(used);
    });
    /** Handles what `from` starts with; gives the bytes used, 0 when it is not all there. */
    const one = (from: Buffer): number => {
      if (from.length === 0) return 0;
      if (from[0] !== 255) {
        const end = from.indexOf(255);
        const data = from.subarray(0, end < 0 ? from.length : end);
        socket.write(data);
        return data.length;
      }
      if (from.length < 2) return 0;
      if (from[1] === 255) {
        socket.write(Buffer.of(255, 255));
        return 2;
      }
      if (from[1] === 250) return suboption(from);
      if (from.length < 3) return 0;
      negotiate(from[1] as number, from[2] as number);
      return 3;
    };
    const negotiate = (verb: number, option: number): void => {
      const { declineComPort, declineBinary } = entry.behaviour;
      const refused = (option === 44 && declineComPort === true) || (option === 0 && declineBinary === true);
      const known = [0, 3, 44].includes(option) && !refused;
      if (verb === 251) socket.write(Buffer.of(255, known ? 253 : 254, option));
      if (verb === 253) socket.write(Buffer.of(255, known ? 251 : 252, option));
    };
    const suboption = (from: Buffer): number => {
      const body: number[] = [];
      for (let at = 2; at + 1 < from.length; at += 1) {
        if (from[at] === 255 && from[at + 1] === 240) {
          answer(body);
          return at + 2;
        }
        if (from[at] === 255) at += 1;
        body.push(from[at] as number);
      }
      return 0;
    };
    const answer = ([option, command, ...value]: number[]): void => {
      if (option !== 44 || command === undefined) return;
      commands.push(`${command}:${command === 1 ? Buffer.from(value).readUInt32BE() : value.join(',')}`);
      const { silentOn, baudAnswer } = entry.behaviour;
      if (silentOn?.includes(command) === true) return;
      const bytes = Buffer.from(value);
      if (command === 1 && baudAnswer !== undefined) bytes.writeUInt32BE(baudAnswer);
      socket.write(Buffer.concat([Buffer.of(255, 250, 44, command + 100), doubleIac(bytes), Buffer.of(255, 240)]));
    };
  });
  const entry: Rfc2217Server = {
    ...base,
    commands,
    chunks,
    behaviour,
    send: (bytes) => void client?.write(doubleIac(Buffer.from(bytes))),
    sendRaw: (bytes) => void client?.write(bytes),
  };
  return entry;
}

function doubleIac(bytes: Buffer): Buffer {
  return Buffer.from([...bytes].flatMap((byte) => (byte === 255 ? [255, 255] : [byte])));
}
