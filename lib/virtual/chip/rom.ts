import { createHash } from 'node:crypto';
import { slipEncode } from '../../esp/index.ts';
import { ROM_BAUD } from '../line/line.ts';
import type { ChipContext, Program, Work } from './context.ts';
import { CommandLoop } from './loop.ts';
import { type MemoryRefusal, MemoryUpload } from './memory-commands.ts';
import { checksum, OP, parseRequest, type Request, ROM_ERROR, reply, word } from './protocol.ts';
import { RomReceiver } from './receiver.ts';
import { RomFlash } from './rom-flash.ts';
import { isRefused, securityInfo } from './security.ts';

const NONE = new Uint8Array(0);
const SYNC_BODY = Uint8Array.from([7, 7, 0x12, 0x20, ...new Array<number>(32).fill(0x55)]);
/** Header, sub-header and the largest RAM block, and a word of room. */
const FRAME_OVERHEAD = 8 + 16 + 8;

interface Answer {
  readonly value?: number;
  readonly data?: Uint8Array;
  /** 0 = well. */
  readonly error?: number;
}

/**
 * The serial loader in mask ROM. Until the first SYNC it measures the host's rate and answers nothing else. It works
 * first and replies after; every reply ends in four status bytes.
 */
export class RomLoader implements Program {
  readonly #context: ChipContext;
  readonly #loop: CommandLoop;
  readonly #memory: MemoryUpload;
  readonly #flash: RomFlash;
  #synced = false;

  constructor(context: ChipContext) {
    this.#context = context;
    this.#memory = new MemoryUpload(context, context.model.ramBlock);
    this.#flash = new RomFlash(context);
    context.line.chipBaud = null;
    this.#loop = new CommandLoop(context, new RomReceiver(context.model.ramBlock + FRAME_OVERHEAD), (frame) =>
      this.#handle(frame),
    );
  }

  received(bytes: Uint8Array): void {
    this.#loop.received(bytes);
  }

  stop(): void {
    this.#loop.stop();
  }

  *#handle(frame: Uint8Array): Work {
    const request = parseRequest(frame);
    if (request === undefined || request.direction !== 0) return;
    const { op, data } = request;
    if (!this.#synced && op !== OP.SYNC) return;
    if (request.length !== data.length) {
      this.#answer(op, data.length, { error: ROM_ERROR.BAD_FORMAT });
      return;
    }
    if (isRefused(op, this.#context)) {
      this.#answer(op, data.length, BAD_FORMAT);
      return;
    }
    switch (op) {
      case OP.SYNC:
        this.#sync(data);
        return;
      case OP.CHANGE_BAUDRATE:
        yield* this.#changeBaud(data);
        return;
      case OP.MEM_END:
        yield* this.#memoryEnd(data);
        return;
      case OP.FLASH_END:
      case OP.FLASH_DEFL_END:
        yield* this.#flashEnd(op, data);
        return;
      case OP.FLASH_BEGIN:
      case OP.FLASH_DEFL_BEGIN:
      case OP.FLASH_DATA:
      case OP.FLASH_DEFL_DATA: {
        const { error, ms } = this.#flash.run(request);
        yield ms;
        this.#answer(op, data.length, { error });
        return;
      }
      default: {
        const hijacked = op === OP.READ_FLASH_SLOW ? this.#context.registers.hijackedRead : null;
        if (hijacked !== null) {
          this.#memory.run(hijacked);
          return;
        }
        const answer = this.#simple(request);
        if (answer === undefined) this.#unsupported(op, data.length);
        else this.#answer(op, data.length, answer);
      }
    }
  }

  #simple(request: Request): Answer | undefined {
    const { op, data } = request;
    const { registers } = this.#context;
    switch (op) {
      case OP.READ_REG:
        return data.length === 4 ? { value: registers.read(word(data, 0)) } : BAD_FORMAT;
      case OP.WRITE_REG:
        if (data.length === 0 || data.length % 16 !== 0) return BAD_FORMAT;
        for (let at = 0; at < data.length; at += 16)
          registers.write(word(data, at), word(data, at + 4), word(data, at + 8));
        return {};
      case OP.MEM_BEGIN:
        return { error: MEMORY_ERRORS[this.#memory.begin(data) ?? 'none'] };
      case OP.MEM_DATA:
        return {
          error: MEMORY_ERRORS[this.#memory.data(data, { said: request.checksum & 0xff, is: checksum }) ?? 'none'],
        };
      case OP.SPI_ATTACH:
        if (data.length !== 8) return BAD_FORMAT;
        registers.attach(word(data, 0));
        return {};
      case OP.SPI_SET_PARAMS:
        if (data.length !== 24) return BAD_FORMAT;
        this.#flash.size = word(data, 4);
        return {};
      case OP.READ_FLASH_SLOW:
        return this.#flash.read(data);
      case OP.SPI_FLASH_MD5: {
        if (data.length !== 16) return BAD_FORMAT;
        const bytes = this.#flash.slice(word(data, 0), word(data, 4));
        if (bytes === undefined) return { error: ROM_ERROR.FAILED };
        return { data: new TextEncoder().encode(createHash('md5').update(bytes).digest('hex')) };
      }
      case OP.GET_SECURITY_INFO: {
        const info = securityInfo(this.#context);
        return info === undefined ? undefined : { data: info };
      }
      default:
        return undefined;
    }
  }

  #sync(data: Uint8Array): void {
    if (data.length !== SYNC_BODY.length || !SYNC_BODY.every((byte, i) => byte === data[i])) {
      if (this.#synced) this.#answer(OP.SYNC, data.length, BAD_FORMAT);
      return;
    }
    const { line, model, registers } = this.#context;
    if (!this.#synced) {
      line.chipBaud = line.hostBaud ?? ROM_BAUD;
      registers.setUart(line.chipBaud);
    }
    this.#synced = true;
    for (let i = 0; i < 8; i++) this.#answer(OP.SYNC, data.length, { value: model.syncValue });
  }

  *#changeBaud(data: Uint8Array): Work {
    const baud = word(data, 0);
    if (data.length !== 8 || baud === 0) {
      this.#answer(OP.CHANGE_BAUDRATE, data.length, BAD_FORMAT);
      return;
    }
    const { line, clock, registers } = this.#context;
    this.#answer(OP.CHANGE_BAUDRATE, data.length, {});
    yield line.drainedAt - clock.now();
    line.chipBaud = registers.romRate(baud);
    registers.setUart(line.chipBaud);
  }

  *#memoryEnd(data: Uint8Array): Work {
    const end = this.#memory.end(data);
    if ('refusal' in end) {
      this.#answer(OP.MEM_END, data.length, { error: MEMORY_ERRORS[end.refusal] });
      return;
    }
    this.#answer(OP.MEM_END, data.length, {});
    if (end.run === null) return;
    const { line, clock, model, security } = this.#context;
    yield line.drainedAt - clock.now();
    if (security.secureBoot !== false && model.underSecureBoot !== 'runs') {
      this.#context.trace('ROM: runs no code from RAM while secure boot is on');
      return;
    }
    this.#memory.run(end.run);
  }

  *#flashEnd(op: number, data: Uint8Array): Work {
    const error = this.#flash.end(data);
    this.#answer(op, data.length, { error });
    if (error !== 0) return;
    const { line, clock } = this.#context;
    yield line.drainedAt - clock.now();
    if (word(data, 0) === 0) this.#context.reset('software');
    else this.#context.runFlash();
  }

  #answer(op: number, length: number, { value = 0, data = NONE, error = 0 }: Answer): void {
    const status = error === 0 ? [0, 0, 0, 0] : [1, error, 0, 0];
    // A failed command brings no data: the status stands where the data would begin.
    this.#context.line.reply(op, slipEncode(reply(op, value, error === 0 ? data : NONE, status)));
    this.#context.answered('rom', op, length, error);
  }

  /** Eight times the same frame, under an opcode that is nobody's. */
  #unsupported(op: number, length: number): void {
    const frame = slipEncode(reply(0, 0, NONE, [1, ROM_ERROR.BAD_FORMAT, 0, 0]));
    for (let i = 0; i < 8; i++) this.#context.line.send(frame);
    this.#context.answered('rom', op, length, ROM_ERROR.BAD_FORMAT);
  }
}

const BAD_FORMAT: Answer = { error: ROM_ERROR.BAD_FORMAT };

const MEMORY_ERRORS: Readonly<Record<MemoryRefusal | 'none', number>> = {
  none: 0,
  length: ROM_ERROR.BAD_FORMAT,
  block: ROM_ERROR.BAD_FORMAT,
  size: ROM_ERROR.RAM_SIZE,
  address: ROM_ERROR.RAM_ADDRESS,
  mode: ROM_ERROR.FAILED,
  checksum: ROM_ERROR.BAD_CHECKSUM,
  'too-much': ROM_ERROR.RAM_SIZE,
};
