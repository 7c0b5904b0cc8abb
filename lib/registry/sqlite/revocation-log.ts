import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { RevocationLine } from '../revocations.ts';

/** Lines are written in groups, one a transaction; the store keeps the number of its last one. */
interface Kept {
  readonly group: number;
  readonly line: RevocationLine;
}

/** From this size on the log is written anew without what nobody can use any more. */
const COMPACT_BYTES = 1 << 20;

/**
 * What must stay undone, in a file beside the store that a restore leaves alone. Each line carries an HMAC. A line
 * that a power cut tore is dropped: its transaction was never answered.
 */
export class RevocationLog {
  readonly #path: string;
  readonly #key: KeyObject;
  #file: number;
  #end = 0;
  #before = 0;
  #kept: readonly Kept[];
  /** The file is new, or lines in it were damaged. */
  readonly incomplete: boolean;

  constructor(path: string, auditKey: KeyObject) {
    this.#path = path;
    this.#key = createSecretKey(createHmac('sha256', auditKey).update('revocation log').digest());
    const found = existsSync(path);
    this.#file = openSync(path, found ? 'r+' : 'wx+', 0o600);
    const read = this.#read();
    this.#kept = read.kept;
    this.#end = read.end;
    this.#before = read.end;
    this.incomplete = !found || read.damaged;
    if (!found) syncFolder(dirname(path));
    ftruncateSync(this.#file, this.#end);
  }

  /** The number of the newest group. */
  get generation(): number {
    return this.#kept.reduce((newest, { group }) => Math.max(newest, group), 0);
  }

  /** The lines of the groups after `group`. */
  since(group: number): RevocationLine[] {
    return this.#kept.filter((kept) => kept.group > group).map(({ line }) => line);
  }

  /** Reads again what the file holds, all of it. */
  all(): RevocationLine[] {
    return this.#read().kept.map(({ line }) => line);
  }

  /** Returns when the disk has the lines; leaves none of them when it throws. */
  append(lines: readonly RevocationLine[], group: number): void {
    const bytes = Buffer.from(lines.map((line) => this.#format(line, group)).join(''));
    this.#before = this.#end;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at, bytes.length - at, this.#end + at);
      fdatasyncSync(this.#file);
    } catch (error) {
      this.undo();
      throw error;
    }
    this.#end += bytes.length;
  }

  /** Takes back the last group: its transaction was not kept. */
  undo(): void {
    try {
      ftruncateSync(this.#file, this.#before);
    } catch {
      // More lines than needed do no harm: they were asked for.
      return;
    }
    this.#end = this.#before;
  }

  /** The lines that were read when the log was opened are not needed any more. */
  forget(): void {
    this.#kept = [];
  }

  /** Writes the log anew when it has grown, or with `lines` that it lacks. */
  tidy(now: number, group: number, lines: readonly RevocationLine[] = []): void {
    if (lines.length === 0 && this.#end < COMPACT_BYTES) return;
    const wanted = new Map<string, RevocationLine>();
    for (const line of [...this.all(), ...lines]) {
      if (line.until !== null && line.until < now) continue;
      const name = `${line.k} ${line.id}`;
      const before = wanted.get(name);
      if (line.k === 'crl' && before?.k === 'crl' && before.number > line.number) continue;
      wanted.delete(name);
      wanted.set(name, line);
    }
    const fresh = `${this.#path}.new`;
    const file = openSync(fresh, 'w+', 0o600);
    try {
      const bytes = Buffer.from([...wanted.values()].map((line) => this.#format(line, group)).join(''));
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
      renameSync(fresh, this.#path);
      syncFolder(dirname(this.#path));
      closeSync(this.#file);
      this.#file = file;
      this.#end = bytes.length;
      this.#before = bytes.length;
    } catch (error) {
      closeSync(file);
      throw error;
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #read(): { kept: Kept[]; end: number; damaged: boolean } {
    const bytes = readFileSync(this.#path);
    const kept: Kept[] = [];
    let damaged = false;
    let bad = false;
    let end = 0;
    for (let from = 0; from < bytes.length; ) {
      const feed = bytes.indexOf(0x0a, from);
      if (feed < 0) break;
      const one = this.#parse(bytes.subarray(from, feed));
      if (one === undefined) bad = true;
      else {
        // Damage after the last good line is what a power cut leaves; before one it is not.
        damaged ||= bad;
        kept.push(one);
        end = feed + 1;
      }
      from = feed + 1;
    }
    return { kept, end, damaged };
  }

  #format(line: RevocationLine, group: number): string {
    const text = JSON.stringify([group, line]);
    return `${this.#mac(text).toString('hex')} ${text}\n`;
  }

  #parse(bytes: Buffer): Kept | undefined {
    const mac = Buffer.from(bytes.toString('latin1', 0, 32), 'hex');
    const text = bytes.toString('utf8', 33);
    if (mac.length !== 16 || !timingSafeEqual(mac, this.#mac(text))) return undefined;
    const [group, line] = JSON.parse(text) as [number, RevocationLine];
    return { group, line };
  }

  #mac(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest().subarray(0, 16);
  }
}

/** So that a name outlives a power cut too. Not every system lets a folder be opened. */
export function syncFolder(path: string): void {
  let folder: number;
  try {
    folder = openSync(path, 'r');
  } catch {
    return;
  }
  try {
    fsyncSync(folder);
  } catch {
    // Windows.
  } finally {
    closeSync(folder);
  }
}
