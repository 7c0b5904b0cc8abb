import type { RegionKind } from '../types.ts';

/** Bytes to write in one go, verified as a whole. */
export interface WriteRegion {
  /** A multiple of 4096. */
  readonly offset: number;
  readonly data: Uint8Array;
  readonly name: string;
  readonly kind?: RegionKind | 'erase';
  /** Lower-case hex; computed when absent. */
  readonly md5?: string;
  /** Written through the chip's flash encryption; what lies there then cannot be verified. */
  readonly encrypt?: boolean;
}

/** A run of sectors, from the start of its region. */
export interface SectorRange {
  readonly offset: number;
  readonly size: number;
}

/** How to cancel a write, and whom to tell. */
export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  /** Sectors that differ from what the flash holds; only they are written, unless the MD5 shows that more differs. */
  readonly changed?: readonly SectorRange[] | undefined;
  /** Uncompressed bytes of the region that are written. */
  readonly onBytes?: (done: number) => void;
  readonly onPhase?: (phase: 'compress' | 'erase' | 'verify') => void;
  /** The region is begun: once, and again after a fault. `whole` is false while only changed sectors are written. */
  readonly onAttempt?: (whole: boolean) => void;
  /** So many bytes more, uncompressed, were given to the flash. */
  readonly onSent?: (bytes: number) => void;
  readonly onResent?: () => void;
}

/** How a write went. */
export interface WriteResult {
  readonly md5: string;
  /** How often the region was written; more than 1 after a fault that only its MD5 showed. */
  readonly attempts: number;
  /** Blocks sent again because the stub found their checksum wrong: a measure of the line. */
  readonly resent: number;
  readonly wireBytes: number;
  /** Whether the MD5 of what the flash holds was compared: not where it is encrypted, nor in secure download mode. */
  readonly verified: boolean;
}

/** Whether the bytes may hold secrets: they are neither kept nor made ahead of time. */
export function isSecret({ kind }: Pick<WriteRegion, 'kind'>): boolean {
  return kind === 'nvs' || kind === 'nvs-keys';
}
