import type { Capability } from './replies.ts';

/** What a function code of PDCAP is about (Annex B). Codes that are not here stay numbers. */
export const CAPABILITIES: Readonly<Record<number, string>> = {
  1: 'contact status monitoring',
  2: 'output control',
  3: 'card data format',
  4: 'LED control',
  5: 'audible output',
  6: 'text output',
  7: 'time keeping',
  8: 'check character',
  9: 'communication security',
  10: 'receive buffer',
  11: 'largest combined message',
  12: 'smart card',
  13: 'readers',
  14: 'biometrics',
  15: 'secure PIN entry',
  16: 'OSDP version',
};

/** What a panel needs to know of PDCAP. */
export interface ReaderFeatures {
  /** AES-128 secure channel (function 9). */
  readonly secureChannel: boolean;
  /** CRC-16 beside the checksum (function 8). */
  readonly crc: boolean;
  /** Longest frame the reader takes, in bytes (function 10); 128 when it does not say. */
  readonly bufferSize: number;
}

export function featuresOf(capabilities: readonly Capability[]): ReaderFeatures {
  const find = (code: number) => capabilities.find((one) => one.function === code);
  const buffer = find(10);
  const size = buffer === undefined ? 0 : buffer.compliance | (buffer.count << 8);
  return {
    secureChannel: ((find(9)?.compliance ?? 0) & 1) !== 0,
    crc: ((find(8)?.compliance ?? 0) & 1) !== 0,
    bufferSize: Math.max(128, size),
  };
}
