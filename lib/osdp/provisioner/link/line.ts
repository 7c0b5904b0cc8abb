import { randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import type { Link } from '../../../link/index.ts';
import { fail } from './errors.ts';
import { SlipReader, slipEncode } from './slip.ts';

/**
 * A line (serial, or any other Link) has no beginning: when one side restarts, the other still speaks its old TLS
 * session. So packets carry the number of the session, which the host draws; see docs/provisioner-link.md.
 * Packet: type u8, session u32 big endian, content.
 */
const OPEN = 1;
const ACCEPT = 2;
const DATA = 3;
const CLOSE = 4;
const MAGIC = Buffer.from('keyway-line-1', 'latin1');
const HEAD = 5;
/** Content of one packet. */
const PIECE = 1024;
const PACKET_MOST = HEAD + PIECE;
/** What one side keeps for a reader that is slow: a line cannot be told to wait. */
const KEPT_MOST = 512 * 1024;
const OPEN_EVERY_MS = 200;

function packet(type: number, session: number, content: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = Buffer.alloc(HEAD + content.length);
  bytes[0] = type;
  bytes.writeUInt32BE(session, 1);
  bytes.set(content, HEAD);
  return slipEncode(bytes);
}

interface Packet {
  readonly type: number;
  readonly session: number;
  readonly content: Uint8Array;
}

function readPacket(bytes: Uint8Array): Packet | undefined {
  if (bytes.length < HEAD) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const type = bytes[0] as number;
  const content = bytes.subarray(HEAD);
  const named = type === OPEN || type === ACCEPT;
  if (named && !MAGIC.equals(content)) return undefined;
  if (type === CLOSE && content.length > 0) return undefined;
  return { type, session: view.readUInt32BE(1), content };
}

/** One session on a line, as a stream. It ends when either side closes it, restarts, or the line goes. */
class LineStream extends Duplex {
  readonly session: number;
  readonly #line: Line;

  constructor(line: Line, session: number) {
    super({ allowHalfOpen: false });
    this.#line = line;
    this.session = session;
    this.on('error', () => undefined);
  }

  deliver(content: Uint8Array): void {
    if (this.destroyed) return;
    if (this.readableLength > KEPT_MOST) this.destroy(new Error('The reader is too slow for the line.'));
    else this.push(content);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const send = async (): Promise<void> => {
      for (let at = 0; at < chunk.length; at += PIECE) {
        await this.#line.send(packet(DATA, this.session, chunk.subarray(at, at + PIECE)));
      }
    };
    send().then(
      () => done(),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    done();
    this.destroy();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#line.left(this);
    done(error);
  }
}

/** One side of a line, and the one session on it. */
class Line {
  readonly #link: Link;
  readonly #reader = new SlipReader(PACKET_MOST);
  readonly #off: (() => void)[];
  #stream: LineStream | undefined;
  #work: Promise<void> = Promise.resolve();
  /** OPEN for a device, ACCEPT for a host. */
  onGreeting: ((greeting: Packet) => void) | undefined;

  constructor(link: Link) {
    this.#link = link;
    this.#off = [link.onData((chunk) => this.#received(chunk)), link.onClose((error) => this.#gone(error))];
  }

  send(bytes: Uint8Array): Promise<void> {
    const sent = this.#work.then(() => this.#link.write(bytes));
    this.#work = sent.catch(() => undefined);
    return sent;
  }

  /** Begins a session; one from before ends. */
  begin(session: number): LineStream {
    const before = this.#stream;
    this.#stream = undefined;
    before?.destroy();
    this.#stream = new LineStream(this, session);
    return this.#stream;
  }

  isCurrent(session: number): boolean {
    return this.#stream?.session === session;
  }

  /** The stream ended on this side. */
  left(stream: LineStream): void {
    if (this.#stream === stream) this.#stream = undefined;
    this.#tellClosed(stream.session);
  }

  end(): void {
    for (const off of this.#off) off();
    this.#stream?.destroy();
  }

  /** Waits until everything is written. */
  async flush(): Promise<void> {
    await this.#work;
  }

  #received(chunk: Uint8Array): void {
    for (const bytes of this.#reader.push(chunk)) {
      const one = readPacket(bytes);
      if (one === undefined) continue;
      if (one.type === OPEN || one.type === ACCEPT) this.onGreeting?.(one);
      else if (this.#stream?.session === one.session) {
        if (one.type === DATA) this.#stream.deliver(one.content);
        else this.#stream.push(null);
      } else if (one.type === DATA) this.#tellClosed(one.session);
    }
  }

  #gone(error: Error | undefined): void {
    this.#stream?.destroy(error);
  }

  #tellClosed(session: number): void {
    // On a line that is gone there is nobody to tell.
    this.send(packet(CLOSE, session)).catch(() => undefined);
  }
}

/** A host's stream over a line. */
export interface HostLine {
  readonly stream: Duplex;
  /** The stream has ended, and the link is closed. */
  readonly released: Promise<void>;
}

/** When the stream ends, the link is closed. @throws LINK_NO_PROVISIONER nobody answers in time */
export async function openLine(link: Link, timeoutMs: number): Promise<HostLine> {
  const line = new Line(link);
  const session = randomBytes(4).readUInt32BE();
  let timers: NodeJS.Timeout[] = [];
  try {
    return await new Promise<HostLine>((resolve, reject) => {
      const open = (): void => void line.send(packet(OPEN, session, MAGIC)).catch(reject);
      line.onGreeting = (greeting) => {
        if (greeting.type !== ACCEPT || greeting.session !== session || line.isCurrent(session)) return;
        const stream = line.begin(session);
        const closed = new Promise<void>((done) => stream.once('close', () => done()));
        const released = closed
          .then(() => line.flush())
          .then(() => line.end())
          .then(() => link.close())
          .catch(() => undefined);
        resolve({ stream, released });
      };
      timers = [
        setInterval(open, OPEN_EVERY_MS),
        setTimeout(() => reject(silent(link.info.name, timeoutMs)), timeoutMs),
      ];
      link.onClose((error) => reject(error ?? silent(link.info.name, timeoutMs)));
      open();
    });
  } catch (error) {
    line.end();
    await link.close();
    throw error;
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}

/** A device's side of a line: gives a stream for each session that a host opens. @returns the way to stop */
export function serveLine(link: Link, onStream: (stream: Duplex) => void): () => void {
  const line = new Line(link);
  line.onGreeting = ({ type, session }) => {
    if (type !== OPEN) return;
    const isNew = !line.isCurrent(session);
    const stream = isNew ? line.begin(session) : undefined;
    line.send(packet(ACCEPT, session, MAGIC)).catch(() => undefined);
    if (stream !== undefined) onStream(stream);
  };
  return () => line.end();
}

function silent(name: string, timeoutMs: number): Error {
  return fail('LINK_NO_PROVISIONER', `No provisioner answers at ${name} within ${timeoutMs / 1000} s.`, {
    hint: 'Check the cable and the rate, and that a provisioner serves the other end.',
    detail: { field: 'address', value: name },
  });
}
