import { BLOCK, SECTOR } from './protocol.ts';

/** How long a SPI NOR flash of the W25Q class takes, in ms (datasheet typicals). */
export const FLASH_TIMING = { sector: 45, block: 150, page: 0.4, chipPerMegabyte: 2500 } as const;

/**
 * A NOR flash chip: programming only clears bits, erasing sets whole sectors. Every call returns the time it takes
 * in ms, 0 when timing is off; the caller waits.
 */
export class FlashMemory {
  readonly bytes: Uint8Array;
  readonly #timed: boolean;
  readonly #changed: (offset: number, size: number) => void;

  /** `bytes` is used in place. */
  constructor(bytes: Uint8Array, options: { timed: boolean; changed: (offset: number, size: number) => void }) {
    this.bytes = bytes;
    this.#timed = options.timed;
    this.#changed = options.changed;
  }

  get size(): number {
    return this.bytes.length;
  }

  /** Third byte of RDID: log2 of the size. */
  get sizeCode(): number {
    return Math.round(Math.log2(this.size));
  }

  /** ANDs the bytes in. What lies beyond the end is not there. */
  program(offset: number, data: Uint8Array): number {
    const size = Math.max(0, Math.min(data.length, this.size - offset));
    for (let i = 0; i < size; i++) {
      this.bytes[offset + i] = (this.bytes[offset + i] as number) & (data[i] as number);
    }
    if (size > 0) this.#changed(offset, size);
    return this.#timed ? Math.ceil(size / 256) * FLASH_TIMING.page : 0;
  }

  /** Sets the sector that holds `offset`. */
  eraseSector(offset: number): number {
    this.#set(offset - (offset % SECTOR), SECTOR);
    return this.#timed ? FLASH_TIMING.sector : 0;
  }

  /** Sets the 64 KB block that holds `offset`. */
  eraseBlock(offset: number): number {
    this.#set(offset - (offset % BLOCK), BLOCK);
    return this.#timed ? FLASH_TIMING.block : 0;
  }

  eraseAll(): number {
    this.#set(0, this.size);
    return this.#timed ? (this.size / 0x100000) * FLASH_TIMING.chipPerMegabyte : 0;
  }

  /** Erases whole sectors from `offset` on, by 64 KB blocks where they fit. */
  eraseRange(offset: number, size: number): number {
    let ms = 0;
    const end = offset + size;
    for (let at = offset; at < end; ) {
      if (at % BLOCK === 0 && end - at >= BLOCK) {
        ms += this.eraseBlock(at);
        at += BLOCK;
      } else {
        ms += this.eraseSector(at);
        at += SECTOR;
      }
    }
    return ms;
  }

  isBlank(offset: number, size: number): boolean {
    for (let i = offset; i < Math.min(this.size, offset + size); i++) if (this.bytes[i] !== 0xff) return false;
    return true;
  }

  read(offset: number, size: number): Uint8Array {
    return this.bytes.slice(offset, offset + size);
  }

  #set(offset: number, size: number): void {
    if (offset >= this.size) return;
    this.bytes.fill(0xff, offset, offset + size);
    this.#changed(offset, size);
  }
}
