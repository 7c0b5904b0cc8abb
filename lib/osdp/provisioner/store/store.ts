import type { Keystore } from '../../../vault/index.ts';
import { DeviceLog, type DeviceLogOptions, LOG_NAME } from './device-log.ts';
import { openFolder, type StoreFolder, storeError } from './folder.ts';
import { type Entry, Journal, type Snapshot } from './journal.ts';
import type { LogProblem } from './log-chain.ts';
import { openSeed, readKeyFile, replaceKeyFile, rewrapKey, type SealedSeed, shred, writeKeyFile } from './seal.ts';

/** What the store says of itself while it opens. */
export type StoreEvent =
  | { readonly event: 'tail-cut'; readonly plan: string; readonly bytes: number }
  | { readonly event: 'delete-finished'; readonly plan: string }
  | { readonly event: 'log-damaged'; readonly problem: LogProblem };

/** A plan's files as they were found. */
export interface StoredPlan {
  /** Its place: `slot-01`, `live`. */
  readonly name: string;
  readonly keyRecord: Uint8Array;
  readonly records: readonly { readonly content: Buffer; readonly entry: Entry }[];
  readonly journal: Journal;
  /** The power went while the journal was written. */
  readonly cut: boolean;
  /** To be set before the journal is written for the first time. */
  snapshot: Snapshot;
}

const JOURNAL = '.journal';
const KEY = '.key';
/** A key file that is being destroyed. */
const GONE = '.gone';
const TEMPORARY = '.tmp';

/**
 * The files of a provisioner: for each plan `<name>.journal`, and `<name>.key` without which its seed is lost; a log of
 * what was done with seeds and hosts, with its head and its key; a lock. Files have the mode 0600, the folder 0700.
 *
 * A plan exists as soon as its journal has its name, which it gets after the key file is on the disk; it is deleted as
 * soon as its key file has another name. Whatever of it is left after a power cut is cleared away at the next opening.
 */
export class Store {
  readonly log: DeviceLog;
  readonly #folder: StoreFolder;

  private constructor(folder: StoreFolder, log: DeviceLog) {
    this.#folder = folder;
    this.log = log;
  }

  /**
   * @param where a path, or a folder that is open already (tests)
   * @throws STORE_BUSY, STORE_PATH, STORE_DAMAGED, STORE_NEWER, STORE_READ_ONLY, STORE_FULL, STORE_IO; KEYSTORE_… for
   * the key of the log
   */
  static async open(
    where: string | StoreFolder,
    options: Omit<DeviceLogOptions, 'onDamage'>,
    onEvent: (event: StoreEvent) => void = () => undefined,
  ): Promise<{ store: Store; plans: readonly StoredPlan[] }> {
    const folder = typeof where === 'string' ? await openFolder(where) : where;
    const plans: StoredPlan[] = [];
    let log: DeviceLog | undefined;
    try {
      const names = new Set(await tidy(folder, onEvent));
      log = await DeviceLog.open(folder, names.has(LOG_NAME), {
        ...options,
        onDamage: (problem) => onEvent({ event: 'log-damaged', problem }),
      });
      for (const file of [...names].filter((one) => one.endsWith(JOURNAL)).sort()) {
        plans.push(await openPlan(folder, file.slice(0, -JOURNAL.length), onEvent));
      }
      return { store: new Store(folder, log), plans };
    } catch (error) {
      for (const { journal } of plans) await journal.abandon();
      await log?.close();
      await folder.close();
      throw storeError(error, `The store ${folder.path} cannot be opened`, 'STORE_PATH');
    }
  }

  /** A new plan: all of it is on the disk, or nothing is left of it. @throws STORE_FULL, STORE_READ_ONLY, STORE_IO */
  async create(name: string, keyRecord: Uint8Array, contents: readonly Buffer[], snapshot: Snapshot): Promise<Journal> {
    try {
      await this.#clear(name);
      await writeKeyFile(this.#folder, name + KEY, keyRecord);
      await this.#folder.sync();
      return await Journal.create({ folder: this.#folder, name: name + JOURNAL, snapshot }, contents);
    } catch (error) {
      // What cannot be cleared now is cleared before the next plan takes the place, or at the next opening.
      await this.#clear(name).catch(() => undefined);
      throw storeError(error, 'The plan cannot be written');
    }
  }

  /**
   * Deletes a plan: from the moment when this resolves its seed is in no file. @throws STORE_READ_ONLY, STORE_IO: call
   * it again; after a restart the plan is either whole or gone
   */
  async destroyKey(name: string): Promise<void> {
    try {
      await this.#dropKey(name);
    } catch (error) {
      throw storeError(error, `The key of ${name} cannot be destroyed`);
    }
  }

  /** Removes what is left. Where that fails, it is done at the next opening. @throws STORE_READ_ONLY, STORE_IO */
  async destroyRest(name: string): Promise<void> {
    try {
      await this.#dropJournal(name);
    } catch (error) {
      throw storeError(error, `The files of ${name} cannot be deleted`);
    }
  }

  /** Puts the slot's key under the keystore's current key, when it is under an older one. */
  async rewrap(name: string, keystore: Keystore, seed: SealedSeed, owner: string): Promise<Uint8Array> {
    openSeed(keystore, seed, owner).fill(0);
    const rewrapped = rewrapKey(keystore, seed.keyRecord, owner);
    if (rewrapped !== seed.keyRecord) await replaceKeyFile(this.#folder, name + KEY, rewrapped);
    return rewrapped;
  }

  async close(): Promise<void> {
    await this.log.close();
    await this.#folder.close();
  }

  async #clear(name: string): Promise<void> {
    await this.#dropKey(name);
    await this.#dropJournal(name);
  }

  async #dropKey(name: string): Promise<void> {
    const folder = this.#folder;
    if ((await folder.list()).includes(name + KEY)) {
      await folder.rename(name + KEY, name + GONE);
      await folder.sync();
    }
    if (!(await folder.list()).includes(name + GONE)) return;
    await shred(folder, name + GONE);
    await folder.sync();
  }

  async #dropJournal(name: string): Promise<void> {
    if (!(await this.#folder.list()).includes(name + JOURNAL)) return;
    await this.#folder.remove(name + JOURNAL);
    await this.#folder.sync();
  }
}

/** The key first: a journal without one is no plan. */
async function destroyRests(folder: StoreFolder, name: string, names: readonly string[]): Promise<void> {
  if (names.includes(name + GONE)) await shred(folder, name + GONE);
  if (names.includes(name + JOURNAL)) await folder.remove(name + JOURNAL);
  await folder.sync();
}

/** Clears away what a power cut left. @returns the names that are there then */
async function tidy(folder: StoreFolder, onEvent: (event: StoreEvent) => void): Promise<readonly string[]> {
  for (const file of await folder.list()) {
    if (file.endsWith(KEY + TEMPORARY)) await shred(folder, file);
    else if (file.endsWith(TEMPORARY)) await folder.remove(file);
  }
  const names = await folder.list();
  const has = new Set(names);
  const plans = new Set(
    names.flatMap((file) =>
      [JOURNAL, KEY, GONE].filter((end) => file.endsWith(end)).map((end) => file.slice(0, -end.length)),
    ),
  );
  for (const plan of plans) {
    if (!has.has(plan + GONE) && has.has(plan + JOURNAL) === has.has(plan + KEY)) continue;
    if (has.has(plan + KEY) && has.has(plan + GONE)) await shred(folder, plan + GONE);
    // A key whose plan never came to be, or was being deleted.
    if (has.has(plan + KEY) && !has.has(plan + JOURNAL)) await folder.rename(plan + KEY, plan + GONE);
    if (has.has(plan + KEY) && has.has(plan + JOURNAL)) continue;
    await destroyRests(folder, plan, await folder.list());
    onEvent({ event: 'delete-finished', plan });
  }
  return await folder.list();
}

async function openPlan(folder: StoreFolder, name: string, onEvent: (event: StoreEvent) => void): Promise<StoredPlan> {
  const keyRecord = await readKeyFile(folder, name + KEY);
  const plan: { snapshot: Snapshot } = { snapshot: () => [] };
  const opened = await Journal.open({ folder, name: name + JOURNAL, snapshot: () => plan.snapshot() });
  if (opened.cut > 0) onEvent({ event: 'tail-cut', plan: name, bytes: opened.cut });
  return Object.assign(plan, {
    name,
    keyRecord,
    journal: opened.journal,
    records: opened.records,
    cut: opened.cut > 0,
  });
}
