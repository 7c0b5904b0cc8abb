import type { ChipContext } from './context.ts';
import { EncryptedRun } from './encryption.ts';
import { type InflateResult, StreamInflater } from './inflate.ts';
import { BLOCK, checksum, type Request, SECTOR, STUB_ERROR, word } from './protocol.ts';
import type { Outcome } from './stub-outcome.ts';

const BLOCK_LIMIT = 0x4000;

interface Open {
  at: number;
  /** Bytes still to be written. Generation 2 takes this below 0 when a stream holds too much, as its counter wraps. */
  remaining: number;
  eraseAt: number;
  eraseLeft: number;
  /** Blank sectors are skipped until the first one that is not. */
  dirtySeen: boolean;
  readonly inflater: StreamInflater | undefined;
  /** Set where the write passes through flash encryption. */
  readonly encrypted: EncryptedRun | undefined;
  streamDone: boolean;
}

/** Flash writing as the stub does it: erase ahead of the data, in 64 KB blocks where they fit, then program. */
export class StubFlash {
  readonly #context: ChipContext;
  readonly #generation: 1 | 2;
  #open: Open | undefined;
  /** When the erase under way ends. */
  #busyUntil = 0;
  #inflated: Uint8Array[] = [];
  size: number;

  constructor(context: ChipContext, generation: 1 | 2) {
    this.#context = context;
    this.#generation = generation;
    this.size = context.flash.size;
  }

  slice(offset: number, size: number): Uint8Array | undefined {
    if (offset + size > Math.min(this.size, this.#context.flash.size)) return undefined;
    return this.#context.flash.read(offset, size);
  }

  /** Waits for an erase under way. */
  *ready(): Generator<number | null, void, void> {
    const left = this.#busyUntil - this.#context.clock.now();
    if (left > 0) yield left;
  }

  begin(data: Uint8Array, deflated: boolean): Outcome {
    if (data.length !== 16 && data.length !== 20) return { error: STUB_ERROR.BAD_LENGTH };
    const [total, , blockSize, offset] = [0, 4, 8, 12].map((at) => word(data, at)) as [number, number, number, number];
    if (this.#generation === 1 && blockSize > BLOCK_LIMIT) return { error: STUB_ERROR.BAD_BLOCK_SIZE };
    const from = offset - (offset % SECTOR);
    this.#inflated = [];
    this.#open = {
      at: offset,
      remaining: total,
      eraseAt: from,
      eraseLeft: Math.ceil((offset + total) / SECTOR) * SECTOR - from,
      dirtySeen: this.#generation === 1,
      inflater: deflated ? new StreamInflater((bytes) => this.#inflated.push(bytes)) : undefined,
      encrypted: word(data, 16) === 0 ? undefined : new EncryptedRun(this.#context.encryption, offset),
      streamDone: false,
    };
    this.#eraseNext(this.#open);
    return {};
  }

  data(request: Request): Outcome {
    const { data } = request;
    if (data.length < 16) return { error: STUB_ERROR.NOT_ENOUGH };
    const open = this.#open;
    if (open === undefined) return { error: STUB_ERROR.NOT_IN_FLASH_MODE };
    const payload = data.slice(16);
    if (word(data, 0) !== payload.length) {
      return { error: this.#generation === 1 ? STUB_ERROR.BAD_LENGTH : STUB_ERROR.TOO_MUCH };
    }
    if (request.checksum !== checksum(payload)) return { error: STUB_ERROR.BAD_CHECKSUM };
    return { after: () => this.#write(open, payload.subarray(0, Math.max(0, open.remaining))) };
  }

  deflated(request: Request): Outcome {
    const { data } = request;
    if (data.length < 16) return { error: STUB_ERROR.BAD_LENGTH };
    const open = this.#open;
    if (open === undefined) return { error: STUB_ERROR.NOT_IN_FLASH_MODE };
    const payload = data.slice(16);
    if (word(data, 0) !== payload.length) {
      return { error: STUB_ERROR.BAD_LENGTH };
    }
    // Data after the last byte of the region: only the checksum that ends a zlib stream may still come.
    if (this.#generation === 2 && open.remaining === 0 && payload.length > 4) return { error: STUB_ERROR.TOO_MUCH };
    if (request.checksum !== checksum(payload)) return { error: STUB_ERROR.BAD_CHECKSUM };
    return { after: () => this.#inflate(open, payload, word(data, 4)) };
  }

  /** A stub code; 0 when everything announced has been written. */
  end(data: Uint8Array): number {
    if (data.length !== 4) return STUB_ERROR.BAD_LENGTH;
    if (this.#open === undefined) return STUB_ERROR.NOT_IN_FLASH_MODE;
    if (this.#open.remaining !== 0) return STUB_ERROR.BAD_LENGTH;
    this.#open = undefined;
    return 0;
  }

  *erase(data: Uint8Array): Generator<number | null, Outcome, void> {
    if (data.length !== 8) return { error: STUB_ERROR.BAD_LENGTH };
    const offset = word(data, 0);
    const size = word(data, 4);
    if (offset % SECTOR !== 0 || size % SECTOR !== 0) return { error: STUB_ERROR.BAD_LENGTH };
    yield* this.ready();
    yield this.#context.flash.eraseRange(offset, size);
    return {};
  }

  *#inflate(open: Open, payload: Uint8Array, sequence: number): Generator<number | null, number, void> {
    if (open.inflater === undefined) return STUB_ERROR.INFLATE;
    this.#eraseNext(open);
    // Generation 2 compares the Adler-32 only where the whole stream came in one go: for the rest, the host's MD5
    // is all there is.
    const before = this.#inflated.length;
    let result: InflateResult = open.streamDone
      ? 'done'
      : open.inflater.push(payload, this.#generation === 1 || sequence === 0);
    if (this.#generation === 2 && result === 'bad-adler' && this.#inflated.length - before > 1) result = 'done';
    open.streamDone ||= result === 'done' || result === 'bad-adler';
    for (const bytes of this.#inflated.splice(0)) {
      const fits = this.#generation === 1 ? bytes.subarray(0, Math.max(0, open.remaining)) : bytes;
      const error = yield* this.#write(open, fits);
      if (error !== 0) return error;
    }
    if (result === 'bad-data' || result === 'bad-adler') return STUB_ERROR.INFLATE;
    if (this.#generation === 1) {
      if (result === 'done' && open.remaining > 0) return STUB_ERROR.NOT_ENOUGH;
      if (result === 'more' && open.remaining === 0) return STUB_ERROR.TOO_MUCH;
    }
    return 0;
  }

  *#write(open: Open, bytes: Uint8Array): Generator<number | null, number, void> {
    const end = open.at + bytes.length;
    while (open.eraseAt < end) {
      if (open.eraseLeft === 0) {
        // More data than the region holds: the stub waits for an erase that nobody starts.
        this.#context.trace(`stub: hangs, data beyond the region at 0x${open.eraseAt.toString(16)}`);
        yield Number.POSITIVE_INFINITY;
      }
      yield* this.ready();
      this.#eraseNext(open);
    }
    yield* this.ready();
    if (end > Math.min(this.size, this.#context.flash.size)) return STUB_ERROR.SPI;
    const ms = open.encrypted === undefined ? this.#context.flash.program(open.at, bytes) : open.encrypted.write(bytes);
    if (ms === undefined) return STUB_ERROR.SPI;
    yield ms;
    open.at = end;
    open.remaining -= bytes.length;
    // What does not fill a unit of the cipher cannot be written through it.
    return open.remaining === 0 && (open.encrypted?.pending ?? 0) > 0 ? STUB_ERROR.SPI : 0;
  }

  /** Starts the next erase unless one is under way, and does not wait for it. */
  #eraseNext(open: Open): void {
    const { clock, flash } = this.#context;
    if (open.eraseLeft === 0 || this.#busyUntil > clock.now()) return;
    let step = SECTOR;
    if (!open.dirtySeen && flash.isBlank(open.eraseAt, SECTOR)) {
      open.eraseAt += step;
      open.eraseLeft -= step;
      return;
    }
    open.dirtySeen = true;
    let ms: number;
    if (open.eraseAt % BLOCK === 0 && open.eraseLeft >= BLOCK) {
      step = BLOCK;
      ms = flash.eraseBlock(open.eraseAt);
    } else ms = flash.eraseSector(open.eraseAt);
    this.#busyUntil = clock.now() + ms;
    open.eraseAt += step;
    open.eraseLeft -= step;
  }
}
