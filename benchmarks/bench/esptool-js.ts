import { createHash } from 'node:crypto';
import { ESPLoader, Transport } from 'esptool-js';
import type { ControlLines, Link } from '../../lib/link/index.ts';

/**
 * A port as esptool-js expects one from WebSerial, over a link. For measuring it beside our own session, and for the
 * tests that show its defects; the product does not use it.
 */
export class WebSerialShim {
  readable: ReadableStream<Uint8Array> | null = null;
  writable: WritableStream<Uint8Array> | null = null;
  readonly #link: Link;
  #stop: (() => void) | undefined;

  constructor(link: Link) {
    this.#link = link;
  }

  getInfo(): { usbVendorId?: number; usbProductId?: number } {
    const { usb } = this.#link.info;
    if (usb === undefined) return {};
    return { usbVendorId: Number.parseInt(usb.vendorId, 16), usbProductId: Number.parseInt(usb.productId, 16) };
  }

  async open({ baudRate }: { baudRate: number }): Promise<void> {
    await this.#link.setBaudRate(baudRate);
    const link = this.#link;
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const stops = [
          link.onData((chunk) => controller.enqueue(chunk)),
          link.onClose((error) => controller.error(error ?? new Error('closed'))),
        ];
        this.#stop = () => {
          for (const stop of stops) stop();
        };
      },
      cancel: () => this.#stop?.(),
    });
    this.writable = new WritableStream<Uint8Array>({ write: (chunk) => link.write(chunk) });
  }

  /** Only what is given changes: the other line keeps its state. */
  async setSignals(signals: { dataTerminalReady?: boolean; requestToSend?: boolean }): Promise<void> {
    const lines: ControlLines = {
      dtr: signals.dataTerminalReady ?? this.#link.lines.dtr,
      rts: signals.requestToSend ?? this.#link.lines.rts,
    };
    await this.#link.setLines(lines);
  }

  async setBaudRate(baudRate: number): Promise<void> {
    await this.#link.setBaudRate(baudRate);
  }

  async close(): Promise<void> {
    this.#stop?.();
    this.readable = null;
    this.writable = null;
  }
}

type Port = ConstructorParameters<typeof Transport>[0];

/** esptool-js itself on a link, its console noise silenced. */
export function esptoolJsOn(link: Link, baudRate: number): { loader: ESPLoader; transport: Transport } {
  const transport = new Transport(new WebSerialShim(link) as unknown as Port, false);
  const quiet = { clean() {}, write() {}, writeLine() {} };
  return { transport, loader: new ESPLoader({ transport, baudrate: baudRate, terminal: quiet }) };
}

/** Flashes one image as ESP Web Tools and the like do, with its MD5 check on. */
export async function flashWithEsptoolJs(
  link: Link,
  data: Uint8Array,
  address: number,
  baudRate: number,
): Promise<void> {
  const { loader, transport } = esptoolJsOn(link, baudRate);
  const log = console.log;
  console.log = () => undefined;
  try {
    await loader.main();
    await loader.writeFlash({
      fileArray: [{ data, address }],
      flashMode: 'keep',
      flashFreq: 'keep',
      flashSize: 'keep',
      eraseAll: false,
      compress: true,
      calculateMD5Hash: (image) => createHash('md5').update(image).digest('hex'),
    });
    await transport.disconnect();
  } finally {
    console.log = log;
  }
}
