import { isKeywayError } from '../../errors/index.ts';
import type { Link } from '../../link/index.ts';
import type { Platform } from '../platform.ts';
import type { ChipFacts } from '../types.ts';
import { SECTOR } from '../units.ts';
import { Channel } from './channel.ts';
import { type SyncOptions, synchronise, trySync } from './connect.ts';
import { fail, throwIfCancelled } from './errors.ts';
import { EsptoolSession } from './esptool.ts';
import { readFacts } from './facts.ts';
import { blankMd5 } from './gaps.ts';
import { checkRange, FlashCommands, type LoaderContext } from './loader.ts';
import { type ProgressListener, ProgressMeter } from './progress.ts';
import { Op, ROM_BAUD, STUB_BLOCK, words } from './protocol.ts';
import type { RateLadder } from './rates.ts';
import { readFlash } from './read.ts';
import { resync } from './recover.ts';
import type { WriteOptions, WriteRegion, WriteResult } from './region.ts';
import { resetIntoFirmware, resetKindOf } from './reset.ts';
import { retrying } from './retry.ts';
import { defaultTiming, sleep, type Timing } from './timing.ts';
import { disableWatchdogs, hasWatchdogReset, resetByWatchdog } from './watchdog.ts';
import { compressRegion, writeRegion } from './write.ts';

/** How to connect. All but the platform has a default. */
export interface ConnectOptions extends SyncOptions {
  readonly platform: Platform;
  readonly onProgress?: ProgressListener | undefined;
  /** Other times than the default ones, for slow links and for tests. */
  readonly timing?: Partial<Timing> | undefined;
}

/** What every operation of a session takes. */
export interface OperationOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressListener | undefined;
}

/** How much is erased by one command, so that an erase shows progress and ends soon after a cancel. */
const ERASE_STEP = 0x40000;

/**
 * Brings the chip on the link into its loader and finds out what it is. The link stays the caller's: closing the
 * session leaves it open.
 * @throws NO_ANSWER, WRONG_BOOT_MODE, CHIP_SILENT, UNKNOWN_CHIP, CHIP_REFUSED, CHIP_STOPPED, PORT_GONE, CANCELLED.
 */
export async function connectChip(link: Link, options: ConnectOptions): Promise<ChipSession> {
  const timing = { ...defaultTiming, ...options.timing };
  const meter = new ProgressMeter(options.onProgress);
  const channel = new Channel(link);
  try {
    throwIfCancelled(options.signal);
    meter.report('connect', 0, 1, 'steps');
    const { stubRunning } = await synchronise(channel, timing, options);
    meter.report('connect', 1, 1, 'steps');
    meter.report('detect', 0, 1, 'steps');
    channel.watchForRestart(true);
    const esptool = new EsptoolSession(channel);
    const { platform, signal } = options;
    const chip = (await esptool.detect(stubRunning, signal)).chip.CHIP_NAME;
    if (!stubRunning && resetKindOf(link) === 'usb-jtag') {
      const context = { channel, platform, timing, stub: false, chip, verifies: false };
      await unlessRefused(() => disableWatchdogs(new FlashCommands(context), chip, signal));
    }
    const facts = await readFacts(esptool, channel, stubRunning, timing, signal);
    meter.report('detect', 1, 1, 'steps', facts.name);
    return new ChipSession(channel, esptool, facts, stubRunning, { timing, platform });
  } catch (error) {
    channel.close();
    throw error;
  }
}

/** Registers are out of reach in secure download mode, which is not known yet: that refusal is no fault. */
async function unlessRefused(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isKeywayError(error, 'CHIP_REFUSED')) throw error;
  }
}

/** A chip in its loader. One operation at a time; every one can be cancelled. Made by `connectChip`. */
export class ChipSession {
  readonly facts: ChipFacts;
  readonly link: Link;
  readonly #channel: Channel;
  readonly #esptool: EsptoolSession;
  readonly #timing: Timing;
  readonly #platform: Platform;
  #stub: boolean;
  #busy = false;
  #ladder: RateLadder | undefined;
  /** The rate the chip was told, when it is not the ROM's. */
  #baudRate: number;

  /** @internal Made by connectChip; left out of the declarations, which then need no types of esptool-js. */
  constructor(
    channel: Channel,
    esptool: EsptoolSession,
    facts: ChipFacts,
    stubRunning: boolean,
    { timing, platform }: { timing: Timing; platform: Platform },
  ) {
    this.#channel = channel;
    this.link = channel.link;
    this.#esptool = esptool;
    this.facts = facts;
    this.#stub = stubRunning;
    this.#timing = timing;
    this.#platform = platform;
    this.#baudRate = this.link.baudRate;
  }

  /** Whether the flasher stub answers; otherwise the ROM does. */
  get stubRunning(): boolean {
    return this.#stub;
  }

  /** The rate of the line, in baud. */
  get baudRate(): number {
    return this.#baudRate;
  }

  /** Bytes that crossed the line in this session, both ways. */
  get wireBytes(): number {
    return this.#channel.wireBytes;
  }

  /** Whether the chip tells what its flash holds: not in secure download mode. */
  get verifies(): boolean {
    return !this.facts.security.secureDownload;
  }

  /** @internal Lowers the rate as the ladder says, when faults show that the line does not carry it. */
  stepDownBy(ladder: RateLadder): void {
    this.#ladder = ladder;
  }

  /** Uploads the stub unless it runs already. False when the chip has to do without. @throws STUB_FAILED. */
  async startStub(options: OperationOptions = {}): Promise<boolean> {
    if (this.#stub) return true;
    return await this.#exclusive(async () => {
      const meter = new ProgressMeter(options.onProgress);
      meter.report('stub', 0, 1, 'steps');
      this.#stub = await this.#esptool.startStub(options.signal);
      meter.report('stub', 1, 1, 'steps');
      return this.#stub;
    });
  }

  /**
   * Changes the rate of chip and line. Does nothing where the link cannot change its rate.
   * @returns the rate in force. @throws BAUD_FAILED when the chip does not answer at the new rate.
   */
  async setBaudRate(baudRate: number, options: OperationOptions = {}): Promise<number> {
    if (!Number.isSafeInteger(baudRate) || baudRate < 300 || baudRate > 20_000_000) {
      throw fail('BAD_RANGE', `${baudRate} is no baud rate.`, { detail: { field: 'baudRate', value: baudRate } });
    }
    if (baudRate === this.#baudRate || !this.link.info.hasBaudControl) return this.#baudRate;
    return await this.#exclusive(() => this.#changeBaud(baudRate, options.signal));
  }

  async #changeBaud(baudRate: number, signal?: AbortSignal): Promise<number> {
    const before = this.#baudRate;
    const payload = words(baudRate, this.#stub ? before : 0);
    await this.#channel.command(Op.CHANGE_BAUDRATE, payload, { timeoutMs: this.#timing.commandMs, signal });
    await this.link.setBaudRate(baudRate);
    this.#baudRate = baudRate;
    await sleep(this.#timing.baudSettleMs, signal);
    this.#channel.forget();
    if ((await trySync(this.#channel, this.#timing, signal)) === undefined) {
      throw fail('BAUD_FAILED', `The chip does not answer at ${baudRate} baud (before: ${before}).`, {
        hint: 'Choose a lower rate; long or thin cables and some adapters do not carry this one.',
        detail: { baudRate, before },
      });
    }
    return baudRate;
  }

  /** @param size bytes, any number; the data is checked. @throws READ_CORRUPT, BAD_RANGE. */
  async readFlash(offset: number, size: number, options: OperationOptions = {}): Promise<Uint8Array> {
    checkRange(offset, 1, 1);
    checkRange(offset, size, 1);
    return await this.#exclusive(async () => {
      const meter = new ProgressMeter(options.onProgress);
      meter.report('read', 0, size, 'B');
      return await readFlash(this.#context(), offset, size, {
        signal: options.signal,
        onBytes: (done) => meter.report('read', done, size, 'B'),
      });
    });
  }

  /** Erases whole sectors: both numbers are multiples of 4096. @throws BAD_RANGE. */
  async eraseRange(offset: number, size: number, options: OperationOptions & { item?: string } = {}): Promise<void> {
    checkRange(offset, SECTOR, SECTOR);
    checkRange(offset, size, SECTOR);
    await this.#exclusive(async () => {
      const commands = new FlashCommands(this.#context());
      const meter = new ProgressMeter(options.onProgress);
      meter.report('erase', 0, size, 'B', options.item);
      for (let done = 0; done < size; ) {
        // Up to the next step of the flash, so that the chip can use its large erase commands.
        const step = Math.min(size - done, ERASE_STEP - ((offset + done) % ERASE_STEP));
        await this.#again(options.signal, () => commands.erase(offset + done, step, options.signal));
        done += step;
        meter.report('erase', done, size, 'B', options.item);
      }
    });
  }

  /** Erases everything; takes up to a minute. @throws NEEDS_STUB. */
  async eraseAll(options: OperationOptions = {}): Promise<void> {
    await this.#exclusive(async () => {
      const meter = new ProgressMeter(options.onProgress);
      meter.report('erase', 0, 1, 'steps');
      await new FlashCommands(this.#context()).eraseAll(options.signal);
      meter.report('erase', 1, 1, 'steps');
    });
  }

  /** MD5 of what the flash holds, lower-case hex. */
  async md5(offset: number, size: number, options: OperationOptions = {}): Promise<string> {
    checkRange(offset, size, 1);
    const commands = new FlashCommands(this.#context());
    return await this.#exclusive(() => this.#again(options.signal, () => commands.md5(offset, size, options.signal)));
  }

  /** Whether the flash holds nothing but 0xFF there. */
  async isBlank(offset: number, size: number, options: OperationOptions = {}): Promise<boolean> {
    return (await this.md5(offset, size, options)) === (await blankMd5(this.#platform, size));
  }

  /** Writes and verifies one region. @throws MD5_MISMATCH, BAD_RANGE. */
  async writeRegion(region: WriteRegion, options: WriteOptions = {}): Promise<WriteResult> {
    checkRange(region.offset, SECTOR, SECTOR);
    checkRange(region.offset, region.data.length, 1);
    return await this.#exclusive(() => writeRegion(this.#context(), region, options));
  }

  /** Compresses a region that is written later. May run beside another operation. */
  async prepareRegion(region: WriteRegion, signal?: AbortSignal): Promise<void> {
    await compressRegion(this.#platform, region, this.#stub, signal);
  }

  /** Reads a register. */
  async readRegister(address: number, options: OperationOptions = {}): Promise<number> {
    return await this.#exclusive(() =>
      this.#esptool.ask(options.signal, async (loader) => (await loader.readReg(address)) >>> 0),
    );
  }

  /**
   * Tells the ROM loader how large the flash is, where nobody can ask it: before the first write in secure download
   * mode. @param size bytes.
   */
  async attachFlash(size: number, options: OperationOptions = {}): Promise<void> {
    await this.#exclusive(() => new FlashCommands(this.#context()).attach(size, options.signal));
  }

  /**
   * Restarts the chip into its firmware, puts the line back to 115200 baud and ends the session. False when the link
   * has no control lines, or the chip stays in its loader all the same: somebody must tap EN. A chip on its own USB
   * port that the lines leave in its loader is restarted by its watchdog; its port then goes and comes back.
   */
  async reset(): Promise<boolean> {
    const channel = this.#channel;
    const ownPort = resetKindOf(this.link) === 'usb-jtag';
    if (!ownPort) channel.close();
    try {
      if (this.link.info.hasBaudControl && this.link.baudRate !== ROM_BAUD) await this.link.setBaudRate(ROM_BAUD);
      this.#baudRate = ROM_BAUD;
      return await (ownPort ? this.#resetOwnPort() : resetIntoFirmware(this.link, this.#timing));
    } finally {
      channel.close();
    }
  }

  async #resetOwnPort(): Promise<boolean> {
    const channel = this.#channel;
    channel.watchForRestart(false);
    channel.forget();
    try {
      await resetIntoFirmware(this.link, this.#timing);
      if (!inLoader(channel.printed)) return true;
      if (!hasWatchdogReset(this.facts.name) || !this.verifies) return false;
      channel.forget();
      if ((await trySync(channel, this.#timing)) === undefined) return false;
      this.#stub = false;
      await resetByWatchdog(new FlashCommands(this.#context()), this.facts.name);
      await sleep(this.#timing.watchdogMs);
    } catch (error) {
      // The port goes with the chip, in the middle of an answer if need be.
      if (this.link.isOpen) throw error;
    }
    return !inLoader(channel.printed);
  }

  /**
   * Ends the session and leaves the chip in its loader, at rest and at 115200 baud, so that the next session finds it.
   * What cannot be brought to rest is left as it is: that is no error.
   */
  async close(): Promise<void> {
    try {
      if (this.link.isOpen && !this.#lost) await this.#settle();
    } catch (error) {
      if (!isKeywayError(error)) throw error;
      // The port went meanwhile, or the chip is beyond reach: the next session resets it.
    } finally {
      this.#channel.close();
    }
  }

  async #settle(): Promise<void> {
    const { settleMs } = this.#timing;
    this.#channel.watchForRestart(false);
    const signal = AbortSignal.timeout(Math.ceil(settleMs + this.#channel.lineTime(STUB_BLOCK)));
    // A stub in the middle of a write answers once it is through.
    while (this.#upset) {
      throwIfCancelled(signal);
      this.#upset = (await resync(this.#channel, this.#timing, signal)) === undefined;
    }
    if (this.#baudRate !== ROM_BAUD && this.link.info.hasBaudControl) await this.#changeBaud(ROM_BAUD, signal);
  }

  /** An operation ended half-way: the line is out of step. */
  #upset = false;
  /** Nobody is there to bring to rest. */
  #lost = false;

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy) throw fail('SESSION_BUSY', `The session on ${this.link.info.name} is busy with another operation.`);
    this.#busy = true;
    try {
      if (this.#upset) await this.#settle();
      return await work();
    } catch (error) {
      this.#upset = !isKeywayError(error, 'SESSION_BUSY', 'BAD_RANGE', 'NEEDS_STUB', 'MD5_MISMATCH');
      this.#lost = isKeywayError(error, 'BOARD_RESET', 'CHIP_STOPPED', 'PORT_GONE');
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  /** For what may be done again as it is, after a fault of the line. @throws BOARD_RESET, CHIP_STOPPED. */
  async #again<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    return await retrying(this.#context(), { tries: 2, codes: ['CHIP_REFUSED', 'CHIP_STOPPED'], signal }, work);
  }

  async #slowDown(ladder: RateLadder, signal: AbortSignal | undefined): Promise<void> {
    ladder.failed(this.#baudRate);
    if (ladder.rate < this.#baudRate && this.link.info.hasBaudControl) await this.#changeBaud(ladder.rate, signal);
  }

  #context(): LoaderContext {
    const ladder = this.#ladder;
    return {
      channel: this.#channel,
      platform: this.#platform,
      timing: this.#timing,
      stub: this.#stub,
      chip: this.facts.name,
      verifies: this.verifies,
      afterFault: ladder && ((signal) => this.#slowDown(ladder, signal)),
    };
  }
}

/** Whether the last thing the chip printed is that it waits for a download. */
function inLoader(printed: string): boolean {
  return /waiting for download[^\n]*\s*$/.test(printed);
}
