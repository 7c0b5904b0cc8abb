import type { Link } from '../../../lib/link/index.ts';

/** A link dressed as a Web Serial port, for a host that knows no other: esptool-js. */
export class WebSerialPort {
  readonly #link: Link;
  #lines = { dtr: false, rts: false };
  #stop: (() => void) | undefined;
  readable: ReadableStream<Uint8Array> | null = null;
  writable: WritableStream<Uint8Array> | null = null;

  constructor(link: Link) {
    this.#link = link;
  }

  getInfo(): Record<string, never> {
    return {};
  }

  async open({ baudRate }: { baudRate: number }): Promise<void> {
    await this.#link.setBaudRate(baudRate);
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#stop = this.#link.onData((chunk) => controller.enqueue(chunk));
      },
    });
    this.writable = new WritableStream<Uint8Array>({ write: (chunk) => this.#link.write(chunk) });
  }

  async setBaudRate(baudRate: number): Promise<void> {
    await this.#link.setBaudRate(baudRate);
  }

  async setSignals(signals: { dataTerminalReady?: boolean; requestToSend?: boolean }): Promise<void> {
    this.#lines = {
      dtr: signals.dataTerminalReady ?? this.#lines.dtr,
      rts: signals.requestToSend ?? this.#lines.rts,
    };
    await this.#link.setLines(this.#lines);
  }

  async close(): Promise<void> {
    this.#stop?.();
    this.readable = null;
    this.writable = null;
  }
}
