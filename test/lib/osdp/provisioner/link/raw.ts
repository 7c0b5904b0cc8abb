import * as net from 'node:net';
import { encodeFrame, FrameReader } from '../../../../../lib/osdp/provisioner/link/frame.ts';
import { PROTOCOL } from '../../../../../lib/osdp/provisioner/link/messages.ts';

export type Said = Readonly<Record<string, unknown>>;

/** A host that says what it likes, over a unix socket. */
export class RawHost {
  readonly socket: net.Socket;
  readonly said: Said[] = [];
  readonly closed: Promise<void>;
  #news: () => void = () => undefined;
  #next = 0;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    const reader = new FrameReader();
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      for (const { message } of reader.push(chunk)) this.said.push(message);
      this.#news();
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve();
        this.#news();
      });
    });
  }

  static async connect(address: string): Promise<RawHost> {
    const socket = net.connect(address.replace('unix:', ''));
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawHost(socket);
  }

  send(message: object, secret?: Uint8Array): void {
    this.socket.write(encodeFrame(message, secret));
  }

  /** The first message that fits, which is taken out. Rejects when the connection ends before. */
  async wait(fits: (said: Said) => boolean): Promise<Said> {
    for (;;) {
      const at = this.said.findIndex(fits);
      if (at >= 0) return this.said.splice(at, 1)[0] as Said;
      if (this.socket.destroyed) throw new Error('The connection ended.');
      await new Promise<void>((resolve) => {
        this.#news = resolve;
      });
    }
  }

  /** Asks and waits for the answer or the refusal. */
  async ask(type: string, params: object = {}, secret?: Uint8Array): Promise<Said> {
    const id = ++this.#next;
    this.send({ type, id, ...params }, secret);
    return this.wait((said) => said.id === id);
  }

  hello(name = 'raw'): Promise<Said> {
    return this.ask('hello', { protocol: PROTOCOL, versions: [1], role: 'host', name });
  }

  attach(change: object = {}): Promise<Said> {
    return this.ask('attach', { instance: '11'.repeat(16), takeover: false, after: [], ...change });
  }
}

/** The code of a refusal. */
export function codeIn(said: Said): string {
  const { code } = (said.error ?? {}) as { code?: string };
  return code ?? `no refusal: ${JSON.stringify(said)}`;
}
