import type { Duplex } from 'node:stream';
import type { Packet } from 'mqtt-packet';
import { Framer } from './framer.ts';
import { PacketReader, type Problem } from './packets.ts';
import type { EndpointLimits } from './types.ts';

/** A TLS socket, as far as it is needed here. */
type Socket = Duplex & { destroySoon(): void };

export interface WireOptions {
  readonly limits: Pick<EndpointLimits, 'packetBytes' | 'backlogBytes'>;
  /** Milliseconds, of the clock for waits. */
  readonly now: () => number;
  readonly onPacket: (packet: Packet) => void;
  readonly onProblem: (problem: Problem) => void;
  readonly onClose: () => void;
}

/** Packets over a connection. Reads nothing before `start`. */
export class Wire {
  readonly #socket: Socket;
  readonly #options: WireOptions;
  readonly #framer: Framer;
  readonly #reader = new PacketReader();
  #held: { frame: Buffer; bodyAt: number }[] | undefined;
  /** What waits for the end of a chunk to be sent. */
  #batch: Buffer[] | undefined;
  #over = false;
  /** When the last packet came. */
  heardAt: number;
  /** Since when the peer has not read what waits for it; undefined while it does. */
  stalledSince: number | undefined;
  /** When it was told to end. */
  endedAt: number | undefined;

  constructor(socket: Socket, options: WireOptions) {
    this.#socket = socket;
    this.#options = options;
    this.heardAt = options.now();
    this.#framer = new Framer(options.limits.packetBytes, (frame, bodyAt) => this.#frame(frame, bodyAt));
    socket.on('close', () => {
      this.#over = true;
      this.#framer.stop();
      options.onClose();
    });
    socket.on('drain', () => {
      this.stalledSince = undefined;
      if (this.#held === undefined) socket.resume();
    });
  }

  start(): void {
    this.#socket.on('data', (chunk: Buffer) => this.#data(chunk));
  }

  #data(chunk: Buffer): void {
    if (this.#over) return;
    // What answers one chunk goes out in one piece.
    this.#batch = [];
    const code = this.#framer.push(chunk);
    this.#flush();
    if (code !== undefined && !this.#over) {
      this.#options.onProblem({
        code,
        message:
          code === 'PACKET_TOO_LARGE'
            ? `A packet is larger than ${this.#options.limits.packetBytes} bytes.`
            : 'The length of a packet has more than four bytes.',
      });
    }
    this.#look();
  }

  #frame(frame: Buffer, bodyAt: number): void {
    if (this.#held !== undefined) {
      this.#held.push({ frame, bodyAt });
      return;
    }
    this.heardAt = this.#options.now();
    const read = this.#reader.read(frame, bodyAt);
    if ('problem' in read) this.#options.onProblem(read.problem);
    else this.#options.onPacket(read.packet);
  }

  /** Packets wait from here on, until `release`. */
  hold(): void {
    this.#held ??= [];
    this.#socket.pause();
  }

  release(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const { frame, bodyAt } of held ?? []) {
      if (this.#over) return;
      this.#frame(frame, bodyAt);
    }
    if (this.#held === undefined && this.stalledSince === undefined) this.#socket.resume();
  }

  /** Bytes that the peer has not taken yet. */
  get backlog(): number {
    return this.#socket.writableLength;
  }

  send(bytes: Buffer): void {
    if (this.#over) return;
    if (this.#batch !== undefined) {
      this.#batch.push(bytes);
      return;
    }
    this.#socket.write(bytes);
    this.#look();
  }

  #flush(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch === undefined || batch.length === 0 || this.#socket.destroyed) return;
    this.#socket.write(batch.length === 1 ? (batch[0] as Buffer) : Buffer.concat(batch));
  }

  /** A peer that reads nothing gets nothing more done. */
  #look(): void {
    if (this.#over || this.stalledSince !== undefined) return;
    if (this.#socket.writableLength <= this.#options.limits.backlogBytes) return;
    this.stalledSince = this.#options.now();
    this.#socket.pause();
  }

  /** Reads nothing more, and closes once `last` is out. */
  end(last?: Buffer): void {
    if (this.#over) return;
    this.#over = true;
    this.endedAt = this.#options.now();
    this.#framer.stop();
    this.#flush();
    if (last === undefined) this.#socket.destroy();
    else {
      this.#socket.write(last);
      this.#socket.destroySoon();
    }
  }

  destroy(): void {
    this.#over = true;
    this.#socket.destroy();
  }
}
