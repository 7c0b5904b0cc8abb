import type { ChipContext } from './context.ts';
import { word } from './protocol.ts';

/** Why a RAM upload is refused, for each loader to say in its own codes. */
export type MemoryRefusal = 'length' | 'block' | 'size' | 'address' | 'mode' | 'checksum' | 'too-much';

/** RAM upload, which ROM and stub have in common. */
export class MemoryUpload {
  readonly #context: ChipContext;
  readonly #blockLimit: number;
  #open: { address: number; size: number; done: number } | undefined;

  constructor(context: ChipContext, blockLimit: number) {
    this.#context = context;
    this.#blockLimit = blockLimit;
  }

  begin(data: Uint8Array): MemoryRefusal | undefined {
    if (data.length !== 16) return 'length';
    const [size, , blockSize, address] = [0, 4, 8, 12].map((at) => word(data, at)) as [number, number, number, number];
    if (blockSize > this.#blockLimit) return 'block';
    if (!this.#context.ram.holds(address, 0)) return 'address';
    if (!this.#context.ram.holds(address, size)) return 'size';
    this.#open = { address, size, done: 0 };
    return undefined;
  }

  /** `sum` is null where the loader does not look at the checksum. */
  data(data: Uint8Array, sum: { said: number; is: (bytes: Uint8Array) => number } | null): MemoryRefusal | undefined {
    if (data.length < 16) return 'length';
    const open = this.#open;
    if (open === undefined) return 'mode';
    const payload = data.subarray(16);
    if (word(data, 0) !== payload.length) return 'length';
    if (open.done + payload.length > open.size) return 'too-much';
    if (sum !== null && sum.is(payload) !== sum.said) return 'checksum';
    this.#context.ram.write(open.address + open.done, payload);
    open.done += payload.length;
    return undefined;
  }

  end(data: Uint8Array): { refusal: MemoryRefusal } | { run: number | null } {
    if (data.length !== 8) return { refusal: 'length' };
    if (this.#open === undefined) return { refusal: 'mode' };
    this.#open = undefined;
    const entry = word(data, 4);
    return { run: word(data, 0) === 0 && entry !== 0 ? entry : null };
  }

  /** Jumps into RAM: a stub that stands there whole runs, anything else crashes. */
  run(entry: number): void {
    const stub = this.#context.ram.findStub(entry);
    if (stub !== undefined) this.#context.runStub(stub);
    else this.#context.crash(`no known code at 0x${entry.toString(16)}`);
  }
}
