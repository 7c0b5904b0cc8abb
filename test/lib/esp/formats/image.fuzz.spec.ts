import assert from 'node:assert/strict';
import {
  buildImage,
  checkImage,
  demoMessage,
  isDemoImage,
  parseImage,
  recogniseRegion,
  sha256,
} from '../../../../lib/esp/index.ts';
import { FUZZ_TIMEOUT, fuzz, mutate, type Random } from './fuzz.ts';

const images = [
  buildImage({ kind: 'app', chip: 'esp32c3', message: 'hello' }),
  buildImage({ kind: 'bootloader', chip: 'esp32' }),
];

/** Makes checksum and hash right again, where the segments still lead to them. */
function repair(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 24;
  let sum = 0xef;
  for (let left = bytes[1] ?? 0; left > 0; left--) {
    if (at + 8 > bytes.length) return bytes;
    const length = view.getUint32(at + 4, true);
    if (at + 8 + length > bytes.length) return bytes;
    for (let i = at + 8; i < at + 8 + length; i++) sum ^= bytes[i] as number;
    at += 8 + length;
  }
  const footer = at + 16 - (at % 16);
  if (footer > bytes.length) return bytes;
  bytes[footer - 1] = sum;
  if (footer + 32 <= bytes.length) bytes.set(sha256(bytes.subarray(0, footer)), footer);
  return bytes;
}

describe('image, fuzzed', () => {
  it('reads or refuses; what it reads lies inside the bytes', () => {
    let sound = 0;
    const make = (random: Random, run: number): Uint8Array => {
      if (run % 2 === 1) return repair(mutate(random.pick(images), random));
      const bytes = random.bytes(random.below(200));
      if (bytes.length > 24 && !random.chance(4)) bytes.set([0xe9, 1 + random.below(3)]);
      return bytes;
    };
    fuzz(make, (bytes) => {
      recogniseRegion(0x10000, bytes);
      const message = demoMessage(bytes);
      assert.equal(isDemoImage(bytes), message !== null);
      if (checkImage(bytes).ok) sound++;
      const image = parseImage(bytes);
      assert.ok(image.length <= bytes.length);
      for (const { offset, length } of image.segments) assert.ok(offset + length <= bytes.length);
    });
    assert.ok(sound > 0, 'some of the mutated images are sound');
  });
}).timeout(FUZZ_TIMEOUT);
