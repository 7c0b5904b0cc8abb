import { createHash } from 'node:crypto';
import type { ChipModel, KnownStub } from './models/model.ts';

/** The chip's RAM as far as hosts load code into it. Empty after a reset, so a half upload never looks whole. */
export class Ram {
  readonly #model: ChipModel;
  #areas = new Map<number, Uint8Array>();

  constructor(model: ChipModel) {
    this.#model = model;
  }

  clear(): void {
    this.#areas.clear();
  }

  /** Whether a run of bytes lies inside one area. */
  holds(address: number, size: number): boolean {
    return this.#area(address, size) !== undefined;
  }

  write(address: number, bytes: Uint8Array): void {
    const area = this.#area(address, bytes.length);
    if (area === undefined) return;
    const [from, to] = area;
    let memory = this.#areas.get(from);
    if (memory === undefined) {
      memory = new Uint8Array(to - from);
      this.#areas.set(from, memory);
    }
    memory.set(bytes, address - from);
  }

  read(address: number, size: number): Uint8Array | undefined {
    const area = this.#area(address, size);
    if (area === undefined) return undefined;
    const [from] = area;
    return this.#areas.get(from)?.slice(address - from, address - from + size) ?? new Uint8Array(size);
  }

  /** The stub that stands whole in RAM and starts at `entry`. */
  findStub(entry: number): KnownStub | undefined {
    return this.#model.stubs.find(
      (stub) =>
        stub.entry === entry &&
        stub.segments.every(({ address, size, sha256 }) => {
          const bytes = this.read(address, size);
          return bytes !== undefined && createHash('sha256').update(bytes).digest('hex') === sha256;
        }),
    );
  }

  #area(address: number, size: number): readonly [number, number] | undefined {
    return this.#model.ram.find(([from, to]) => address >= from && address + size <= to);
  }
}
