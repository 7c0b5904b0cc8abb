import { createHash } from 'node:crypto';
import { slipEncode } from '../../esp/index.ts';
import { ROM_BAUD } from '../line/line.ts';
import type { ChipContext, Program, Work } from './context.ts';
import { CommandLoop } from './loop.ts';
import { type MemoryRefusal, MemoryUpload } from './memory-commands.ts';
import type { KnownStub } from './models/model.ts';
import { OP, parseRequest, type Request, reply, STUB_ERROR, word } from './protocol.ts';
import { StubReceiver } from './receiver.ts';
import { securityInfo } from './security.ts';
import { StubFlash } from './stub-flash.ts';
import type { Outcome } from './stub-outcome.ts';

const NONE = new Uint8Array(0);
const OHAI = new TextEncoder().encode('OHAI');
/** From the jump into the stub to its greeting, in ms. */
const START_MS = 4;
const MAX_PACKET = 4096;

/** From the end of a block's ACK to the work on it, on a paced line, in ms: a real chip inflates for longer. */
const WORK_AFTER_MS = 4;

/**
 * The flasher stub, generations 1 and 2. Replies end in two status bytes. DATA commands are acknowledged before the
 * work is done; what goes wrong in that work is reported by the next command, which is not carried out.
 */
export class Stub implements Program {
  readonly #context: ChipContext;
  readonly #stub: KnownStub;
  readonly #receiver = new StubReceiver();
  readonly #loop: CommandLoop;
  readonly #memory: MemoryUpload;
  readonly #flash: StubFlash;
  readonly #cancelStart: () => void;
  #running = false;
  /** What the work after the last reply came to. */
  #deferred = 0;

  constructor(context: ChipContext, stub: KnownStub) {
    this.#context = context;
    this.#stub = stub;
    this.#memory = new MemoryUpload(context, Number.POSITIVE_INFINITY);
    this.#flash = new StubFlash(context, stub.generation);
    this.#loop = new CommandLoop(context, this.#receiver, (frame) => this.#handle(frame));
    context.registers.attachByEfuse();
    const { clock, line, registers } = context;
    registers.setUart(line.chipBaud ?? ROM_BAUD, context.model.uart.stubClock[stub.generation]);
    this.#cancelStart = clock.at(clock.now() + START_MS, () => {
      this.#running = true;
      line.send(slipEncode(OHAI));
    });
  }

  received(bytes: Uint8Array): void {
    if (this.#running) this.#loop.received(bytes);
  }

  stop(): void {
    this.#cancelStart();
    this.#loop.stop();
  }

  *#handle(frame: Uint8Array): Work {
    const request = parseRequest(frame);
    if (request === undefined) return;
    const { op, data } = request;
    if (request.direction !== 0) {
      this.#answer(request, { error: STUB_ERROR.INVALID_COMMAND });
      return;
    }
    if (request.length !== data.length) {
      this.#answer(request, { error: STUB_ERROR.BAD_LENGTH });
      return;
    }
    if (this.#deferred !== 0 && (this.#stub.generation === 2 || reportsDeferred(op))) {
      this.#answer(request, { error: this.#deferred });
      this.#deferred = 0;
      return;
    }
    if (op === OP.RUN_USER_CODE) {
      if (this.#stub.generation === 1) this.#context.runFlash();
      return;
    }
    const outcome = yield* this.#run(request);
    if (op === OP.SYNC && outcome.error === undefined) for (let i = 0; i < 7; i++) this.#answer(request, outcome);
    this.#answer(request, outcome);
    if (outcome.after === undefined || (outcome.error ?? 0) !== 0) return;
    const { line, clock } = this.#context;
    // Inflating takes the bench's processor in one go: not before the ACK has left, nor while the host answers it.
    const heavy = op === OP.FLASH_DATA || op === OP.FLASH_DEFL_DATA;
    if (heavy && line.mode === 'paced') yield line.drainedAt - clock.now() + WORK_AFTER_MS;
    this.#deferred = yield* outcome.after();
    if (this.#deferred !== 0) this.#context.trace(`stub: 0x${this.#deferred.toString(16)} after the reply to ${op}`);
  }

  *#run(request: Request): Generator<number | null, Outcome, void> {
    const { op, data } = request;
    const { registers, flash, line, clock } = this.#context;
    switch (op) {
      case OP.SYNC:
        return data.length === 36 ? {} : BAD_LENGTH;
      case OP.READ_REG:
        return data.length === 4 ? { value: registers.read(word(data, 0)) } : BAD_LENGTH;
      case OP.WRITE_REG:
        if (data.length === 0 || data.length % 16 !== 0) return { error: STUB_ERROR.NOT_ENOUGH };
        for (let at = 0; at < data.length; at += 16)
          registers.write(word(data, at), word(data, at + 4), word(data, at + 8));
        return {};
      case OP.SPI_ATTACH:
        if (data.length !== 4) return BAD_LENGTH;
        registers.attach(word(data, 0));
        return {};
      case OP.SPI_SET_PARAMS:
        if (data.length !== 24) return BAD_LENGTH;
        this.#flash.size = word(data, 4);
        return {};
      case OP.CHANGE_BAUDRATE: {
        if (data.length !== 8) return BAD_LENGTH;
        const baud = word(data, 0);
        const stubClock = this.#context.model.uart.stubClock[this.#stub.generation];
        return {
          after: function* () {
            yield line.drainedAt - clock.now();
            line.chipBaud = baud;
            registers.setUart(baud, stubClock);
            return 0;
          },
        };
      }
      case OP.GET_SECURITY_INFO: {
        if (data.length !== 0) return BAD_LENGTH;
        const info = securityInfo(this.#context);
        return info === undefined ? { error: STUB_ERROR.NOT_IMPLEMENTED } : { data: info };
      }
      case OP.MEM_BEGIN:
        return memoryOutcome(this.#memory.begin(data));
      case OP.MEM_DATA:
        return memoryOutcome(this.#memory.data(data, null));
      case OP.MEM_END:
        return this.#memoryEnd(data);
      case OP.FLASH_BEGIN:
      case OP.FLASH_DEFL_BEGIN:
        return this.#flash.begin(data, op === OP.FLASH_DEFL_BEGIN);
      case OP.FLASH_DATA:
        return this.#flash.data(request);
      case OP.FLASH_DEFL_DATA:
        return this.#flash.deflated(request);
      case OP.FLASH_END:
      case OP.FLASH_DEFL_END:
        return this.#flashEnd(data);
      case OP.SPI_FLASH_MD5: {
        if (data.length !== 16) return BAD_LENGTH;
        yield* this.#flash.ready();
        const bytes = this.#flash.slice(word(data, 0), word(data, 4));
        if (bytes === undefined) return { error: STUB_ERROR.SPI };
        return { data: createHash('md5').update(bytes).digest() };
      }
      case OP.ERASE_FLASH:
        yield* this.#flash.ready();
        yield flash.eraseAll();
        return {};
      case OP.ERASE_REGION:
        return yield* this.#flash.erase(data);
      case OP.READ_FLASH: {
        if (data.length !== 16) return BAD_LENGTH;
        const words = [0, 4, 8].map((at) => word(data, at)) as [number, number, number];
        return { after: () => this.#read(...words) };
      }
      default:
        return { error: this.#stub.generation === 1 ? STUB_ERROR.NOT_IMPLEMENTED : STUB_ERROR.INVALID_COMMAND };
    }
  }

  #memoryEnd(data: Uint8Array): Outcome {
    const end = this.#memory.end(data);
    if ('refusal' in end) return memoryOutcome(end.refusal);
    const { line, clock } = this.#context;
    const memory = this.#memory;
    const entry = end.run;
    if (entry === null) return {};
    return {
      after: function* () {
        yield line.drainedAt - clock.now();
        memory.run(entry);
        return 0;
      },
    };
  }

  #flashEnd(data: Uint8Array): Outcome {
    const error = this.#flash.end(data);
    if (error !== 0) return { error };
    // Generation 2 answers a wish to reboot and does not.
    if (this.#stub.generation === 2 || word(data, 0) !== 0) return {};
    const context = this.#context;
    return {
      after: function* () {
        yield context.line.drainedAt - context.clock.now() + 10;
        context.reset('software');
        return 0;
      },
    };
  }

  /** READ_FLASH after its reply: a packet at a time, each acknowledged with the total so far, then the MD5 of all. */
  *#read(offset: number, size: number, packet: number): Generator<number | null, number, void> {
    if (packet > MAX_PACKET) return STUB_ERROR.BAD_LENGTH;
    this.#loop.releaseEarly();
    const { line } = this.#context;
    const md5 = createHash('md5');
    let sent = 0;
    let acknowledged = 0;
    while (sent < size || acknowledged < size) {
      if (sent < size && packet > 0) {
        const bytes = this.#flash.slice(offset + sent, Math.min(packet, size - sent));
        if (bytes === undefined) return STUB_ERROR.SPI;
        md5.update(bytes);
        line.send(slipEncode(bytes));
        sent += bytes.length;
      }
      yield null;
      const frame = this.#receiver.next();
      if (frame === undefined) continue;
      const isAck = frame.length === 4;
      if (isAck) acknowledged = word(frame, 0);
      this.#receiver.release(frame);
      if (!isAck) break;
    }
    line.send(slipEncode(md5.digest()));
    return 0;
  }

  #answer({ op, data: { length } }: Request, { error = 0, value = 0, data = NONE }: Outcome): void {
    this.#context.line.reply(op, slipEncode(reply(op, value, error === 0 ? data : NONE, [error, 0])));
    this.#context.answered('stub', op, length, error);
  }
}

const BAD_LENGTH: Outcome = { error: STUB_ERROR.BAD_LENGTH };

/** Generation 1 keeps a deferred error for the commands of the write it belongs to. */
function reportsDeferred(op: number): boolean {
  return op === OP.FLASH_DATA || op === OP.FLASH_DEFL_DATA || op === OP.FLASH_END || op === OP.FLASH_DEFL_END;
}

function memoryOutcome(refusal: MemoryRefusal | undefined): Outcome {
  switch (refusal) {
    case undefined:
      return {};
    case 'mode':
      return { error: STUB_ERROR.NOT_IN_FLASH_MODE };
    case 'too-much':
      return { error: STUB_ERROR.TOO_MUCH };
    default:
      return { error: STUB_ERROR.BAD_LENGTH };
  }
}
