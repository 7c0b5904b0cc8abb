import type { ChipContext } from './context.ts';
import { EncryptedRun } from './encryption.ts';
import { StreamInflater } from './inflate.ts';
import { checksum, OP, type Request, ROM_ERROR, SECTOR, word } from './protocol.ts';

interface Open {
  /** Where the next byte goes. */
  at: number;
  readonly blockSize: number;
  /** Set where the write passes through flash encryption. */
  readonly encrypted: EncryptedRun | undefined;
  readonly inflater: StreamInflater | undefined;
}

/**
 * Flash commands of the ROM loader: it erases all of the region before it answers BEGIN, and writes each block before
 * it answers DATA. Nothing works before SPI_ATTACH, nor beyond the size that SPI_SET_PARAMS gave.
 */
export class RomFlash {
  readonly #context: ChipContext;
  #open: Open | undefined;
  /** Bytes the ROM believes the flash to have. */
  size: number;
  #written = 0;
  #refused = false;

  constructor(context: ChipContext) {
    this.#context = context;
    this.size = context.model.romFlashSize;
  }

  /** BEGIN and DATA, plain and deflated. */
  run(request: Request): { error: number; ms: number } {
    const deflated = request.op === OP.FLASH_DEFL_BEGIN || request.op === OP.FLASH_DEFL_DATA;
    if (request.op === OP.FLASH_BEGIN || request.op === OP.FLASH_DEFL_BEGIN) return this.#begin(request.data, deflated);
    return this.#data(request, deflated);
  }

  end(data: Uint8Array): number {
    if (data.length !== 4) return ROM_ERROR.BAD_FORMAT;
    if (this.#open === undefined) return ROM_ERROR.FAILED;
    this.#open = undefined;
    return 0;
  }

  /** Bytes of the flash as far as the ROM may read it. */
  slice(offset: number, size: number): Uint8Array | undefined {
    if (!this.#context.registers.attached || offset + size > Math.min(this.size, this.#context.flash.size))
      return undefined;
    return this.#context.flash.read(offset, size);
  }

  /** READ_FLASH_SLOW: always 64 bytes, of which `length` count. */
  read(data: Uint8Array): { data?: Uint8Array; error?: number } {
    if (data.length !== 8) return { error: ROM_ERROR.BAD_FORMAT };
    const length = word(data, 4);
    if (length > 64) return { error: ROM_ERROR.READ_LENGTH };
    const bytes = this.slice(word(data, 0), length);
    if (bytes === undefined) return { error: ROM_ERROR.FLASH_READ };
    const out = new Uint8Array(64);
    out.set(bytes);
    return { data: out };
  }

  #begin(data: Uint8Array, deflated: boolean): { error: number; ms: number } {
    const { model, flash, registers, encryption } = this.#context;
    if (!model.romBeginSizes.includes(data.length)) return { error: ROM_ERROR.BAD_FORMAT, ms: 0 };
    const [eraseSize, , blockSize, offset] = [0, 4, 8, 12].map((at) => word(data, at)) as [
      number,
      number,
      number,
      number,
    ];
    if (blockSize > model.flashBlock) return { error: ROM_ERROR.BAD_FORMAT, ms: 0 };
    if (!registers.attached || offset + eraseSize > Math.min(this.size, flash.size)) {
      return { error: ROM_ERROR.FAILED, ms: 0 };
    }
    const encrypt = word(data, 16) !== 0;
    if (encrypt && (!encryption.canWrite || offset % encryption.align !== 0)) {
      return { error: ROM_ERROR.INVALID_PARAMETER, ms: 0 };
    }
    let ms = 0;
    if (eraseSize > 0) {
      const from = offset - (offset % SECTOR);
      ms = flash.eraseRange(from, Math.ceil((offset + eraseSize - from) / SECTOR) * SECTOR);
    }
    const open: Open = {
      at: offset,
      blockSize,
      encrypted: encrypt ? new EncryptedRun(encryption, offset) : undefined,
      inflater: deflated ? new StreamInflater((bytes) => this.#write(open, bytes)) : undefined,
    };
    this.#open = open;
    return { error: 0, ms };
  }

  #data({ data, checksum: said }: Request, deflated: boolean): { error: number; ms: number } {
    const open = this.#open;
    const payload = data.subarray(16);
    if (data.length < 16 || word(data, 0) !== payload.length) return { error: ROM_ERROR.BAD_FORMAT, ms: 0 };
    if (open === undefined || (open.inflater !== undefined) !== deflated) return { error: ROM_ERROR.FAILED, ms: 0 };
    if (payload.length > open.blockSize) return { error: ROM_ERROR.BAD_FORMAT, ms: 0 };
    if ((said & 0xff) !== checksum(payload)) return { error: ROM_ERROR.BAD_CHECKSUM, ms: 0 };
    this.#written = 0;
    this.#refused = false;
    let error = 0;
    if (open.inflater === undefined) {
      this.#write(open, payload);
      if ((open.encrypted?.pending ?? 0) > 0) this.#refused = true;
    } else {
      const result = open.inflater.push(payload, true);
      if (result === 'bad-data') error = ROM_ERROR.DEFLATE;
      else if (result === 'bad-adler') error = ROM_ERROR.ADLER;
    }
    if (error === 0 && this.#refused) error = ROM_ERROR.FLASH_WRITE;
    return { error, ms: this.#written };
  }

  #write(open: Open, bytes: Uint8Array): void {
    const ms = open.encrypted === undefined ? this.#context.flash.program(open.at, bytes) : open.encrypted.write(bytes);
    if (ms === undefined) this.#refused = true;
    else this.#written += ms;
    open.at += bytes.length;
  }
}
