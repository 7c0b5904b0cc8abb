import { ESPLoader, Transport, UnexpectedChipIdError, UnexpectedChipMagicError } from 'esptool-js';
import { isKeywayError } from '../../errors/index.ts';
import type { Channel } from './channel.ts';
import { fail } from './errors.ts';

/**
 * The one place where esptool-js is entered. Its chip table, register access and stubs are used; its transport, reset,
 * sync and flash session are not. Measured defects of 0.7.0 and how they are kept out:
 *
 * - its WebSerial transport polls every millisecond, copies quadratically, notices a pulled cable only after three
 *   timeouts and logs to the console and to a string that grows for ever: `ChannelTransport` replaces all of it and
 *   carries packets over our own channel;
 * - its connect swallows the reason of a failure: we reset and sync ourselves and enter with `connect('no_reset', 1)`,
 *   where `_connectAttempt` has nothing left to do;
 * - `after('hard_reset')` never asserts RTS, `setSignals` forgets that DTR was released: reset.ts sets both lines;
 * - `writeFlash` blocks the event loop, accepts overlaps and images for other chips, cannot verify in ROM mode and
 *   leaves a stale SHA-256 behind when it patches a header: write.ts and the guards of lib/esp/plan replace it;
 * - `readFlash` ignores the checksum that the stub sends: read.ts checks it;
 * - it takes the crystal of an ESP32 from a divider that the stub changes, looks for flash inside its package on the
 *   usual pins, and knows two of three bits of an ESP32-S3's PSRAM: esp32.ts and esp32s3.ts read them.
 */
export class EsptoolSession {
  readonly #transport: ChannelTransport;
  readonly #loader: OurLoader;

  constructor(channel: Channel) {
    this.#transport = new ChannelTransport(channel);
    this.#loader = new OurLoader({ transport: this.#transport, baudrate: 115_200, terminal: silentTerminal });
  }

  /**
   * Detects the chip; the loader or the stub must answer already.
   * @throws UNKNOWN_CHIP, CHIP_REFUSED, or what the channel throws.
   */
  async detect(stubRunning: boolean, signal?: AbortSignal): Promise<ESPLoader> {
    this.#loader.IS_STUB = stubRunning;
    await this.#run(signal, async () => {
      try {
        await this.#loader.connect('no_reset', 1);
      } catch (error) {
        if (!(error instanceof UnexpectedChipIdError || error instanceof UnexpectedChipMagicError))
          throw refusal(error);
        throw fail('UNKNOWN_CHIP', `The chip answers, but its family is not known: ${messageOf(error)}.`, {
          hint: 'Check that it is an ESP32 of any kind; a newer Keyway may know it.',
          cause: error,
        });
      }
    });
    return this.#loader;
  }

  /** Runs anything on the loader. @throws CHIP_REFUSED; errors of the channel come through as they are. */
  async ask<T>(signal: AbortSignal | undefined, question: (loader: ESPLoader) => Promise<T>): Promise<T> {
    try {
      return await this.#run(signal, () => question(this.#loader));
    } catch (error) {
      throw refusal(error);
    }
  }

  /**
   * Uploads and starts the stub. False when the chip runs without one: none is published for it, or secure download
   * mode forbids it. @throws STUB_FAILED.
   */
  async startStub(signal?: AbortSignal): Promise<boolean> {
    return await this.#run(signal, async () => {
      try {
        await this.#loader.runStub();
      } catch (error) {
        if (isKeywayError(error)) throw error;
        throw fail('STUB_FAILED', `The flasher stub did not start: ${messageOf(error)}.`, {
          hint: 'Reset the board and try again, or flash without the stub (slower).',
          cause: error,
        });
      }
      return this.#loader.IS_STUB;
    });
  }

  async #run<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    this.#transport.signal = signal;
    try {
      return await work();
    } finally {
      this.#transport.signal = undefined;
    }
  }
}

class OurLoader extends ESPLoader {
  /** The chip has answered our own SYNC already. */
  override async _connectAttempt(): Promise<string> {
    return 'success';
  }
}

/** Slow links (RFC 2217 over a radio) need more than the 200 ms that esptool-js grants some commands. */
const LEAST_TIMEOUT_MS = 1000;

/** Packets over our channel under the face of esptool-js's transport. */
class ChannelTransport extends Transport {
  signal: AbortSignal | undefined;
  readonly #channel: Channel;

  constructor(channel: Channel) {
    const { usb } = channel.link.info;
    super(
      // Of a WebSerial port only the identity is ever asked for: everything else is overridden below.
      {
        getInfo: () =>
          usb === undefined
            ? {}
            : { usbVendorId: Number.parseInt(usb.vendorId, 16), usbProductId: Number.parseInt(usb.productId, 16) },
      } as unknown as ConstructorParameters<typeof Transport>[0],
      false,
    );
    this.#channel = channel;
  }

  override async write(packet: Uint8Array): Promise<void> {
    // Some families tell their crystal from the rate of the line and the UART's divider.
    this.baudrate = this.#channel.link.baudRate;
    this.#channel.send(packet);
  }

  override async read(timeoutMs: number): Promise<Uint8Array> {
    return await this.#channel.nextFrame(Math.max(timeoutMs, LEAST_TIMEOUT_MS), this.signal);
  }

  override flushInput(): void {
    this.#channel?.dropFrames();
  }

  override async drainInput(quietMs = 100, maxMs = 400): Promise<void> {
    await this.#channel.drain(quietMs, maxMs);
  }

  override trace(): void {}
  override async readLoop(): Promise<void> {}
  override async connect(): Promise<void> {}
  override async disconnect(): Promise<void> {}
}

const silentTerminal = { clean() {}, write() {}, writeLine() {} };

/** What esptool-js makes of a refusal, with a code; errors of ours as they are. */
function refusal(error: unknown): unknown {
  if (isKeywayError(error)) return error;
  return fail('CHIP_REFUSED', `The loader refused a question: ${messageOf(error)}.`, {
    hint: 'Check the cable and the supply, and start again.',
    cause: error,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}
