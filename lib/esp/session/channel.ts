import { KeywayError } from '../../errors/index.ts';
import type { Link } from '../../link/index.ts';
import { SlipDecoder, slipEncode } from '../slip.ts';
import { hex } from '../units.ts';
import { cancelled, fail, throwIfCancelled } from './errors.ts';
import { latin1, opNames, requestPacket } from './protocol.ts';

export interface Reply {
  /** The 32-bit value field. */
  readonly value: number;
  /** Without the status bytes. */
  readonly data: Uint8Array;
}

export interface CommandOptions {
  readonly timeoutMs: number;
  /** Bytes of data the reply must carry before its status. Default 0. */
  readonly dataLength?: number;
  readonly signal?: AbortSignal | undefined;
  /** Asked when the reply is good: the request to send in that very moment, for which `exchange` is called next. */
  readonly followUp?: () => PreparedRequest | undefined;
}

/** A request that is encoded already, so that nothing stands between an answer and the next block. */
export interface PreparedRequest {
  readonly op: number;
  readonly frame: Uint8Array;
}

interface Waiter {
  /** For the reply to a command; otherwise for a frame of any kind and length. */
  readonly forReply: boolean;
  frame(payload: Uint8Array): void;
  fail(error: Error): void;
}

const silence = { hint: 'Check the cable and the supply, try a lower baud rate, and start again.' };

const PRINTED_LIMIT = 4096;
const QUEUE_LIMIT = 64;
/**
 * This many bytes that make no reply, while one is due, are more than noise: a restarted chip prints its log at the
 * ROM's rate, which another rate turns into rubbish. Waiting any longer for the reply is no use.
 */
const RUBBISH_BYTES = 64;
/** What a chip prints when it starts afresh or falls over. Chips differ in the first line, all print `rst:`. */
const RESTART = /ESP-ROM:|\brst:0x[0-9a-f]+ \(|Guru Meditation Error|Brownout detector|abort\(\) was called/i;

/**
 * Commands and replies over one link, one at a time: strict stop and wait, event-driven, so a reply resolves in the
 * turn of the event loop in which its last byte arrives. Bytes that belong to no reply are kept as text and watched
 * for the banner of a chip that restarted.
 */
export class Channel {
  readonly link: Link;
  readonly #decoder: SlipDecoder;
  readonly #queue: Uint8Array[] = [];
  readonly #detach: (() => void)[] = [];
  #waiter: Waiter | undefined;
  #ended: Error | undefined;
  #printed = '';
  /** Bytes that made no reply: since the last request, and since the last reply. */
  #rubbish = 0;
  #unanswered = 0;
  #sentAhead: PreparedRequest | undefined;
  #watching = false;
  #sent = 0;
  #received = 0;

  constructor(link: Link) {
    this.link = link;
    this.#decoder = new SlipDecoder({
      frame: (payload) => this.#onFrame(payload),
      stray: (bytes) => this.#onStray(bytes),
    });
    this.#detach.push(
      link.onData((chunk) => {
        this.#received += chunk.length;
        this.#rubbish += chunk.length;
        this.#unanswered += chunk.length;
        this.#decoder.push(chunk);
        if (this.#rubbish >= RUBBISH_BYTES && this.#watching && this.#waiter?.forReply === true) {
          this.#fail(fail('CHIP_STOPPED', `The chip sent ${this.#rubbish} bytes that are no answer.`, silence));
        }
      }),
      link.onClose((error) => this.#end(error ?? portClosed(link))),
    );
  }

  /** Bytes that crossed the line so far, both ways. */
  get wireBytes(): number {
    return this.#sent + this.#received;
  }

  /** What the chip printed outside of replies since the last `forget()`, newest 4 KB. */
  get printed(): string {
    return this.#printed;
  }

  /** Whether so much came that is no reply, since the last one, that it looks like a log at another rate. */
  get heardRubbish(): boolean {
    return this.#unanswered >= RUBBISH_BYTES;
  }

  /** Whether a boot banner in the stream ends what is under way with BOARD_RESET. */
  watchForRestart(on: boolean): void {
    // What was printed before, at the reset that was wanted, is no restart.
    this.#printed = '';
    this.#watching = on;
  }

  /** Drops everything that arrived and was not asked for, a half frame included. */
  forget(): void {
    this.#queue.length = 0;
    this.#printed = '';
    this.#rubbish = 0;
    this.#unanswered = 0;
    this.#decoder.reset();
  }

  /** Drops whole frames that nobody waits for. */
  dropFrames(): void {
    this.#queue.length = 0;
  }

  prepare(packet: Uint8Array): PreparedRequest {
    return { op: packet[1] as number, frame: slipEncode(packet) };
  }

  /** Sends one request and waits for its reply. @throws CHIP_STOPPED, CHIP_REFUSED, BOARD_RESET, PORT_GONE, CANCELLED. */
  command(op: number, payload: Uint8Array, options: CommandOptions): Promise<Reply> {
    return this.exchange(this.prepare(requestPacket(op, payload)), options);
  }

  /** As `command`, for a request prepared before. */
  exchange(request: PreparedRequest, options: CommandOptions): Promise<Reply> {
    this.#queue.length = 0;
    this.#rubbish = 0;
    const { op } = request;
    const waiting = this.#expect<Reply>(
      (frame) => {
        if (frame.length < 8 || frame[0] !== 1) return undefined;
        const body = frame.subarray(8);
        if (frame[1] === op) {
          const reply = parseReply(op, frame, body, options.dataLength ?? 0);
          if (!(reply instanceof Error)) this.#sendAhead(options.followUp?.());
          return reply;
        }
        // A ROM that does not know a command says so under another op.
        if (frame[1] === 0 && body[0] !== 0 && body[1] === 0x05) return refused(op, 0x01, 0x05);
        return undefined;
      },
      options.timeoutMs,
      options.signal,
      () =>
        fail('CHIP_STOPPED', `The chip did not answer ${opName(op)} within ${options.timeoutMs.toFixed(0)} ms.`, {
          ...silence,
          detail: { op, timeoutMs: options.timeoutMs },
        }),
      true,
    );
    if (this.#sentAhead !== request) this.#transmit(request.frame);
    this.#sentAhead = undefined;
    return waiting;
  }

  #sendAhead(request: PreparedRequest | undefined): void {
    this.#sentAhead = request;
    if (request !== undefined) this.#transmit(request.frame);
  }

  /** Sends a packet and does not wait. */
  send(packet: Uint8Array): void {
    this.#transmit(slipEncode(packet));
  }

  /** Sends bytes as they are, to end a half frame at the far side. */
  sendRaw(bytes: Uint8Array): void {
    this.#transmit(bytes);
  }

  /** The next frame of any kind, one that came before included. */
  nextFrame(timeoutMs: number, signal?: AbortSignal): Promise<Uint8Array> {
    const queued = this.#queue.shift();
    if (queued !== undefined) return Promise.resolve(queued);
    return this.#expect(
      (frame) => frame,
      timeoutMs,
      signal,
      () =>
        fail('CHIP_STOPPED', `The chip sent nothing for ${timeoutMs.toFixed(0)} ms.`, {
          ...silence,
          detail: { timeoutMs },
        }),
      false,
    );
  }

  /** Resolves once nothing arrived for `quietMs`, at the latest after `maxMs`; then forgets it all. */
  async drain(quietMs: number, maxMs: number): Promise<void> {
    for (let waited = 0; waited < maxMs && this.#ended === undefined; waited += quietMs) {
      const before = this.#received;
      await new Promise((resolve) => setTimeout(resolve, quietMs));
      if (this.#received === before) break;
    }
    this.forget();
  }

  /** Stops listening. The link stays open: it is the caller's. */
  close(): void {
    for (const detach of this.#detach.splice(0)) detach();
    this.#end(portClosed(this.link));
  }

  /** The time the line itself needs for so many bytes, in ms, with something to spare. */
  lineTime(bytes: number): number {
    return (bytes * 10 * 1.25 * 1000) / this.link.baudRate;
  }

  #transmit(frame: Uint8Array): void {
    if (this.#ended !== undefined) return;
    this.#sent += frame.length;
    this.link.write(frame).catch((error: unknown) => {
      this.#fail(error instanceof Error ? error : portClosed(this.link));
    });
  }

  #expect<T>(
    take: (frame: Uint8Array) => T | Error | undefined,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    onTimeout: () => Error,
    forReply: boolean,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#waiter !== undefined) throw fail('SESSION_BUSY', 'Another command is still waiting for its answer.');
      if (this.#ended !== undefined) throw this.#ended;
      throwIfCancelled(signal);
      const done = () => {
        this.#waiter = undefined;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        forReply,
        frame: (payload) => {
          const taken = take(payload);
          if (taken === undefined) return;
          done();
          if (taken instanceof Error) reject(taken);
          else resolve(taken);
        },
        fail: (error) => {
          done();
          reject(error);
        },
      };
      const onAbort = () => waiter.fail(cancelled(signal as AbortSignal));
      const timer = setTimeout(() => waiter.fail(onTimeout()), timeoutMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiter = waiter;
    });
  }

  #onFrame(payload: Uint8Array): void {
    // A late answer to an earlier command is no rubbish, and neither is what a read of the flash brings.
    if (payload[0] === 1 || this.#waiter?.forReply === false) {
      this.#rubbish = 0;
      this.#unanswered = 0;
    }
    if (this.#waiter !== undefined) this.#waiter.frame(payload);
    else if (this.#queue.length < QUEUE_LIMIT) this.#queue.push(payload);
  }

  #onStray(bytes: Uint8Array): void {
    this.#printed = (this.#printed + latin1(bytes)).slice(-PRINTED_LIMIT);
    if (this.#watching && RESTART.test(this.#printed)) this.#fail(boardReset(this.#printed));
  }

  #fail(error: Error): void {
    this.#waiter?.fail(error);
  }

  #end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#fail(error);
  }
}

function parseReply(op: number, frame: Uint8Array, body: Uint8Array, dataLength: number): Reply | Error {
  // The status follows the data: two bytes from the stub, four from the ROM. A refusal carries the status alone.
  const at = body.length >= dataLength + 2 ? dataLength : 0;
  const status = body[at] ?? 0xff;
  if (status !== 0) return refused(op, status, body[at + 1] ?? 0);
  if (body.length < dataLength + 2) {
    return fail(
      'CHIP_REFUSED',
      `The chip answered ${opName(op)} with ${body.length} bytes instead of ${dataLength + 2}.`,
      {
        detail: { op, length: body.length },
      },
    );
  }
  const value = new DataView(frame.buffer, frame.byteOffset + 4, 4).getUint32(0, true);
  return { value, data: body.slice(0, dataLength) };
}

const REASONS: Readonly<Record<number, string>> = {
  192: 'a block is missing or of the wrong length',
  193: 'the checksum of a block is wrong',
  194: 'the block size is wrong',
  195: 'it does not know the command',
  196: 'the flash chip failed',
  197: 'the flash could not be unlocked',
  198: 'no write is under way',
  199: 'the compressed data is damaged',
  200: 'there is less data than announced',
  201: 'there is more data than announced',
  255: 'it does not do that',
};

const ROM_REASONS: Readonly<Record<number, string>> = {
  5: 'it does not know the command',
  6: 'it could not carry it out',
  7: 'the checksum of a block is wrong',
  8: 'writing the flash failed',
  9: 'reading the flash failed',
  11: 'the compressed data is damaged',
  12: 'the compressed data is damaged',
};

function refused(op: number, status: number, reason: number): Error {
  const words = status >= 0xc0 ? REASONS[status] : ROM_REASONS[reason];
  const said = `${hex(status)} ${hex(reason)}`;
  return fail('CHIP_REFUSED', `The loader refused ${opName(op)}: ${words ?? `status ${said}`} (${said}).`, {
    hint: 'Start again; when it happens again, try a lower baud rate and look at the supply.',
    detail: { op, status, reason },
  });
}

export function boardReset(printed: string): Error {
  const line = printed.split(/[\r\n]+/).findLast((text) => RESTART.test(text)) ?? '';
  return fail(
    'BOARD_RESET',
    line === ''
      ? 'The board restarted in the middle of the work: it sent bytes that answer nothing and then fell silent.'
      : `The board restarted in the middle of the work. It printed "${line.slice(0, 100)}".`,
    {
      hint: 'Look at the supply and the cable: a weak one browns out while the flash is erased. Then start again.',
      detail: { printed: printed.slice(-400) },
    },
  );
}

function portClosed(link: Link): Error {
  return new KeywayError('PORT_GONE', `The port ${link.info.name} is closed.`, {
    detail: { address: link.info.address },
  });
}

function opName(op: number): string {
  return opNames[op] ?? hex(op);
}
