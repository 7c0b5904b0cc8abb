import type { KeyObject } from 'node:crypto';
import type { Keystore } from '../../../vault/index.ts';
import { type StoreFile, type StoreFolder, storeError } from './folder.ts';
import { BEGUN, DAMAGED, encodeEntry, isChained, type LogProblem, type Place, readChain } from './log-chain.ts';
import { HEAD_NAME, HeadFile } from './log-head.ts';
import { openLogKey } from './log-key.ts';

/** The log's file. */
export const LOG_NAME = 'device.log';

/** What was done with a seed. */
export type SeedEvent = 'sealed' | 'seed-read' | 'seed-denied' | 'removed' | 'exported';

/** What was done about hosts. */
export const HOST_EVENTS = [
  'pairing-open',
  'paired',
  'pairing-wrong',
  'forgotten',
  'enrolled',
  'taken-over',
  'takeover-refused',
] as const;
export type HostEvent = (typeof HOST_EVENTS)[number];

/** What was done, and by whom. Never a secret. */
export interface DeviceLogLine {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly event: SeedEvent | HostEvent;
  /** Of a seed: `slot-01`, `live` */
  readonly plan?: string;
  readonly session?: string;
  readonly host?: { readonly id: string; readonly name: string };
  readonly text?: string;
}

export interface DeviceLogOptions {
  /** Seals the key of the chain. */
  readonly keystore: Keystore;
  /** Milliseconds since 1970. Default Date.now. */
  readonly now?: () => number;
  /** The log is not what was written; an entry of it says so from now on. */
  readonly onDamage?: (problem: LogProblem) => void;
}

/**
 * One line of JSON an event, on the disk before the event happens. Lines are only ever added, and chained: each has a
 * number and an HMAC-SHA-256 (RFC 2104) over itself and the HMAC of the line before. Beside it lie the number and HMAC
 * of the last line, sealed (the head), and the key of it all, sealed by the keystore. Lines of an older version stay
 * as they are; the first chained line holds their hash.
 *
 * A line is synced, then the head, then the event happens. So a power cut leaves at most one line beyond the head,
 * whole or torn, of an event that did not happen; a torn one is cut off at the next opening.
 *
 * - Seen, without the keystore's key in the wrong hands: any line that was altered, taken out, moved, put in or added;
 *   any number of lines that were cut off the end; a head that is gone, damaged, or older by more than one line. The
 *   provisioner goes on after such a log with an entry that says so, and the log never holds again.
 * - Not seen: the line beyond the head altered or cut off, of an event that did not happen; all files taken back
 *   together to an older state, or deleted together (compare with the last number and HMAC that `log --verify`
 *   printed, or with a copy); what was done to plain lines before the chain began; anything by who has the key.
 */
export class DeviceLog {
  readonly #folder: StoreFolder;
  readonly #file: StoreFile;
  readonly #key: KeyObject;
  #head: HeadFile | undefined;
  #place: Place;
  #end: number;
  /** Entries of the chain itself, to be written before any other one. */
  readonly #owed: (() => object)[] = [];
  /**
   * Behind the end may be bytes of a line that was not written. At the opening: half a line, of an event that did not
   * happen then; and what was read may be in the memory of the system alone.
   */
  #dirty = true;
  /** The head does not tell of the last line, or that is not on the disk. */
  #behind = true;
  #last: Promise<void> = Promise.resolve();

  private constructor(folder: StoreFolder, file: StoreFile, key: KeyObject, place: Place, end: number) {
    this.#folder = folder;
    this.#file = file;
    this.#key = key;
    this.#place = place;
    this.#end = end;
  }

  /** @throws STORE_DAMAGED the chain's key is gone; STORE_…; KEYSTORE_… */
  static async open(
    folder: StoreFolder,
    exists: boolean,
    { keystore, now = Date.now, onDamage = () => undefined }: DeviceLogOptions,
  ): Promise<DeviceLog> {
    const file = exists ? await folder.open(LOG_NAME) : await folder.create(LOG_NAME);
    let head: HeadFile | undefined;
    try {
      if (!exists) await folder.sync();
      const bytes = await file.read();
      const key = await openLogKey(folder, keystore, isChained(bytes));
      const found = (await folder.list()).includes(HEAD_NAME) ? await HeadFile.open(folder, key) : undefined;
      head = found?.file;
      const { end, place, untold, before } = readChain(key, bytes, found?.head ?? { torn: true });
      // Names that the process before saw may not be on the disk yet.
      if (place.n === 0) await folder.sync();
      const log = new DeviceLog(folder, file, key, place, end);
      log.#head = head;
      if (place.n === 0) log.#owed.push(() => ({ at: now(), event: BEGUN, before }));
      if (untold !== undefined) {
        log.#head = undefined;
        await head?.close();
        const from = (): string => log.#place.mac.toString('hex');
        log.#owed.push(() => ({ at: now(), event: DAMAGED, problem: untold, from: from() }));
        onDamage(untold);
      }
      // On a disk that takes nothing they wait for the first event.
      await log.#add([]).catch(() => undefined);
      return log;
    } catch (error) {
      await head?.close();
      await file.close();
      throw error;
    }
  }

  /**
   * @throws STORE_FULL, STORE_READ_ONLY, STORE_IO: then there is no such line; or, when it is the head that cannot be
   * written, a line of an event that does not happen
   */
  add(line: DeviceLogLine): Promise<void> {
    return this.#add([() => line]);
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#head?.close();
    await this.#file.close();
  }

  #add(lines: readonly (() => object)[]): Promise<void> {
    const done = this.#last.then(async () => {
      try {
        for (let owed = this.#owed[0]; owed !== undefined; owed = this.#owed[0]) {
          await this.#write(owed());
          this.#owed.shift();
        }
        for (const line of lines) await this.#write(line());
        await this.#settle();
      } catch (error) {
        throw storeError(error, `${LOG_NAME} cannot be written`);
      }
    });
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #write(fields: object): Promise<void> {
    // Of an older failure; and a line is begun only when the head tells of the one before.
    await this.#settle();
    const { bytes, place } = encodeEntry(this.#key, this.#place, fields);
    try {
      await this.#file.write(this.#end, bytes);
      await this.#file.sync();
    } catch (error) {
      this.#dirty = true;
      await this.#clean().catch(() => undefined);
      throw error;
    }
    this.#end += bytes.length;
    this.#place = place;
    this.#behind = true;
  }

  async #settle(): Promise<void> {
    await this.#clean();
    // After damage: nothing of the old one is kept, and not before the entry that tells of it is on the disk.
    if (!this.#behind || (this.#head === undefined && this.#owed.length > 0)) return;
    if (this.#head === undefined) {
      await HeadFile.make(this.#folder, this.#key, this.#place);
      this.#head = (await HeadFile.open(this.#folder, this.#key)).file;
    } else await this.#head.write(this.#place);
    this.#behind = false;
  }

  async #clean(): Promise<void> {
    if (!this.#dirty) return;
    await this.#file.truncate(this.#end);
    await this.#file.sync();
    this.#dirty = false;
  }
}
