import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { md5, sameBytes, sha256, toHex } from '../../../../lib/esp/digest.ts';
import { espCrc32 } from '../../../../lib/esp/formats/index.ts';

const reference = (name: string, bytes: Uint8Array): string => createHash(name).update(bytes).digest('hex');

describe('digests', () => {
  const lengths = [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000];

  it('MD5, SHA-256 and CRC-32 are those of Node at every length that pads differently', () => {
    for (const length of lengths) {
      const bytes = new Uint8Array(length).map((_, i) => i * 7);
      assert.equal(toHex(md5(bytes)), reference('md5', bytes));
      assert.equal(toHex(sha256(bytes)), reference('sha256', bytes));
      assert.equal(espCrc32(bytes), crc32(bytes, 0xffffffff));
    }
  });

  it('and of any bytes, also inside a larger buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(20), (bytes, skip) => {
        const part = bytes.subarray(Math.min(skip, bytes.length));
        assert.equal(toHex(md5(part)), reference('md5', part));
        assert.equal(toHex(sha256(part)), reference('sha256', part));
      }),
    );
  });

  it('compares bytes by length and content', () => {
    assert.ok(sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
    assert.ok(!sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
    assert.ok(!sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1)));
  });
});
