import type { ChipFacts, ChipSecurity } from '../../../../lib/esp/types.ts';
import type { LinkInfo } from '../../../../lib/link/index.ts';

export const open: ChipSecurity = {
  secureBoot: false,
  secureBootScheme: null,
  flashEncryption: false,
  encryption: 'off',
  manualEncryptDisabled: false,
  secureDownload: false,
  flags: 0,
  flashCryptCount: 0,
  keyPurposes: [0, 0, 0, 0, 0, 0, 0],
};

/** An ESP32-C3 as it is found, with other efuses. */
export function chip(security: Partial<ChipSecurity> = {}, more: Partial<ChipFacts> = {}): ChipFacts {
  return {
    name: 'ESP32-C3',
    imageChipId: 5,
    description: 'ESP32-C3 (QFN32) (revision v0.4)',
    revision: 4,
    mac: '60:55:f9:00:00:01',
    features: [],
    crystalMHz: 40,
    flash: { manufacturer: 0x20, device: 0x4016, size: 4 << 20 },
    security: { ...open, ...security },
    bootloaderOffset: 0,
    ...more,
  };
}

export const development: Partial<ChipSecurity> = {
  flashEncryption: true,
  encryption: 'development',
  flashCryptCount: 1,
};
export const release: Partial<ChipSecurity> = {
  flashEncryption: true,
  encryption: 'release',
  flashCryptCount: 7,
  manualEncryptDisabled: true,
};

const info = { hasControlLines: true, hasBaudControl: true, isLocal: true } as const;
export const virtualPort: LinkInfo = { ...info, kind: 'virtual', name: 'virtual:one', address: 'virtual:one' };
export const realPort: LinkInfo = { ...info, kind: 'serial', name: '/dev/ttyUSB0', address: '/dev/ttyUSB0' };
