import type { Platform } from '../platform.ts';
import { joinKeys } from './keys.ts';
import { ENTRIES, ENTRY, PAGE, SLOT_WRITTEN, slotAt, slotState, stateWords, viewOf } from './layout.ts';
import type { NvsKeys } from './types.ts';

/**
 * XTS-AES-256 over every written entry of 32 bytes, each a data unit of its own whose number is its offset in the
 * partition. ESP-IDF Programming Guide, "NVS Encryption". Works on `image` in place.
 */
export const encryptImage = (image: Uint8Array, keys: NvsKeys, platform: Platform): void =>
  crypt(image, keys, platform, 'encrypt');

/** The way back, on a copy. */
export function decryptImage(image: Uint8Array, keys: NvsKeys, platform: Platform): Uint8Array {
  // Not slice(): that of a Buffer makes no copy.
  const plain = new Uint8Array(image);
  crypt(plain, keys, platform, 'decrypt');
  return plain;
}

function crypt(image: Uint8Array, keys: NvsKeys, platform: Platform, way: 'encrypt' | 'decrypt'): void {
  const key = joinKeys(keys);
  try {
    for (let at = 0; at < image.length; at += PAGE)
      cryptPage(image, at, (tweak, entry) => {
        const result = platform.aesXts(key, tweak, entry, way);
        entry.set(result);
        result.fill(0);
      });
  } finally {
    key.fill(0);
  }
}

function cryptPage(image: Uint8Array, at: number, one: (tweak: Uint8Array, entry: Uint8Array) => void): void {
  const page = image.subarray(at, at + PAGE);
  const state = viewOf(page).getUint32(0, true);
  if (state !== stateWords.active && state !== stateWords.full && state !== stateWords.freeing) return;
  const tweak = new Uint8Array(16);
  for (let slot = 0; slot < ENTRIES; slot++) {
    if (slotState(page, slot) !== SLOT_WRITTEN) continue;
    viewOf(tweak).setUint32(0, at + slotAt(slot), true);
    one(tweak, page.subarray(slotAt(slot), slotAt(slot) + ENTRY));
  }
}
