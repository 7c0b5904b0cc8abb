import assert from 'node:assert/strict';
import { createCipheriv, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { nodePlatform } from '../../../../lib/esp/node.ts';
import {
  buildNvs,
  decodeNvsKeys,
  encodeNvsKeys,
  makeNvsKeys,
  type NvsKeys,
  nvsKeysFrom,
  nvsKeysFromHmac,
} from '../../../../lib/esp/nvs/index.ts';
import { type Platform, webPlatform } from '../../../../lib/esp/platform.ts';
import { blank } from './forge.ts';
import { testKeys } from './samples.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const plainArray = (bytes: Uint8Array): boolean => Object.getPrototypeOf(bytes) === Uint8Array.prototype;
const fixed = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

for (const [name, platform] of [
  ['node', nodePlatform],
  ['web', webPlatform],
] as [string, Platform][]) {
  describe(`ciphers of the ${name} platform`, () => {
    it('number an entry by its offset in the partition, on every page', async () => {
      const keys = testKeys();
      const entries = [{ namespace: 'a', key: 'b', encoding: 'blob' as const, value: new Uint8Array(9000).fill(7) }];
      const [plain, coded] = [
        await buildNvs(entries, { size: 0x5000, platform }),
        await buildNvs(entries, { size: 0x5000, platform, keys }),
      ];
      const key = Buffer.concat([keys.encryption, keys.tweak]);
      for (const at of [64, 4096 + 64, 8192 + 96]) {
        const number = Buffer.alloc(16);
        number.writeUInt32LE(at);
        const cipher = createCipheriv('aes-256-xts', key, number);
        const expected = Buffer.concat([cipher.update(plain.subarray(at, at + 32)), cipher.final()]);
        assert.deepEqual(Buffer.from(coded.subarray(at, at + 32)), expected);
      }
      assert.deepEqual(
        coded.subarray(4096, 4096 + 64),
        plain.subarray(4096, 4096 + 64),
        'what describes a page is plain',
      );
    });

    it('XTS-AES-256 is that of the standard (IEEE 1619, vector 10)', () => {
      const key = hex(
        '2718281828459045235360287471352662497757247093699959574966967627' +
          '3141592653589793238462643383279502884197169399375105820974944592',
      );
      const tweak = hex('ff000000000000000000000000000000');
      const data = Uint8Array.from({ length: 512 }, (_, i) => i & 255);
      const coded = platform.aesXts(key, tweak, data, 'encrypt');
      assert.equal(Buffer.from(coded.subarray(0, 16)).toString('hex'), '1c3b3a102f770386e4836c99e370cf9b');
      assert.deepEqual(platform.aesXts(key, tweak, coded, 'decrypt'), data);
      assert.equal(data[1], 1, 'the data stay as they are');
      assert.ok(plainArray(coded));
    });

    it('XTS-AES-256 is that of Node, at any length of whole blocks', () => {
      fc.assert(
        fc.property(fixed(64), fixed(16), fc.integer({ min: 1, max: 9 }), (key, tweak, blocks) => {
          key[0] = (key[32] ?? 0) ^ 1;
          const data = key.slice(0, 16 * Math.min(blocks, 4));
          const cipher = createCipheriv('aes-256-xts', key, tweak);
          const coded = platform.aesXts(key, tweak, data, 'encrypt');
          assert.deepEqual(Buffer.from(coded), Buffer.concat([cipher.update(data), cipher.final()]));
          assert.deepEqual(platform.aesXts(key, tweak, coded, 'decrypt'), data);
        }),
        { numRuns: 40 },
      );
    });

    it('HMAC-SHA256 is that of Node', async () => {
      for (const [key, data] of [
        [0, 0],
        [1, 1],
        [32, 32],
        [64, 100],
        [65, 3],
        [200, 40_000],
      ]) {
        const [k, d] = [new Uint8Array(key ?? 0).fill(7), new Uint8Array(data ?? 0).fill(9)];
        const mac = await platform.hmacSha256(k, d);
        assert.deepEqual(Buffer.from(mac), createHmac('sha256', k).update(d).digest());
        assert.ok(plainArray(mac));
      }
    });

    it('random bytes differ each time', () => {
      const [a, b] = [platform.random(32), platform.random(32)];
      assert.deepEqual([a.length, plainArray(a), platform.random(0).length], [32, true, 0]);
      assert.notDeepEqual(a, b);
    });
  });
}

describe('keys of encrypted NVS', () => {
  it('HMAC works where there is no WebCrypto', async () => {
    const whole = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
    Object.defineProperty(globalThis, 'crypto', { value: {}, configurable: true });
    try {
      const mac = await webPlatform.hmacSha256(hex('0b'.repeat(20)), Buffer.from('Hi There'));
      assert.match(Buffer.from(mac).toString('hex'), /^b0344c61d8db38535ca8afceaf0bf12b/);
    } finally {
      if (whole) Object.defineProperty(globalThis, 'crypto', whole);
    }
  });

  it('the HMAC scheme makes them of two fixed texts', async () => {
    const key = Uint8Array.from({ length: 32 }, (_, i) => i);
    const seed = (word: string) =>
      createHmac('sha256', key)
        .update(Buffer.from(word.repeat(8), 'hex'))
        .digest();
    const made = await nvsKeysFromHmac(key, webPlatform);
    assert.deepEqual(Buffer.from(made.encryption), seed('5a5abeae'));
    assert.deepEqual(Buffer.from(made.tweak), seed('a5a5dece'));
    await assert.rejects(nvsKeysFromHmac(new Uint8Array(31), nodePlatform), { code: 'BAD_NVS_KEYS' });
  });

  it('made ones are written and read', () => {
    const keys = makeNvsKeys(nodePlatform);
    const partition = encodeNvsKeys(keys);
    assert.equal(partition.length, 4096);
    assert.deepEqual(decodeNvsKeys(partition), keys);
    assert.deepEqual(decodeNvsKeys(partition.subarray(0, 68)), keys);
    assert.deepEqual(nvsKeysFrom(partition.subarray(0, 64)), keys);
  });

  it('of a wrong length, checksum or kind are refused', () => {
    const refuses = (run: () => unknown, what: RegExp): void => {
      assert.throws(
        run,
        (error: Error & { code: string }) => error.code === 'BAD_NVS_KEYS' && what.test(error.message),
      );
    };
    for (const length of [0, 63, 65, 4096])
      refuses(() => nvsKeysFrom(blank(length)), new RegExp(`have ${length} bytes`));
    refuses(() => nvsKeysFrom(new Uint8Array(64)), /are equal/);
    refuses(() => decodeNvsKeys(blank(67)), /67 bytes/);
    refuses(() => decodeNvsKeys(blank(4096)), /blank/);
    refuses(() => decodeNvsKeys(new Uint8Array(4096)), /checksum/);
    const { encryption, tweak } = testKeys();
    const bad: NvsKeys[] = [
      { encryption, tweak: encryption },
      { encryption: encryption.subarray(1), tweak },
      { encryption, tweak: new Uint8Array(33) },
    ];
    for (const keys of bad) refuses(() => encodeNvsKeys(keys), /are equal|have \d+ and \d+ bytes/);
  });
});
