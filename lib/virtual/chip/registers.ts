import type { ChipModel } from './models/model.ts';

const USR_START = 1 << 18;
const USR_ADDRESS = 1 << 30;
const USR_MISO = 1 << 28;
const RDID = 0x9f;
const RDSFDP = 0x5a;
const RDSR = 0x05;
/** Winbond W25Q: manufacturer EF, family 40. */
const MANUFACTURER = 0xef;
const DEVICE = 0x40;
/** Start of the SFDP table (JESD216): "SFDP", revision 1.6, one parameter header. */
const SFDP = Uint8Array.from([0x53, 0x46, 0x44, 0x50, 0x06, 0x01, 0x00, 0xff]);
const MAGIC_ADDRESS = 0x40001000;

export interface RegisterEvents {
  /** RTC watchdog armed, to bite after so many slow-clock ticks. */
  watchdog(ticks: number): void;
}

/** The words that a host can read and write: efuses, magic, SPI controller, watchdog; the rest is plain memory. */
export class Registers {
  readonly #model: ChipModel;
  readonly #fixed: ReadonlyMap<number, number>;
  readonly #events: RegisterEvents;
  readonly #flashSizeCode: number;
  readonly #values = new Map<number, number>();
  /** Whether the flash pins are connected to the controller (SPI_ATTACH). */
  attached = false;

  constructor(model: ChipModel, fixed: ReadonlyMap<number, number>, flashSizeCode: number, events: RegisterEvents) {
    this.#model = model;
    this.#fixed = fixed;
    this.#flashSizeCode = flashSizeCode;
    this.#events = events;
  }

  /** As after a reset. */
  reset(): void {
    this.#values.clear();
    this.attached = false;
  }

  read(address: number): number {
    if (address === MAGIC_ADDRESS) return this.#model.magic;
    return this.#fixed.get(address) ?? this.#values.get(address) ?? 0;
  }

  /** Bits outside `mask` stay. Efuses and ROM do not change. */
  write(address: number, value: number, mask: number): void {
    if (address === MAGIC_ADDRESS || this.#fixed.has(address)) return;
    const { watchdog, spi } = this.#model;
    if (watchdog !== null && (address === watchdog.config0 || address === watchdog.config1)) {
      if (this.#values.get(watchdog.protect) !== watchdog.key) return;
    }
    const next = ((this.read(address) & ~mask) | (value & mask)) >>> 0;
    this.#values.set(address, next);
    if (watchdog !== null && address === watchdog.config0 && (next & 0x80000000) !== 0) {
      this.#events.watchdog(this.read(watchdog.config1));
    }
    if (address === spi.base && (next & USR_START) !== 0) this.#transfer();
  }

  /** One transfer of the SPI controller: command, address, data in. The start bit reads back 0 when it is done. */
  #transfer(): void {
    const { spi } = this.#model;
    this.#values.set(spi.base, this.read(spi.base) & ~USR_START);
    const usr = this.read(spi.base + spi.usr);
    if ((usr & USR_MISO) === 0) return;
    const bits = (this.read(spi.base + spi.misoLength) & 0x3ff) + 1;
    const answer = this.attached ? this.#answer(usr) : new Uint8Array(4).fill(0xff);
    let value = 0;
    for (let i = 0; i < 4; i++) if (i * 8 < bits) value |= (answer[i] ?? 0) << (8 * i);
    if (bits < 32) value &= (1 << bits) - 1;
    this.#values.set(spi.base + spi.w0, value >>> 0);
  }

  #answer(usr: number): Uint8Array {
    const { spi } = this.#model;
    switch (this.read(spi.base + spi.usr2) & 0xff) {
      case RDID:
        return Uint8Array.of(MANUFACTURER, DEVICE, this.#flashSizeCode);
      case RDSFDP: {
        if ((usr & USR_ADDRESS) === 0) return new Uint8Array(4).fill(0xff);
        const raw = this.read(spi.base + 4);
        const from = (spi.addressMsb ? raw >>> 8 : raw) & 0xffffff;
        return Uint8Array.from({ length: 4 }, (_, i) => SFDP[from + i] ?? 0xff);
      }
      case RDSR:
        return Uint8Array.of(0);
      default:
        return new Uint8Array(4).fill(0);
    }
  }
}
