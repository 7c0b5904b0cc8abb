import type { ChipIdentity, ChipModel } from './models/model.ts';

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
const WATCHDOG_ON = 0x80000000;
const ROM_READ = 0x40000a14;

export interface RegisterEvents {
  /** RTC watchdog armed, to bite after so many slow-clock ticks, or (null) switched off. */
  watchdog(ticks: number | null): void;
  /** The super watchdog feeds itself from now on, or does not. */
  superWatchdog(fed: boolean): void;
}

/** The words that a host can read and write: efuses, magic, SPI controller, watchdog; the rest is plain memory. */
export class Registers {
  readonly #model: ChipModel;
  readonly #crystal: number;
  readonly #flashPins: number;
  readonly #fixed: ReadonlyMap<number, number>;
  readonly #events: RegisterEvents;
  readonly #flashSizeCode: number;
  readonly #values = new Map<number, number>();
  /** Clock of the UART in MHz, and its rate. */
  #uart: { clock: number; baud: number };
  #attached = false;

  constructor(model: ChipModel, identity: ChipIdentity, flashSizeCode: number, events: RegisterEvents) {
    this.#model = model;
    this.#crystal = identity.crystal;
    this.#uart = { clock: identity.crystal, baud: 115200 };
    this.#flashPins = model.flashPins(identity.package) >>> 0;
    const port = model.port === null ? [] : [[model.port.word, model.port.values[identity.connection]] as const];
    this.#fixed = new Map([...model.words(identity), ...port]);
    this.#flashSizeCode = flashSizeCode;
    this.#events = events;
  }

  /** As after a reset. */
  reset(): void {
    this.#values.clear();
    this.#attached = false;
    this.setUart(115200);
    const { underSecureBoot } = this.#model;
    // Some place in mask ROM: hosts keep it and put it back.
    if (typeof underSecureBoot === 'object') this.#values.set(underSecureBoot.readPointer, ROM_READ);
  }

  /** The straps as they were read after the reset: the number after "boot:". */
  set straps(value: number) {
    this.#values.set(this.#model.strapRegister, value);
  }

  /** Whether the flash pins are connected to the controller. */
  get attached(): boolean {
    return this.#attached;
  }

  /** SPI_ATTACH to the ROM: the flash answers on the pins where it is. */
  attach(pins: number): void {
    this.#attached = pins >>> 0 === this.#flashPins;
  }

  /** As a stub does it, which looks the pins up in the efuses. */
  attachByEfuse(): void {
    this.#attached = true;
  }

  /** Where code goes that calls the ROM's flash read function, if a host has led it elsewhere. */
  get hijackedRead(): number | null {
    const { underSecureBoot } = this.#model;
    if (typeof underSecureBoot !== 'object') return null;
    const pointer = this.read(underSecureBoot.readPointer);
    return pointer === ROM_READ ? null : pointer;
  }

  /** The UART works at `baud` now, from `clock` MHz (default: the crystal). */
  setUart(baud: number, clock = this.#crystal): void {
    this.#uart = { clock, baud };
  }

  /** The rate that comes of it when the ROM works out the divider for `baud` from the crystal it believes in. */
  romRate(baud: number): number {
    return Math.round((baud * this.#crystal) / this.#model.romCrystal(this.#crystal));
  }

  read(address: number): number {
    if (address === MAGIC_ADDRESS) return this.#model.magic;
    if (address === this.#model.uart.divider) {
      const sixteenths = Math.round((this.#uart.clock * 16e6) / this.#uart.baud);
      return (((sixteenths >>> 4) & 0xfffff) | ((sixteenths & 15) << 20)) >>> 0;
    }
    return this.#fixed.get(address) ?? this.#values.get(address) ?? 0;
  }

  /** Bits outside `mask` stay. Efuses, straps and ROM do not change. */
  write(address: number, value: number, mask: number): void {
    if (address === MAGIC_ADDRESS || this.#fixed.has(address) || address === this.#model.strapRegister) return;
    const { watchdog, superWatchdog, spi } = this.#model;
    if (watchdog !== null && (address === watchdog.config0 || address === watchdog.config1)) {
      if (this.#values.get(watchdog.protect) !== watchdog.key) return;
    }
    if (superWatchdog !== null && address === superWatchdog.config) {
      if (this.#values.get(superWatchdog.protect) !== superWatchdog.key) return;
    }
    const next = ((this.read(address) & ~mask) | (value & mask)) >>> 0;
    this.#values.set(address, next);
    if (watchdog !== null && address === watchdog.config0) {
      this.#events.watchdog((next & WATCHDOG_ON) === 0 ? null : this.read(watchdog.config1));
    }
    if (superWatchdog !== null && address === superWatchdog.config) {
      this.#events.superWatchdog((next & superWatchdog.autoFeed) !== 0);
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
    const answer = this.#attached ? this.#answer(usr) : new Uint8Array(4).fill(0xff);
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
