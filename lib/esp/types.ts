/** What flashing speaks in: chips, images, plans, progress. Plain data that survives JSON, but for the bytes. */
import type { NvsRecipe } from './nvs/types.ts';

export interface ChipFacts {
  /** The family as Espressif writes it: "ESP32-C3". */
  readonly name: string;
  /** `IMAGE_CHIP_ID` of the family; null for the ESP8266, whose images carry none. */
  readonly imageChipId: number | null;
  /** Package and revision in words: "ESP32-C3 (QFN32) (revision v0.4)". */
  readonly description: string;
  /** major × 100 + minor, as image headers count it; null where it cannot be read. */
  readonly revision: number | null;
  /** Base MAC from efuse, lower case, colons; null in secure download mode. */
  readonly mac: string | null;
  readonly features: readonly string[];
  readonly crystalMHz: number | null;
  /** Null where the flash chip cannot be asked (secure download mode). `size` in bytes, null when unknown. */
  readonly flash: { readonly manufacturer: number; readonly device: number; readonly size: number | null } | null;
  readonly security: ChipSecurity;
  /** Where the second-stage bootloader belongs. */
  readonly bootloaderOffset: number;
}

/** What is burnt into the security efuses. */
export interface ChipSecurity {
  readonly secureBoot: boolean;
  /** Which kind of signature it wants: `v1` only on the ESP32; null when secure boot is off. */
  readonly secureBootScheme: 'v1' | 'v2' | null;
  /** Flash encryption is on (an odd number of bits in the efuse counter). */
  readonly flashEncryption: boolean;
  /**
   * `development`: on, and the loader may still write through it. `release`: on for good, the counter being full, or
   * the loader's encryption being disabled.
   */
  readonly encryption: 'off' | 'development' | 'release';
  /** The loader no longer encrypts what it writes; null where that cannot be read. */
  readonly manualEncryptDisabled: boolean | null;
  readonly secureDownload: boolean;
  /** GET_SECURITY_INFO flags, or null where the chip does not know the command. */
  readonly flags: number | null;
  /** The efuse counter: 7 bits on the ESP32, 3 on later families; null where the chip has none. */
  readonly flashCryptCount: number | null;
  /** What each key block is for, as the efuse numbers it; null where the chip does not say. */
  readonly keyPurposes: readonly number[] | null;
}

/** What the bytes of a region are. */
export type RegionKind = 'bootloader' | 'partition-table' | 'otadata' | 'app' | 'nvs' | 'nvs-keys' | 'data' | 'merged';

/** Bytes that belong at an offset of the flash. */
export interface Region {
  readonly offset: number;
  readonly data: Uint8Array;
  /** For people: a file name or a partition label. */
  readonly name: string;
  readonly kind: RegionKind;
}

/** A range to erase. */
export interface EraseRange {
  /** Multiples of 4096. */
  readonly offset: number;
  readonly size: number;
  readonly name: string;
}

/** What is to be flashed, wherever it was read from. */
export interface ImageSet {
  readonly name: string;
  readonly version?: string;
  /** Family the set says it is for; absent when it does not say. */
  readonly chip?: string;
  readonly source: 'files' | 'web-tools' | 'flasher-args' | 'folder' | 'merged' | 'built';
  readonly regions: readonly Region[];
  readonly erase: readonly EraseRange[];
}

/** One thing to do to the flash. */
export interface PlanStep {
  readonly action: 'erase' | 'write';
  readonly offset: number;
  /** Bytes touched, rounded up to whole sectors for an erase. */
  readonly size: number;
  readonly name: string;
  readonly kind: RegionKind | 'erase';
  /** Lower-case hex; writes only. */
  readonly sha256?: string;
  /** Lower-case hex; writes only. What the flash must answer after. */
  readonly md5?: string;
  /**
   * The bytes; writes only. Left out of a plan that is only to be looked at, where `nvs` says how to make them, and of
   * an `nvs-keys` step whose keys come with the NVS partitions that it belongs to.
   */
  readonly data?: Uint8Array;
  /** The bytes are made from this while flashing, and no sooner; kind `nvs` only. `size` is the partition's. */
  readonly nvs?: NvsRecipe;
  /** Written through the chip's flash encryption, whose result only the chip can read. */
  readonly encrypt?: boolean;
}

/** What is to be done to a flash, in order; made by `planFlash`. */
export interface FlashPlan {
  readonly name: string;
  readonly version?: string;
  readonly chip?: string;
  /**
   * In the order they are carried out: otadata erase, other erases, NVS keys, NVS and data, partition table, apps,
   * otadata that chooses one, bootloader last.
   */
  readonly steps: readonly PlanStep[];
  /** Partitions that no step touches, by label: of the table to be written, else of the one on the chip once known. */
  readonly keeps: readonly { readonly name: string; readonly offset: number; readonly size: number }[];
  /** Bytes to write, uncompressed. */
  readonly bytes: number;
  /** Guards that were met and forced, and things worth knowing. */
  readonly notes: readonly { readonly code: string; readonly message: string }[];
  /** Guard codes the caller chose to override. */
  readonly force: readonly string[];
  /** NVS partitions whose place is only in the table on the chip: placed once that was read. */
  readonly unplaced?: readonly UnplacedNvs[];
  /** Labels of partitions that must come out as they went in. */
  readonly keep?: readonly string[];
  /** What to do when the chip encrypts its flash: `refuse` (default), or write through its encryption. */
  readonly encryption?: 'refuse' | 'encrypt';
  /** Whether all is written, also what the chip holds already: whatever the options of the flash session say. */
  readonly rewrite?: boolean;
}

/** An NVS partition that is known by its label alone. */
export interface UnplacedNvs {
  readonly partition: string;
  readonly nvs: NvsRecipe;
}

/** What an operation is at. */
export type FlashPhase =
  | 'connect'
  | 'detect'
  | 'stub'
  | 'compress'
  | 'erase'
  | 'write'
  | 'verify'
  | 'read'
  | 'reset'
  | 'wait';

/** Progress of a long operation, as DESIGN §6 has it. */
export interface Progress {
  readonly phase: FlashPhase;
  readonly done: number;
  readonly total: number;
  readonly unit: 'B' | 'steps';
  /** Units a second over the last seconds; null at first. */
  readonly rate: number | null;
  readonly secondsLeft: number | null;
  /** What is being worked on: a region's name. */
  readonly item?: string;
}

/** What was done, and how it went. */
export interface FlashResult {
  readonly chip: ChipFacts;
  readonly steps: readonly {
    readonly action: 'erase' | 'write';
    readonly offset: number;
    readonly size: number;
    readonly name: string;
    /** Bytes that crossed the line for it, both ways. */
    readonly wireBytes: number;
    readonly md5?: string;
    /** False where the chip cannot or must not be asked what it holds; a note says why. */
    readonly verified: boolean;
    /** `skipped`: it was right already. `patched`: only the sectors that differ were written. */
    readonly outcome: 'written' | 'patched' | 'skipped' | 'erased';
    /** Bytes that were written: 0 when skipped, whole sectors when patched. */
    readonly written: number;
    /** How often it was written: more than 1 after a fault that only the MD5 showed, 0 when skipped. */
    readonly attempts: number;
    /** Blocks sent again because the chip found their checksum wrong: a measure of the line. */
    readonly resent: number;
  }[];
  readonly bytes: number;
  readonly wireBytes: number;
  readonly seconds: number;
  /** The rate at the end; lower than asked for when the line did not carry that. */
  readonly baudRate: number;
  /** How often the port was lost and found again. */
  readonly resumed: number;
  /** Whether the chip was restarted into its firmware; false when not asked for or the link has no control lines. */
  readonly restarted: boolean;
  /** Guards that were met and overridden, of the plan and of the chip. */
  readonly notes: FlashPlan['notes'];
}
