/** What an NVS partition holds. Espressif, ESP-IDF Programming Guide, "Non-Volatile Storage Library". */

/** Encodings of one entry. Integers by width in bits; `string` without its NUL, at most 3999 bytes of UTF-8. */
export type NvsEncoding = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64' | 'string' | 'blob';

/**
 * 64-bit integers are bigints when parsed, and strings that are no UTF-8 are bytes. Taken are: for integers a number,
 * a bigint or decimal or 0x text; for strings and blobs text or bytes.
 */
export type NvsValue = number | bigint | string | Uint8Array;

/** One key and its value. */
export interface NvsEntry {
  /** NVS namespace, 1–15 bytes. */
  readonly namespace: string;
  /** 1–15 bytes. */
  readonly key: string;
  readonly encoding: NvsEncoding;
  readonly value: NvsValue;
}

/** An entry to be written, whose value may be a secret that is put away under a handle until the chip is flashed. */
export interface NvsItem {
  readonly namespace: string;
  readonly key: string;
  readonly encoding: NvsEncoding;
  /** Exactly one of `value` and `handle`. */
  readonly value?: NvsValue;
  readonly handle?: string;
  /** Blobs: adds a closing NUL where there is none, as parsers of PEM on the chip want it. Default false. */
  readonly terminate?: boolean;
}

/** XTS-AES-256: both keys of an encrypted NVS partition, 32 bytes each. */
export interface NvsKeys {
  readonly encryption: Uint8Array;
  readonly tweak: Uint8Array;
}

/**
 * How an NVS partition is encrypted. `nvs_keys`: the keys lie in a partition of that subtype; they are taken from the
 * handle (64 bytes: encryption key, tweak key), else from the chip where they are there and can be read, else made at
 * random and written. `hmac`: the keys follow from 32 bytes burnt into the chip's efuse, which the handle holds.
 */
export type NvsEncryption =
  | { readonly scheme: 'none' }
  | { readonly scheme: 'nvs_keys'; readonly handle?: string }
  | { readonly scheme: 'hmac'; readonly handle: string };

/** What is to become of an NVS partition. Its bytes are made while flashing, when the secrets are at hand. */
export interface NvsRecipe {
  /** `replace`: a fresh partition. `merge`: the namespaces that items name are replaced, all others stay. */
  readonly mode: 'replace' | 'merge';
  readonly items: readonly NvsItem[];
  /** Merge: NVS namespaces that are emptied though no item names them. */
  readonly clears?: readonly string[];
  readonly encryption: NvsEncryption;
}

/** `corrupt`: torn by a loss of power, or given up on; the chip takes nothing from it and erases it when it needs it. */
export type NvsPageState = 'empty' | 'active' | 'full' | 'freeing' | 'corrupt';

/** One page of 4096 bytes. */
export interface NvsPage {
  readonly state: NvsPageState;
  /** Counts up with every page that is begun; null where the page was not. */
  readonly sequence: number | null;
  /** Of its 126 entries of 32 bytes. */
  readonly used: number;
  readonly erased: number;
  readonly free: number;
}

/** What an NVS image holds. */
export interface NvsContent {
  /** In the order in which they were written. */
  readonly entries: readonly NvsEntry[];
  /** By place in the partition. */
  readonly pages: readonly NvsPage[];
  /** Entries of 32 bytes that hold something, heads and data. */
  readonly usedEntries: number;
  /** All others, the spare page and erased ones among them: what `nvs_get_stats` calls free. */
  readonly freeEntries: number;
  /** What a loss of power left half done, which the chip ignores too. */
  readonly torn: readonly { readonly offset: number; readonly what: string }[];
  /** Whether keys were needed to read it. */
  readonly encrypted: boolean;
}

/** A row of a listing that shows no values. */
export interface NvsListing {
  readonly namespace: string;
  readonly key: string;
  readonly encoding: NvsEncoding;
  /** Length of the value in bytes; strings without their NUL. */
  readonly bytes: number;
}
