import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** What a process did to the files of a folder, in order, and what it said meanwhile. */
export type Act =
  | { readonly act: 'write'; readonly file: string; readonly at: number; readonly bytes: Buffer }
  | { readonly act: 'sync'; readonly file: string }
  | { readonly act: 'truncate'; readonly file: string; readonly size: number }
  | { readonly act: 'make' | 'remove'; readonly file: string }
  | { readonly act: 'say'; readonly text: string };

const CALLS = 'openat,write,pwrite64,fsync,fdatasync,ftruncate,unlink';

/** Records a Node process with strace. @returns undefined where that cannot be had */
export function record(folder: string, script: string, args: readonly string[]): Act[] | undefined {
  const log = join(folder, 'strace.log');
  const options = ['-f', '-y', '-xx', '-s', '70000', '-e', `trace=${CALLS}`, '-o', log];
  const done = spawnSync('strace', [...options, process.execPath, script, ...args], { encoding: 'utf8' });
  if (done.error !== undefined || done.status !== 0) return undefined;
  return parse(readFileSync(log, 'latin1'), join(folder, 'store'));
}

/** Calls that another thread interrupts are told in two halves: they count when they end. */
function parse(log: string, folder: string): Act[] {
  const begun = new Map<string, string>();
  const acts: Act[] = [];
  for (const line of log.split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (rest.endsWith('<unfinished ...>')) {
      begun.set(thread, rest.slice(0, -'<unfinished ...>'.length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const act = actOf(resumed === null ? rest : `${begun.get(thread) ?? ''}${resumed[1]}`, folder);
    if (act !== undefined) acts.push(act);
  }
  return acts;
}

function actOf(call: string, folder: string): Act | undefined {
  const [, name, args = '', result = ''] = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(call) ?? [];
  if (Number(result) < 0) return undefined;
  if (name === 'write' && args.startsWith('1<')) {
    return { act: 'say', text: unhex(/"([^"]*)"/.exec(args)?.[1] ?? '').toString() };
  }
  if (name === 'openat' || name === 'unlink') {
    const path = unhex(/"([^"]*)"/.exec(args)?.[1] ?? '').toString();
    if (dirname(path) !== folder || (name === 'openat' && !args.includes('O_CREAT'))) return undefined;
    return { act: name === 'unlink' ? 'remove' : 'make', file: basename(path) };
  }
  const path = /^\d+<([^>]*)>/
    .exec(args)?.[1]
    ?.replaceAll(/\\x([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  if (path === undefined || dirname(path) !== folder) return undefined;
  const file = basename(path);
  const numbers = args.split(',').slice(-2).map(Number);
  switch (name) {
    case 'pwrite64':
      return { act: 'write', file, at: numbers[1] ?? 0, bytes: unhex(/"([^"]*)"/.exec(args)?.[1] ?? '') };
    case 'fsync':
    case 'fdatasync':
      return { act: 'sync', file };
    case 'ftruncate':
      return { act: 'truncate', file, size: numbers[1] ?? 0 };
    default:
      throw new Error(`A call that the recording does not know: ${name}`);
  }
}

function unhex(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}

/** What of the unsynced writes is on the disk after the power went. */
export type Fate = 'lost' | 'kept' | 'torn';

type Pending = Extract<Act, { act: 'write' | 'truncate' }>;

/** A disk that keeps for certain only what was synced. */
export class Disk {
  readonly #synced = new Map<string, Buffer>();
  readonly #pending = new Map<string, Pending[]>();

  do(act: Act): void {
    switch (act.act) {
      case 'say':
        return;
      case 'make':
        if (!this.#synced.has(act.file)) this.#synced.set(act.file, Buffer.alloc(0));
        return;
      case 'remove':
        this.#synced.delete(act.file);
        this.#pending.delete(act.file);
        return;
      case 'sync':
        this.#synced.set(
          act.file,
          this.#content(act.file, () => 1),
        );
        this.#pending.delete(act.file);
        return;
      default:
        this.#pending.set(act.file, [...(this.#pending.get(act.file) ?? []), act]);
    }
  }

  /** Whether something is not synced: else all fates are one. */
  get pending(): boolean {
    return [...this.#pending.values()].some((acts) => acts.length > 0);
  }

  /** Lays the files down as they are after the power went. */
  crash(folder: string, fate: Fate, random: () => number): void {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    const share = { lost: () => 0, kept: () => 1, torn: () => [0, 1, random()][Math.floor(random() * 3)] ?? 0 }[fate];
    for (const file of this.#synced.keys()) {
      // The shared memory of the WAL does not outlive a crash.
      if (!file.endsWith('-shm')) writeFileSync(join(folder, file), this.#content(file, share));
    }
  }

  /** Each unsynced write applied, left out, or cut at one of its sectors. */
  #content(file: string, share: () => number): Buffer {
    let content: Buffer = Buffer.from(this.#synced.get(file) ?? Buffer.alloc(0));
    for (const act of this.#pending.get(file) ?? []) {
      const part = share();
      if (act.act === 'truncate') {
        if (part > 0) content = sized(content, act.size);
        continue;
      }
      const bytes = act.bytes.subarray(0, part === 1 ? undefined : Math.floor((act.bytes.length * part) / 512) * 512);
      if (bytes.length === 0) continue;
      if (content.length < act.at + bytes.length) content = sized(content, act.at + bytes.length);
      bytes.copy(content, act.at);
    }
    return content;
  }
}

function sized(content: Buffer, size: number): Buffer {
  const other = Buffer.alloc(size);
  content.copy(other);
  return other;
}
