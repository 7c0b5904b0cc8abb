import type { Duplex } from 'node:stream';
import { wipe } from '../../../vault/index.ts';
import { encodeFrame, type Frame, FrameReader } from './frame.ts';

/** How patient a side is, ms. */
export interface ChannelTimes {
  /** With nothing at all coming in. */
  readonly idleMs: number;
  /** From the beginning of a frame to its end. */
  readonly frameMs: number;
  /** Until the other side took what was written. */
  readonly writeMs: number;
}

export const CHANNEL_TIMES: ChannelTimes = { idleMs: 15_000, frameMs: 10_000, writeMs: 30_000 };

/** Frames over a stream. A peer that sends too slowly, or does not read, loses the stream; nothing grows meanwhile. */
export class Channel {
  readonly #stream: Duplex;
  readonly #times: ChannelTimes;
  readonly #reader = new FrameReader();
  #idle: NodeJS.Timeout | undefined;
  #slow: NodeJS.Timeout | undefined;

  constructor(stream: Duplex, times: ChannelTimes = CHANNEL_TIMES) {
    this.#stream = stream;
    this.#times = times;
    stream.on('error', () => undefined);
  }

  get isOpen(): boolean {
    return !this.#stream.destroyed && this.#stream.writable;
  }

  /** Calls back once, when the stream is over. */
  onClose(listener: () => void): void {
    if (this.#stream.closed) queueMicrotask(listener);
    else this.#stream.once('close', listener);
  }

  /**
   * The frames as they come. While one is worked at, nothing more is read. Ends with the stream, however that ends;
   * the stream is for the caller to end.
   * @throws BAD_FRAME
   */
  async *frames(): AsyncGenerator<Frame, void, void> {
    const source = this.#stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    try {
      while (true) {
        const chunk = await this.#next(source);
        if (chunk === undefined) return;
        for (const frame of this.#reader.push(chunk)) {
          this.#stopSlow();
          yield frame;
        }
        if (this.#reader.isPartial) this.#slow ??= this.#timer(this.#times.frameMs);
        else this.#stopSlow();
      }
    } finally {
      this.#stopSlow();
      this.#reader.clear();
    }
  }

  async #next(source: AsyncIterator<Buffer>): Promise<Buffer | undefined> {
    this.#idle = this.#timer(this.#times.idleMs);
    try {
      const { done, value } = await source.next();
      return done === true ? undefined : value;
    } catch {
      return undefined;
    } finally {
      clearTimeout(this.#idle);
    }
  }

  /** Whether the system took it. @throws BAD_FRAME it is too long */
  send(message: object, secret?: Uint8Array): Promise<boolean> {
    const bytes = encodeFrame(message, secret);
    return new Promise((resolve) => {
      const timer = this.#timer(this.#times.writeMs);
      const settle = (sent: boolean): void => {
        clearTimeout(timer);
        this.#stream.off('close', lost);
        if (secret !== undefined) wipe(bytes);
        resolve(sent);
      };
      const lost = (): void => settle(false);
      if (!this.isOpen) return settle(false);
      this.#stream.once('close', lost);
      this.#stream.write(bytes, (error) => settle(error == null));
    });
  }

  destroy(): void {
    this.#stream.destroy();
  }

  /** Lets what was written go out first. */
  end(): void {
    if (this.#stream.destroyed) return;
    const timer = setTimeout(() => this.#stream.destroy(), 1000);
    this.onClose(() => clearTimeout(timer));
    this.#stream.end(() => this.#stream.destroy());
  }

  #timer(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#stream.destroy(), ms);
  }

  #stopSlow(): void {
    clearTimeout(this.#slow);
    this.#slow = undefined;
  }
}
