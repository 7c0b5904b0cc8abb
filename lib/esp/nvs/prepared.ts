import { isKeywayError } from '../../errors/index.ts';
import { sameBytes } from '../digest.ts';
import type { Platform } from '../platform.ts';
import { checkFit, checkSize, writeImage } from './build.ts';
import { fail } from './errors.ts';
import { sameItems } from './items.ts';
import { decodeNvsKeys, encodeNvsKeys, joinKeys, makeNvsKeys, nvsKeysFromHmac } from './keys.ts';
import { isBlank, type StoredItem } from './layout.ts';
import { mergeItems } from './merge.ts';
import { isPlainNvs, readImage } from './parse.ts';
import type { NvsKeys, NvsRecipe } from './types.ts';

/** What is on the chip before an NVS partition is written. */
export interface NvsOnChip {
  /** The NVS partition as read; null where it was not. Needed to merge. */
  readonly onChip: Uint8Array | null;
  /** The nvs_keys partition as read; null where there is none or it cannot be read. */
  readonly keysOnChip: Uint8Array | null;
}

export interface BuiltNvs {
  /** The whole partition. */
  readonly bytes: Uint8Array;
  /** False when the partition already holds that, so that it need not be written. */
  readonly changed: boolean;
  /** The nvs_keys partition, where it must be written: before the NVS partition. */
  readonly keysPartition?: Uint8Array;
}

/** A recipe whose items are valid and whose secrets are at hand. It belongs to one job on one chip. */
export interface PreparedNvs {
  /** Whether `build` needs the partition as it is on the chip. */
  readonly needsPartition: boolean;
  /** Whether `build` wants the nvs_keys partition as it is on the chip. */
  readonly wantsKeys: boolean;
  /** Sets the size where it was not known. @throws BAD_NVS_SIZE, NVS_TOO_SMALL */
  place(size: number): void;
  /**
   * Makes the bytes. Asked again it gives the same: once a cable was lost while the partition was written, the chip no
   * longer holds what was to be kept.
   * @throws NVS_ENCRYPTED, NVS_WRONG_KEYS, BAD_NVS_KEYS, BAD_NVS, NVS_TOO_SMALL; BAD_NVS_SIZE when there is no size
   */
  build(chip: NvsOnChip): Promise<BuiltNvs>;
  /** Overwrites every secret that is held, and what was built. */
  wipe(): void;
}

/** Where the keys of an encrypted partition come from. */
export type KeySource =
  | { readonly kind: 'none' }
  /** The chip's nvs_keys partition, else new ones. */
  | { readonly kind: 'chip' }
  /** A handle; they are to lie in the nvs_keys partition. */
  | { readonly kind: 'given'; readonly keys: NvsKeys }
  /** They follow from this key, which the chip's efuse holds. */
  | { readonly kind: 'hmac'; readonly key: Uint8Array };

interface Parts {
  readonly mode: NvsRecipe['mode'];
  readonly items: readonly StoredItem[];
  readonly clears: readonly string[];
  readonly source: KeySource;
  readonly platform: Platform;
  /** Everything that `wipe` must overwrite. */
  readonly held: Uint8Array[];
}

/** The keys to write under, those that the chip may have used, and the nvs_keys partition where it must be written. */
interface Keys {
  readonly use?: NvsKeys;
  readonly tried: readonly NvsKeys[];
  readonly partition?: Uint8Array;
}

export class Prepared implements PreparedNvs {
  readonly needsPartition: boolean;
  readonly wantsKeys: boolean;
  readonly #parts: Parts;
  #size: number | undefined;
  #built: Promise<BuiltNvs> | undefined;
  #wiped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.needsPartition = parts.mode === 'merge';
    this.wantsKeys = parts.source.kind === 'chip' || parts.source.kind === 'given';
  }

  place(size: number): void {
    checkSize(size);
    // Also when merging: what is to be stored must fit even where nothing else is.
    checkFit(this.#parts.items, size);
    this.#size = size;
  }

  build(chip: NvsOnChip): Promise<BuiltNvs> {
    this.#built ??= this.#make(chip).catch((error: unknown) => {
      this.#built = undefined;
      throw error;
    });
    return this.#built;
  }

  wipe(): void {
    this.#wiped = true;
    for (const bytes of this.#parts.held) bytes.fill(0);
  }

  async #make({ onChip, keysOnChip }: NvsOnChip): Promise<BuiltNvs> {
    const size = this.#sizeFor(onChip);
    const keys = await this.#keys(keysOnChip);
    if (this.#wiped) {
      // Keys that came meanwhile, too.
      this.wipe();
      throw fail('BAD_NVS_RECIPE', 'The NVS recipe was wiped before it was built.');
    }
    const built = this.#image(size, onChip, keys);
    this.#parts.held.push(built.bytes);
    return keys.partition === undefined ? built : { ...built, keysPartition: keys.partition };
  }

  #sizeFor(onChip: Uint8Array | null): number {
    const size = this.#size;
    if (size !== undefined && (onChip === null || onChip.length === size)) return size;
    const what = size === undefined ? 'has no size yet' : `has ${size} bytes, and ${onChip?.length} were read`;
    throw fail('BAD_NVS_SIZE', `The NVS partition ${what}.`, { detail: { field: 'size', value: size ?? null } });
  }

  async #keys(keysOnChip: Uint8Array | null): Promise<Keys> {
    const { source, platform, held } = this.#parts;
    if (source.kind === 'none') return { tried: [] };
    if (source.kind === 'hmac') {
      const use = await nvsKeysFromHmac(source.key, platform);
      held.push(use.encryption, use.tweak);
      return { use, tried: [use] };
    }
    const there = readKeys(keysOnChip);
    if (there !== undefined) held.push(there.encryption, there.tweak);
    if (source.kind === 'chip' && there !== undefined) return { use: there, tried: [there] };
    const use = source.kind === 'given' ? source.keys : makeNvsKeys(platform);
    held.push(use.encryption, use.tweak);
    const tried = there === undefined ? [use] : [use, there];
    if (there !== undefined && sameKeys(there, use)) return { use, tried: [use] };
    const partition = encodeNvsKeys(use);
    held.push(partition);
    return { use, tried: source.kind === 'given' ? tried : [], partition };
  }

  #image(size: number, onChip: Uint8Array | null, { use, tried }: Keys): BuiltNvs {
    const { mode, items, clears, platform } = this.#parts;
    if (mode === 'replace') {
      const bytes = writeImage(items, { size, keys: use, platform });
      return { bytes, changed: onChip === null || !sameBytes(onChip, bytes) };
    }
    if (onChip === null) {
      throw fail('BAD_NVS_RECIPE', 'There is nothing to merge into: the NVS partition was not read.', {
        hint: 'Replace the partition, or let the chip be read.',
        detail: { field: 'mode', value: 'merge' },
      });
    }
    const old = this.#readOld(onChip, tried);
    const wanted = mergeItems(old.items, items, clears);
    const sameCipher = old.items.length === 0 || old.keys === use;
    if (sameCipher && sameItems(old.items, wanted)) return { bytes: onChip, changed: false };
    return { bytes: writeImage(wanted, { size, keys: use, platform }), changed: true };
  }

  /** What the partition holds, and under which of the keys; a partition that is still plain may become encrypted. */
  #readOld(image: Uint8Array, tried: readonly NvsKeys[]): { items: readonly StoredItem[]; keys?: NvsKeys } {
    if (isBlank(image)) return { items: [] };
    for (const keys of isPlainNvs(image) ? [] : tried) {
      try {
        return { items: this.#read(image, keys), keys };
      } catch (error) {
        if (!isKeywayError(error, 'NVS_WRONG_KEYS') || keys === tried.at(-1)) throw error;
      }
    }
    return { items: this.#read(image) };
  }

  #read(image: Uint8Array, keys?: NvsKeys): readonly StoredItem[] {
    const { platform, held } = this.#parts;
    const { items, copies } = readImage(image, { platform, ...(keys === undefined ? {} : { keys }) });
    held.push(...copies);
    return items;
  }
}

/** Undefined where the partition is blank, damaged, or stored encrypted by the chip. */
function readKeys(bytes: Uint8Array | null): NvsKeys | undefined {
  if (bytes === null) return undefined;
  try {
    return decodeNvsKeys(bytes);
  } catch {
    return undefined;
  }
}

function sameKeys(a: NvsKeys, b: NvsKeys): boolean {
  const [left, right] = [joinKeys(a), joinKeys(b)];
  const same = sameBytes(left, right);
  left.fill(0);
  right.fill(0);
  return same;
}
