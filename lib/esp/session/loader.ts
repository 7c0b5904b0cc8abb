import { toHex } from '../digest.ts';
import type { Platform } from '../platform.ts';
import { roundUp, SECTOR } from '../units.ts';
import type { Channel, Reply } from './channel.ts';
import { fail } from './errors.ts';
import { blockPacket, latin1, Op, ROM_BLOCK, STUB_BLOCK, words } from './protocol.ts';
import { type Timing, timeFor } from './timing.ts';

/** What an operation on the flash works with. */
export interface LoaderContext {
  readonly channel: Channel;
  readonly platform: Platform;
  readonly timing: Timing;
  /** Whether the stub answers; otherwise the ROM does. */
  readonly stub: boolean;
  /** The family. */
  readonly chip: string;
  /** Whether the chip tells what its flash holds; not in secure download mode. */
  readonly verifies: boolean;
  /** Told of each fault of the line, once chip and host are in step again; may lower the rate. */
  readonly afterFault?: ((signal?: AbortSignal) => Promise<void>) | undefined;
}

/** The flash commands of stub and ROM, one method a command, with the timeouts that belong to them. */
export class FlashCommands {
  readonly channel: Channel;
  readonly stub: boolean;
  readonly blockSize: number;
  readonly #timing: Timing;
  /** Whether a begin command of the ROM ends in a word that says whether to encrypt; the oldest chips take none. */
  readonly #romEncrypts: boolean;

  constructor(context: LoaderContext) {
    this.#romEncrypts = !['ESP32', 'ESP8266'].includes(context.chip);
    this.channel = context.channel;
    this.stub = context.stub;
    this.blockSize = context.stub ? STUB_BLOCK : ROM_BLOCK;
    this.#timing = context.timing;
  }

  /** Announces a compressed write. The ROM erases the whole range before it answers, the stub as it goes. */
  async deflateBegin(offset: number, size: number, packedSize: number, signal?: AbortSignal): Promise<void> {
    const blocks = Math.ceil(packedSize / this.blockSize);
    const payload = this.stub
      ? words(size, blocks, this.blockSize, offset)
      : words(roundUp(size, this.blockSize), blocks, this.blockSize, offset, ...this.#tail(false));
    const timeoutMs = this.stub ? this.#timing.commandMs : timeFor(this.#timing, this.#timing.eraseMsPerMB, size);
    await this.channel.command(Op.FLASH_DEFL_BEGIN, payload, { timeoutMs, signal });
  }

  prepareBlock(block: Uint8Array, sequence: number, packed = true) {
    return this.channel.prepare(blockPacket(packed ? Op.FLASH_DEFL_DATA : Op.FLASH_DATA, block, sequence));
  }

  /**
   * Announces a write of bytes as they are, for what cannot be compressed: encrypted writes and secure download mode.
   * @throws NEEDS_STUB where the ROM does not encrypt.
   */
  async begin(offset: number, size: number, encrypt: boolean, signal?: AbortSignal): Promise<void> {
    if (encrypt && !this.#romEncrypts) this.needStub('write through the flash encryption');
    const tail = this.stub ? (encrypt ? [1] : []) : this.#tail(encrypt);
    const payload = words(size, Math.ceil(size / this.blockSize), this.blockSize, offset, ...tail);
    const timeoutMs = this.stub ? this.#timing.commandMs : timeFor(this.#timing, this.#timing.eraseMsPerMB, size);
    await this.channel.command(Op.FLASH_BEGIN, payload, { timeoutMs, signal });
  }

  /** As `deflateEnd`, for what was written uncompressed. */
  async end(flashBytes: number, signal?: AbortSignal): Promise<void> {
    if (!this.stub) return;
    const timeoutMs = timeFor(this.#timing, this.#timing.writeMsPerMB, flashBytes);
    await this.channel.command(Op.FLASH_END, words(1), { timeoutMs, signal });
  }

  #tail(encrypt: boolean): number[] {
    return this.#romEncrypts ? [Number(encrypt)] : [];
  }

  /** Tells the ROM that a flash of that size is there; it takes no other flash command before. */
  async attach(size: number, signal?: AbortSignal): Promise<void> {
    const timeoutMs = this.#timing.commandMs;
    await this.channel.command(Op.SPI_ATTACH, words(0, 0), { timeoutMs, signal });
    // Id, size, block, sector, page, status mask.
    const parameters = words(0, size, 0x10000, 0x1000, 0x100, 0xffff);
    await this.channel.command(Op.SPI_SET_PARAMS, parameters, { timeoutMs, signal });
  }

  /** Sets the bits of a register that `mask` names. */
  async writeRegister(address: number, value: number, mask = 0xffff_ffff, signal?: AbortSignal): Promise<void> {
    const payload = words(address, value, mask, 0);
    await this.channel.command(Op.WRITE_REG, payload, { timeoutMs: this.#timing.commandMs, signal });
  }

  /** `flashBytes`: what the chip may have to write before it answers, uncompressed. */
  blockTimeout(wireBytes: number, flashBytes: number): number {
    return this.channel.lineTime(wireBytes) + timeFor(this.#timing, this.#timing.writeMsPerMB, flashBytes);
  }

  /** Waits until all is written. The ROM would leave its loader: it is not asked, it has written what it answered. */
  async deflateEnd(flashBytes: number, signal?: AbortSignal): Promise<void> {
    if (!this.stub) return;
    const timeoutMs = timeFor(this.#timing, this.#timing.writeMsPerMB, flashBytes);
    await this.channel.command(Op.FLASH_DEFL_END, words(1), { timeoutMs, signal });
  }

  /** Lower-case hex. The stub answers in 16 bytes, the ROM in 32 characters. */
  async md5(offset: number, size: number, signal?: AbortSignal): Promise<string> {
    const timeoutMs = timeFor(this.#timing, this.#timing.md5MsPerMB, size);
    const reply = await this.channel.command(Op.SPI_FLASH_MD5, words(offset, size, 0, 0), {
      timeoutMs,
      dataLength: this.stub ? 16 : 32,
      signal,
    });
    return this.stub ? toHex(reply.data) : latin1(reply.data).toLowerCase();
  }

  /** Whole sectors. */
  async erase(offset: number, size: number, signal?: AbortSignal): Promise<void> {
    const timeoutMs = timeFor(this.#timing, this.#timing.eraseMsPerMB, size);
    // The ROM has no erase command, but announcing a write erases its range.
    if (this.stub) await this.channel.command(Op.ERASE_REGION, words(offset, size), { timeoutMs, signal });
    else {
      const payload = words(size, Math.ceil(size / ROM_BLOCK), ROM_BLOCK, offset, ...this.#tail(false));
      await this.channel.command(Op.FLASH_BEGIN, payload, { timeoutMs, signal });
    }
  }

  async eraseAll(signal?: AbortSignal): Promise<void> {
    this.needStub('erase the whole flash');
    await this.channel.command(Op.ERASE_FLASH, new Uint8Array(0), { timeoutMs: this.#timing.chipEraseMs, signal });
  }

  async readBegin(offset: number, size: number, packet: number, signal?: AbortSignal): Promise<void> {
    const timeoutMs = this.#timing.commandMs;
    // One packet in flight: the stub allows no more.
    await this.channel.command(Op.READ_FLASH, words(offset, size, packet, 1), { timeoutMs, signal });
  }

  /** Up to 64 bytes, by the ROM. */
  async readSlow(offset: number, size: number, signal?: AbortSignal): Promise<Uint8Array> {
    const options = { timeoutMs: this.#timing.commandMs, dataLength: 64, signal };
    const reply: Reply = await this.channel.command(Op.READ_FLASH_SLOW, words(offset, size), options);
    return reply.data.subarray(0, size);
  }

  needStub(what: string): void {
    if (this.stub) return;
    throw fail('NEEDS_STUB', `The ROM loader cannot ${what}.`, { hint: 'Start the flasher stub first.' });
  }
}

/** @throws BAD_RANGE unless both are whole numbers ≥ 0, `size` > 0, and both multiples of `unit`. */
export function checkRange(offset: number, size: number, unit: number): void {
  for (const [field, value, least] of [
    ['offset', offset, 0],
    ['size', size, 1],
  ] as const) {
    if (Number.isSafeInteger(value) && value >= least && value % unit === 0 && value <= 0xffff_ffff) continue;
    const what = unit === 1 ? 'a whole number' : `a multiple of ${unit === SECTOR ? '4096 (0x1000)' : unit}`;
    throw fail('BAD_RANGE', `The ${field} ${value} is not ${what}${least === 0 ? '' : ' above 0'}.`, {
      detail: { field, value },
    });
  }
}
