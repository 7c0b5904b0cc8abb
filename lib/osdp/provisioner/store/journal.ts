import { codeOf } from '../../../errors/index.ts';
import { type StoreFile, type StoreFolder, storeError } from './folder.ts';
import { encodeRecord, firstRecord, RECORD_HEAD, scanRecords } from './record.ts';

/** One record: in memory until it is written, from then on read back when it is asked for. */
export interface Entry {
  content: Buffer | null;
  at: number;
  length: number;
}

/** What the journal is to hold when it is written anew. */
export type Snapshot = () => readonly (Buffer | Entry)[];

/**
 * An append-only file of records. What is appended is written soon, in order, and is on the disk once `sync` has
 * resolved. A write that failed is tried again by the next `sync`; a failed sync of the system, after which nothing
 * that was written may be relied upon, makes the file be written anew.
 */
export class Journal {
  readonly #folder: StoreFolder;
  readonly #name: string;
  readonly #snapshot: Snapshot;
  #file: StoreFile;
  #salt: number;
  /** The number of the next record. */
  #number: number;
  /** Bytes that are whole records. */
  #end: number;
  #pending: Entry[] = [];
  #chain: Promise<unknown> = Promise.resolve();
  #scheduled = false;
  #unsynced = false;
  /** Behind `#end` may be half a record. */
  #torn = false;
  /** The system could not sync: what it holds may never reach the disk. */
  #suspect = false;
  #nameUnsynced = false;
  #closed = false;
  /** Called when what was appended cannot be written; `sync` tries again. */
  onTrouble: (error: Error) => void = () => undefined;

  private constructor(
    where: { folder: StoreFolder; name: string; snapshot: Snapshot },
    file: { file: StoreFile; salt: number; number: number; end: number },
  ) {
    this.#folder = where.folder;
    this.#name = where.name;
    this.#snapshot = where.snapshot;
    this.#file = file.file;
    this.#salt = file.salt;
    this.#number = file.number;
    this.#end = file.end;
  }

  /** Whole or not at all: it has its name once its content is on the disk. @throws STORE_FULL, _READ_ONLY, _IO */
  static async create(
    where: { folder: StoreFolder; name: string; snapshot: Snapshot },
    contents: readonly Buffer[],
  ): Promise<Journal> {
    const made = await writeNew(where.folder, where.name, contents);
    try {
      await where.folder.sync();
    } catch (error) {
      await made.file.close().catch(() => undefined);
      throw storeError(error, `${where.name} cannot be written`);
    }
    return new Journal(where, made);
  }

  /**
   * Opens one and cuts off what was not written to its end.
   * @returns also the contents of its records, where they lie, and how many bytes were cut off
   * @throws STORE_DAMAGED, STORE_NEWER, STORE_IO
   */
  static async open(where: { folder: StoreFolder; name: string; snapshot: Snapshot }): Promise<{
    journal: Journal;
    records: readonly { content: Buffer; entry: Entry }[];
    cut: number;
  }> {
    let file: StoreFile | undefined;
    try {
      file = await where.folder.open(where.name);
      const bytes = await file.read();
      const { records, good, salt } = scanRecords(bytes, where.name);
      const journal = new Journal(where, { file, salt, number: records.length + 1, end: good });
      journal.#torn = good < bytes.length;
      journal.#unsynced = true;
      return {
        journal,
        records: records.map(({ at, content }) => ({ content, entry: { content: null, at, length: content.length } })),
        cut: bytes.length - good,
      };
    } catch (error) {
      await file?.close().catch(() => undefined);
      throw storeError(error, `${where.name} cannot be read`);
    }
  }

  /** Bytes of the file. */
  get size(): number {
    return this.#end;
  }

  /** Written soon; on the disk after the next `sync`. */
  append(content: Buffer): Entry {
    const entry: Entry = { content, at: 0, length: content.length };
    this.#pending.push(entry);
    if (!this.#scheduled) {
      this.#scheduled = true;
      void this.#inTurn(() => {
        this.#scheduled = false;
        return this.#flush();
      }).catch((error: Error) => this.onTrouble(error));
    }
    return entry;
  }

  /**
   * All that was appended before is on the disk. After a failure it is kept in memory, and the next call tries again.
   * @throws STORE_FULL, STORE_READ_ONLY, STORE_IO
   */
  sync(): Promise<void> {
    return this.#inTurn(() => this.#syncNow());
  }

  /** These records are on the disk, or none of them is and never will be. @throws as sync */
  commit(contents: readonly Buffer[]): Promise<readonly Entry[]> {
    return this.#inTurn(async () => {
      await this.#flush();
      const entries = contents.map((content): Entry => ({ content, at: 0, length: content.length }));
      const before = { number: this.#number, end: this.#end };
      try {
        await this.#write(entries);
        await this.#syncFile();
        return entries;
      } catch (error) {
        // What was written of it is cut off now, or else before anything else is written.
        this.#number = before.number;
        this.#end = before.end;
        this.#torn = true;
        await this.#cut().catch(() => undefined);
        throw error;
      }
    });
  }

  /** Writes the file anew with what is still needed. @throws as sync; then the old one stays */
  rewrite(): Promise<void> {
    return this.#inTurn(() => this.#rewriteNow());
  }

  /** The content of a record. */
  read(entry: Entry): Buffer {
    return entry.content ?? this.#file.readAt(entry.at, entry.length);
  }

  /** What was appended is written where that is possible. */
  async close(): Promise<void> {
    if (this.#closed) return;
    await this.sync().catch(() => undefined);
    await this.abandon();
  }

  /** The file is about to be deleted. */
  async abandon(): Promise<void> {
    this.#closed = true;
    await this.#chain;
    await this.#file.close().catch(() => undefined);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#chain.then(async () => {
      try {
        return await work();
      } catch (error) {
        throw storeError(error, `${this.#name} cannot be written`);
      }
    });
    this.#chain = result.catch(() => undefined);
    return result;
  }

  async #syncNow(): Promise<void> {
    await this.#flush();
    await this.#syncFile();
  }

  async #syncFile(): Promise<void> {
    if (this.#nameUnsynced) {
      await this.#folder.sync();
      this.#nameUnsynced = false;
    }
    if (!this.#unsynced) return;
    try {
      await this.#file.sync();
      this.#unsynced = false;
    } catch (error) {
      this.#suspect = true;
      throw error;
    }
  }

  async #flush(): Promise<void> {
    if (this.#suspect) await this.#rewriteNow();
    if (this.#torn) await this.#cut();
    const taken = this.#pending;
    if (taken.length === 0) return;
    this.#pending = [];
    try {
      await this.#write(taken);
    } catch (error) {
      this.#pending = [...taken, ...this.#pending];
      throw error;
    }
  }

  async #cut(): Promise<void> {
    await this.#file.truncate(this.#end);
    this.#torn = false;
    this.#unsynced = true;
  }

  /** Writes records behind the last one. */
  async #write(entries: readonly Entry[]): Promise<void> {
    const records = entries.map(({ content }, i) => encodeRecord(content as Buffer, this.#number + i, this.#salt));
    const bytes = Buffer.concat(records);
    this.#torn = true;
    await this.#file.write(this.#end, bytes);
    this.#torn = false;
    this.#unsynced = true;
    place(entries, this.#end);
    this.#number += entries.length;
    this.#end += bytes.length;
  }

  async #rewriteNow(): Promise<void> {
    const taken = this.#pending;
    this.#pending = [];
    try {
      const kept = this.#snapshot();
      const contents = kept.map((one) => (Buffer.isBuffer(one) ? one : this.read(one)));
      const made = await writeNew(this.#folder, this.#name, contents);
      const old = this.#file;
      this.#file = made.file;
      this.#salt = made.salt;
      this.#number = made.number;
      this.#end = made.end;
      this.#torn = false;
      this.#suspect = false;
      this.#unsynced = false;
      this.#nameUnsynced = true;
      let at = made.first;
      for (const [i, one] of kept.entries()) {
        if (!Buffer.isBuffer(one)) {
          one.content = null;
          one.at = at + RECORD_HEAD;
        }
        at += RECORD_HEAD + (contents[i] as Buffer).length;
      }
      await old.close().catch(() => undefined);
    } catch (error) {
      this.#pending = [...taken, ...this.#pending];
      throw error;
    }
    await this.#syncFile();
  }
}

/** From now on they are read from the file. */
function place(entries: readonly Entry[], from: number): void {
  let at = from;
  for (const entry of entries) {
    entry.at = at + RECORD_HEAD;
    entry.content = null;
    at = entry.at + entry.length;
  }
}

/** Writes a file beside the one of that name, syncs it, and puts it in its place. The folder is not synced yet. */
async function writeNew(folder: StoreFolder, name: string, contents: readonly Buffer[]) {
  const temporary = `${name}.tmp`;
  const { bytes: first, salt } = firstRecord();
  let file: StoreFile | undefined;
  try {
    await folder.remove(temporary).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
    });
    file = await folder.create(temporary);
    const bytes = Buffer.concat([first, ...contents.map((content, i) => encodeRecord(content, i + 1, salt))]);
    await file.write(0, bytes);
    await file.sync();
    await folder.rename(temporary, name);
    return { file, salt, number: contents.length + 1, end: bytes.length, first: first.length };
  } catch (error) {
    await file?.close().catch(() => undefined);
    await folder.remove(temporary).catch(() => undefined);
    throw storeError(error, `${name} cannot be written`);
  }
}
