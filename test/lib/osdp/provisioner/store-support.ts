import type { StoreFile, StoreFolder } from '../../../../lib/osdp/provisioner/store/index.ts';
import type { Keystore } from '../../../../lib/vault/index.ts';

/** What was done to the folder, in order. */
export type Act =
  | { readonly act: 'write'; readonly file: number; readonly at: number; readonly bytes: Buffer }
  | { readonly act: 'truncate'; readonly file: number; readonly size: number }
  | { readonly act: 'sync'; readonly file: number }
  | { readonly act: 'create'; readonly file: number; readonly name: string }
  | { readonly act: 'rename'; readonly from: string; readonly to: string }
  | { readonly act: 'remove'; readonly name: string }
  | { readonly act: 'sync-folder' }
  | { readonly act: 'mark'; readonly text: string };

/** What the disk does to an act: lets it pass, or fails with an errno. */
export type Trouble = (act: Act) => string | undefined;

/** A disk in memory that keeps for certain only what was synced, and writes down everything that was done to it. */
export class TestDisk {
  readonly acts: Act[] = [];
  trouble: Trouble = () => undefined;
  /** How many turns of the event loop a sync takes. */
  syncTurns = 0;
  readonly #files = new Map<number, Buffer>();
  readonly #names = new Map<string, number>();
  #next = 0;
  locked = false;

  constructor(files: ReadonlyMap<string, Buffer> = new Map()) {
    for (const [name, bytes] of files) {
      this.#files.set(this.#next, Buffer.from(bytes));
      this.#names.set(name, this.#next++);
    }
  }

  /** What a process that lives sees. */
  get content(): Map<string, Buffer> {
    return new Map([...this.#names].map(([name, id]) => [name, this.#files.get(id) as Buffer]));
  }

  /** Notes a moment among the acts. */
  mark(text: string): void {
    this.acts.push({ act: 'mark', text });
  }

  async do(act: Act): Promise<void> {
    await Promise.resolve();
    for (let turn = act.act === 'sync' ? this.syncTurns : 0; turn > 0; turn--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const errno = this.trouble(act);
    if (errno !== undefined) throw Object.assign(new Error(`${errno}: ${act.act}`), { code: errno });
    if (act.act === 'rename') this.#id(act.from);
    if (act.act === 'remove') this.#id(act.name);
    this.acts.push(act);
    switch (act.act) {
      case 'create':
        this.#files.set(act.file, Buffer.alloc(0));
        this.#names.set(act.name, act.file);
        return;
      case 'write':
      case 'truncate':
        this.#files.set(act.file, changed(this.#files.get(act.file) as Buffer, act));
        return;
      case 'rename':
        this.#names.set(act.to, this.#id(act.from));
        this.#names.delete(act.from);
        return;
      case 'remove':
        this.#names.delete(act.name);
    }
  }

  folder(): StoreFolder {
    return {
      path: 'test disk',
      list: async () => [...this.#names.keys()],
      create: async (name) => {
        if (this.#names.has(name)) throw Object.assign(new Error('EEXIST'), { code: 'EEXIST' });
        const file = this.#next++;
        await this.do({ act: 'create', file, name });
        return this.#open(file);
      },
      open: async (name) => this.#open(this.#id(name)),
      rename: (from, to) => this.do({ act: 'rename', from, to }),
      remove: (name) => this.do({ act: 'remove', name }),
      sync: () => this.do({ act: 'sync-folder' }),
      close: async () => undefined,
    };
  }

  #open(file: number): StoreFile {
    const bytes = (): Buffer => this.#files.get(file) as Buffer;
    return {
      read: async () => Buffer.from(bytes()),
      readAt: (at, length) => Buffer.from(bytes().subarray(at, at + length)),
      write: (at, data) => this.do({ act: 'write', file, at, bytes: Buffer.from(data) }),
      truncate: (size) => this.do({ act: 'truncate', file, size }),
      sync: () => this.do({ act: 'sync', file }),
      close: async () => undefined,
    };
  }

  #id(name: string): number {
    const id = this.#names.get(name);
    if (id === undefined) throw Object.assign(new Error(`ENOENT: ${name}`), { code: 'ENOENT' });
    return id;
  }
}

function changed(content: Buffer, act: Extract<Act, { act: 'write' | 'truncate' }>, part = 1): Buffer {
  if (act.act === 'truncate') return sized(content, act.size);
  const bytes = act.bytes.subarray(0, part === 1 ? undefined : Math.floor(act.bytes.length * part));
  if (bytes.length === 0) return content;
  const grown = sized(content, Math.max(content.length, act.at + bytes.length));
  bytes.copy(grown, act.at);
  return grown;
}

function sized(content: Buffer, size: number): Buffer {
  const other = Buffer.alloc(size);
  content.copy(other);
  return other;
}

/** What of the unsynced acts is on the disk after the power went. */
export type Fate = 'lost' | 'kept' | 'torn';
export const FATES: readonly Fate[] = ['lost', 'torn', 'kept'];

/** The disk as the acts so far leave it when the power goes. */
export class Wreck {
  readonly #synced = new Map<number, Buffer>();
  readonly #pending = new Map<number, Extract<Act, { act: 'write' | 'truncate' }>[]>();
  #names = new Map<string, number>();
  #unsyncedNames: Extract<Act, { act: 'create' | 'rename' | 'remove' }>[] = [];

  do(act: Act): void {
    switch (act.act) {
      case 'mark':
        return;
      case 'create':
        this.#synced.set(act.file, Buffer.alloc(0));
        this.#unsyncedNames.push(act);
        return;
      case 'rename':
      case 'remove':
        this.#unsyncedNames.push(act);
        return;
      case 'sync-folder':
        this.#names = named(this.#names, this.#unsyncedNames);
        this.#unsyncedNames = [];
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
    return this.#unsyncedNames.length > 0 || [...this.#pending.values()].some((acts) => acts.length > 0);
  }

  /** Names and contents may reach the disk in any order. */
  files(fate: Fate, random: () => number): Map<string, Buffer> {
    const share = { lost: () => 0, kept: () => 1, torn: () => [0, 1, random()][Math.floor(random() * 3)] ?? 0 }[fate];
    const kept = this.#unsyncedNames.filter(() => fate === 'kept' || (fate === 'torn' && random() < 0.5));
    return new Map([...named(this.#names, kept)].map(([name, file]) => [name, this.#content(file, share)]));
  }

  /** Each unsynced write applied, left out (what follows may still be there, behind zeros), or cut. */
  #content(file: number, share: () => number): Buffer {
    let content: Buffer = this.#synced.get(file) ?? Buffer.alloc(0);
    for (const act of this.#pending.get(file) ?? []) {
      const part = share();
      if (part > 0) content = changed(content, act, part);
    }
    return content;
  }
}

function named(
  names: ReadonlyMap<string, number>,
  acts: readonly Extract<Act, { act: 'create' | 'rename' | 'remove' }>[],
): Map<string, number> {
  const after = new Map(names);
  for (const act of acts) {
    if (act.act === 'create') after.set(act.name, act.file);
    else if (act.act === 'remove') after.delete(act.name);
    else {
      const file = after.get(act.from);
      if (file !== undefined) after.set(act.to, file);
      after.delete(act.from);
    }
  }
  return after;
}

/** Whether a secret is in some bytes: raw, as hex, as base64 of any alignment, or as a JSON list. */
export function findsSecret(bytes: Buffer, secret: Uint8Array): boolean {
  const text = bytes.toString('latin1');
  const raw = Buffer.from(secret);
  const shapes = [raw.toString('latin1'), raw.toString('hex'), raw.toString('hex').toUpperCase(), [...raw].join(',')];
  for (const url of ['base64', 'base64url'] as const) {
    for (let shift = 0; shift < 3; shift++) {
      // Characters that depend on the neighbours are left out.
      const shifted = Buffer.concat([Buffer.alloc(shift), raw]).toString(url);
      shapes.push(shifted.slice(shift === 0 ? 0 : shift + 1, -4));
    }
  }
  return shapes.some((shape) => text.includes(shape));
}

export type { Keystore };
