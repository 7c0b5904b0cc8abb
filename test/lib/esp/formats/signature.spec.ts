import assert from 'node:assert/strict';
import { buildImage } from '../../../../lib/esp/formats/build-image.ts';
import { findSignature, parseImage } from '../../../../lib/esp/formats/index.ts';
import { type BlockOptions, signV1, signV2 } from '../plan/signed.ts';

const image = buildImage({ kind: 'app', chip: 'ESP32-C3', size: 9000 });
const { length } = parseImage(image);
const find = (bytes: Uint8Array) => findSignature(bytes, length);

describe('signatures behind images', () => {
  it('finds none where there is none', () => {
    assert.equal(find(image), null);
    for (const fill of [0, 0xff]) {
      const padded = new Uint8Array(0x6000).fill(fill);
      padded.set(image);
      assert.equal(find(padded), null, `padding of ${fill}`);
    }
  });

  it('v2: in the sector after the image', () => {
    const found = find(signV2(image));
    assert.equal(found?.scheme, 'v2');
    assert.equal(found?.offset, 0x3000);
    assert.equal(found?.sound, true);
    assert.deepEqual(
      found?.blocks.map(({ algorithm, digestValid, crcValid }) => [algorithm, digestValid, crcValid]),
      [['RSA-3072', true, true]],
    );
  });

  it('v2: behind an image that fills its last sector', () => {
    const whole = new Uint8Array(0x2000).fill(7);
    assert.equal(findSignature(signV2(whole), 0x2000)?.offset, 0x2000);
  });

  const algorithms: [string, BlockOptions, boolean | null][] = [
    ['RSA-3072', {}, true],
    ['ECDSA-P192', { version: 3, curve: 1 }, true],
    ['ECDSA-P256', { version: 3, curve: 2 }, true],
    ['ECDSA-P384', { version: 3, curve: 3 }, null],
  ];
  for (const [algorithm, options, digestValid] of algorithms) {
    it(`v2: ${algorithm}`, () => {
      const found = find(signV2(image, options));
      assert.deepEqual(
        found?.blocks.map((one) => [one.algorithm, one.digestValid, one.crcValid]),
        [[algorithm, digestValid, true]],
      );
      assert.equal(found?.sound, true);
      assert.equal(found?.blocks[0]?.digest.length, algorithm === 'ECDSA-P384' ? 96 : 64);
    });
  }

  it('v2: three blocks, of which one whole is enough', () => {
    const found = find(signV2(image, { crc: 1 }, { digest: new Uint8Array(32) }, {}));
    assert.deepEqual(
      found?.blocks.map(({ digestValid, crcValid }) => [digestValid, crcValid]),
      [
        [true, false],
        [false, true],
        [true, true],
      ],
    );
    assert.equal(found?.sound, true);
    assert.equal(find(signV2(image, { crc: 1 }, { digest: new Uint8Array(32) }))?.sound, false);
  });

  it('v2: any changed byte of the image, of its padding or of the block is seen', () => {
    const signed = signV2(image);
    for (const at of [40, length - 1, length + 5, 0x3000 + 4, 0x3000 + 500, 0x3000 + 1196]) {
      const bytes = signed.slice();
      bytes[at] = (bytes[at] as number) ^ 1;
      assert.equal(find(bytes)?.sound, false, `offset ${at}`);
    }
  });

  it('v2: an unknown version or curve', () => {
    assert.equal(find(signV2(image, { version: 9 })), null);
    assert.equal(find(signV2(image, { version: 3, curve: 7 }))?.blocks[0]?.algorithm, null);
  });

  it('v2: a block that is cut off is none', () => {
    const signed = signV2(image);
    assert.equal(find(signed.subarray(0, 0x3000 + 1215)), null);
    assert.equal(find(signed.subarray(0, 0x3000 + 1216))?.sound, true);
  });

  it('v1: directly behind the image', () => {
    assert.deepEqual(find(signV1(image)), { scheme: 'v1', offset: length, blocks: [], sound: true });
    assert.equal(find(signV1(image).subarray(0, length + 67)), null);
    const odd = signV1(image);
    odd[length] = 1;
    assert.equal(find(odd), null);
  });
});
