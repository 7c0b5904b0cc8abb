import assert from 'node:assert/strict';
import { buildImage, findSignature, parseImage } from '../../../../lib/esp/index.ts';
import { signV1, signV2 } from '../plan/signed.ts';
import { FUZZ_RUNS, FUZZ_TIMEOUT, fuzz, mutate, type Random } from './fuzz.ts';

const image = buildImage({ kind: 'app', chip: 'esp32c3', size: 2000 });
const { length } = parseImage(image);
const signed = [signV2(image), signV2(image, { version: 3 }, {}), signV1(image)];

describe('signatures, fuzzed', () => {
  it('are found or not; a changed byte of what was signed is never sound', () => {
    let found = 0;
    const make = (random: Random, run: number): Uint8Array =>
      run % 3 === 0 ? random.bytes(random.below(6000)) : mutate(random.pick(signed), random);
    fuzz(make, (bytes) => {
      for (const at of [length, 0, bytes.length, bytes.length + 5000]) {
        const signature = findSignature(bytes, at);
        if (signature === null) continue;
        found++;
        assert.ok(signature.offset < bytes.length);
        assert.equal(signature.blocks.length === 0, signature.scheme === 'v1');
        if (!signature.sound || signature.scheme === 'v1') continue;
        const original = signV2(image).subarray(0, signature.offset);
        assert.deepEqual(bytes.subarray(0, signature.offset), original, 'sound, so it is what was signed');
      }
    });
    assert.ok(found > FUZZ_RUNS / 10, `${found} found`);
  });
}).timeout(FUZZ_TIMEOUT);
