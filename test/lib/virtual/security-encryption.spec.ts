import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { isKeywayError } from '../../../lib/errors/index.ts';
import { demoImageSet } from '../../../lib/esp/formats/index.ts';
import { ESP32_CIPHER, XTS_CIPHER } from '../../../lib/virtual/chip/flash-cipher.ts';
import { Bench, dataBlock, esptoolJsStub, noise, words } from './bench.ts';

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const KEY_64 = Uint8Array.from({ length: 64 }, (_, i) => i);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A chip whose flash encryption is on, development mode. */
const encrypted = { flashCryptCount: 1, encryptionKey: KEY } as const;
const release = { ...encrypted, manualEncryptDisabled: true } as const;

async function loader(options: ConstructorParameters<typeof Bench>[0]): Promise<Bench> {
  const bench = new Bench(options);
  await bench.reset();
  await bench.sync();
  await bench.ok(0x0d, words(0, 0));
  return bench;
}

const status = (body: Uint8Array): string => hex(body.slice(-4));

describe('virtual chip: flash cipher', () => {
  it('stores what espsecure stores', () => {
    const plain = Uint8Array.from({ length: 48 }, (_, i) => 0x40 + i);
    for (const [cipher, key, offset, stored] of [
      [
        ESP32_CIPHER,
        KEY,
        0x10020,
        '68e51b3edc6cc2bbba47db8ee0500ee6a8b5b9773da6a65a9725a2677f3a05e75a5779b00514b55cebb301b61bcedec9',
      ],
      [
        XTS_CIPHER,
        KEY,
        0x10010,
        '12c0a0c4abe93022ef4428cae71788df2aa20e2f8f71181734eb4977ce6dcf7e039573ed3cf6dc72130461e45d1f72e8',
      ],
      [
        XTS_CIPHER,
        KEY_64,
        0x10070,
        'd93dcea0253a38a65798458a49ce495fcad64f51444746e20926c54aa7ce0467960414d4d66373197cd555240cd160b7',
      ],
    ] as const) {
      assert.equal(hex(cipher.encrypt(key, offset, plain)), stored);
      assert.equal(hex(cipher.decrypt(key, offset, Buffer.from(stored, 'hex'))), hex(plain));
    }
  });

  it('decrypts what it encrypted, whichever way it is cut, and leaves its input alone', () => {
    const ciphers = fc.constantFrom(
      [ESP32_CIPHER, KEY] as const,
      [XTS_CIPHER, KEY] as const,
      [XTS_CIPHER, KEY_64] as const,
    );
    fc.assert(
      fc.property(ciphers, fc.nat(0xffff), fc.nat(20), fc.nat(20), ([cipher, key], block, first, second) => {
        const offset = block * 16;
        const plain = Buffer.from(noise((first + second) * 16, block + 1));
        const kept = hex(plain);
        const stored = cipher.encrypt(key, offset, plain);
        assert.equal(hex(plain), kept);
        const parts = [
          cipher.encrypt(key, offset, plain.subarray(0, first * 16)),
          cipher.encrypt(key, offset + first * 16, plain.subarray(first * 16)),
        ];
        assert.equal(hex(Buffer.concat(parts)), hex(stored));
        assert.equal(hex(cipher.decrypt(key, offset, Buffer.from(stored))), kept);
      }),
      { numRuns: 60 },
    );
  });
});

describe('virtual chip: flash encryption in the ROM loader', () => {
  for (const model of ['esp32s3', 'esp32c3']) {
    it(`${model}: encrypts what the fifth word of FLASH_BEGIN asks for, and reads back what is stored`, async () => {
      const bench = await loader({ model, security: encrypted });
      const plain = noise(0x800);
      await bench.ok(0x02, words(0x800, 2, 0x400, 0x10000, 1));
      await bench.ok(0x03, ...dataBlock(plain.subarray(0, 0x400), 0));
      await bench.ok(0x03, ...dataBlock(plain.subarray(0x400), 1));
      const stored = XTS_CIPHER.encrypt(KEY, 0x10000, plain);
      assert.equal(hex(bench.chip.flash.subarray(0x10000, 0x10800)), hex(stored));
      const read = await bench.ok(0x0e, words(0x10040, 64));
      assert.equal(hex(read.body.slice(0, 64)), hex(stored.subarray(0x40, 0x80)));
      const md5 = await bench.ok(0x13, words(0x10000, 0x800, 0, 0));
      assert.equal(Buffer.from(md5.body.slice(0, 32)).toString(), createHash('md5').update(stored).digest('hex'));
      await bench.ok(0x02, words(0x400, 1, 0x400, 0x20000, 0));
      await bench.ok(0x03, ...dataBlock(plain.subarray(0, 0x400), 0));
      assert.equal(hex(bench.chip.flash.subarray(0x20000, 0x20400)), hex(plain.subarray(0, 0x400)));
    });
  }

  it('encrypts a deflated write, whatever pieces it comes out in', async () => {
    const bench = await loader({ model: 'esp32s3', security: { flashCryptCount: 7, encryptionKey: KEY_64 } });
    const plain = noise(3001 * 16).map((byte, i) => (i % 3 === 0 ? byte : 7));
    const packed = deflateSync(plain);
    const blocks = Math.ceil(packed.length / 0x400);
    await bench.ok(0x10, words(plain.length, blocks, 0x400, 0x10000, 1));
    for (let i = 0; i < blocks; i++) {
      await bench.ok(0x11, ...dataBlock(packed.subarray(i * 0x400, (i + 1) * 0x400), i));
    }
    const stored = bench.chip.flash.subarray(0x10000, 0x10000 + plain.length);
    assert.equal(Buffer.compare(stored, XTS_CIPHER.encrypt(KEY_64, 0x10000, plain)), 0);
  });

  it('refuses with 0164 where manual encryption is disabled, no key is burnt or the offset is askew', async () => {
    for (const [security, offset] of [
      [release, 0x10000],
      [{}, 0x10000],
      [encrypted, 0x10008],
    ] as const) {
      const bench = await loader({ model: 'esp32c3', security });
      bench.chip.flash.fill(0x5a);
      const { op, body } = await bench.ask(0x02, words(0x400, 1, 0x400, offset, 1));
      assert.equal(op, 0x02);
      assert.equal(status(body), '01640000');
      assert.equal(bench.chip.flash[offset], 0x5a, 'nothing was erased');
      await bench.ok(0x02, words(0x400, 1, 0x400, offset, 0));
    }
  });

  it('refuses a block that is not whole units with 0108', async () => {
    const bench = await loader({ model: 'esp32c3', security: encrypted });
    await bench.ok(0x02, words(0x400, 1, 0x400, 0x10000, 1));
    const { body } = await bench.ask(0x03, ...dataBlock(noise(100), 0));
    assert.equal(status(body), '01080000');
  });

  it('has no fifth word on ESP32', async () => {
    const bench = await loader({ model: 'esp32', security: encrypted });
    const { body } = await bench.ask(0x02, words(0x400, 1, 0x400, 0x10000, 1));
    assert.equal(status(body), '01050000');
    await bench.ok(0x02, words(0x400, 1, 0x400, 0x10000));
  });
});

describe('virtual chip: flash encryption in the stub', () => {
  for (const [model, cipher] of [
    ['esp32', ESP32_CIPHER],
    ['esp32s3', XTS_CIPHER],
    ['esp32c3', XTS_CIPHER],
  ] as const) {
    it(`${model}: encrypts plain and deflated writes, and answers for what is stored`, async () => {
      const bench = new Bench({ model, security: encrypted });
      await bench.startStub(esptoolJsStub(model));
      const plain = noise(0x6000).map((byte, i) => (i % 2 === 0 ? byte : 0x11));
      await bench.ok(0x02, words(plain.length, 2, 0x4000, 0x10000, 1));
      await bench.ok(0x03, ...dataBlock(plain.subarray(0, 0x4000), 0));
      await bench.ok(0x03, ...dataBlock(plain.subarray(0x4000), 1));
      const packed = deflateSync(plain);
      await bench.ok(0x10, words(plain.length, Math.ceil(packed.length / 0x4000), 0x4000, 0x20000, 1));
      for (let i = 0; i * 0x4000 < packed.length; i++) {
        await bench.ok(0x11, ...dataBlock(packed.subarray(i * 0x4000, (i + 1) * 0x4000), i));
      }
      for (const offset of [0x10000, 0x20000]) {
        const stored = cipher.encrypt(KEY, offset, plain);
        const md5 = await bench.ok(0x13, words(offset, plain.length, 0, 0));
        assert.equal(hex(md5.body.slice(0, 16)), createHash('md5').update(stored).digest('hex'));
        assert.equal(Buffer.compare(bench.chip.flash.subarray(offset, offset + plain.length), stored), 0);
      }
    });
  }

  it('fails the work, not the block, where manual encryption is disabled: C400 with the next command', async () => {
    const bench = new Bench({ model: 'esp32', security: release });
    await bench.startStub(esptoolJsStub('esp32'));
    await bench.ok(0x02, words(0x1000, 1, 0x4000, 0x10000, 1));
    await bench.ok(0x03, ...dataBlock(noise(0x1000), 0));
    const { body } = await bench.ask(0x13, words(0x10000, 0x1000, 0, 0));
    assert.equal(hex(body.slice(-2)), 'c400');
  });
});

describe('virtual chip: boot under flash encryption', () => {
  /** What a chip prints and how its boot ends, with the demo set in its flash, encrypted or not. */
  async function boot(
    model: string,
    chip: string,
    options: { through: boolean; security: object; revision?: { major: number; minor: number }; askew?: boolean },
  ): Promise<{ log: string; bench: Bench }> {
    const cipher = model === 'esp32' ? ESP32_CIPHER : XTS_CIPHER;
    const flash = new Uint8Array(0x400000).fill(0xff);
    for (const { offset, data } of demoImageSet(chip, 'ota', { size: 40_000 }).regions) {
      const padded = new Uint8Array(Math.ceil(data.length / 32) * 32).fill(0xff);
      padded.set(data);
      flash.set(options.through ? cipher.encrypt(KEY, offset, padded) : padded, offset);
    }
    const { revision } = options;
    const bench = new Bench({
      model,
      flash,
      security: options.security,
      ...(revision === undefined ? {} : { revision }),
    });
    await bench.clock.advance(1500);
    return { log: bench.log.join('\n'), bench };
  }

  for (const [model, chip, left] of [
    ['esp32', 'ESP32', 3],
    ['esp32s3', 'ESP32-S3', 1],
    ['esp32c3', 'ESP32-C3', 1],
  ] as const) {
    it(`${model}: sees bootloader, table, otadata and app decrypted`, async () => {
      const { log } = await boot(model, chip, { through: true, security: encrypted });
      assert.match(log, /Loaded app from partition at offset 0x140000/);
      assert.match(log, new RegExp(`flash_encrypt: flash encryption is enabled \\(${left} plaintext flashes left\\)`));
      assert.match(log, /keyway-demo: Hello/);
    });

    it(`${model}: finds no header in what was written plain, nor in ciphertext once encryption is off`, async () => {
      for (const [through, flashCryptCount] of [
        [false, 1],
        [true, 3],
      ] as const) {
        const { log } = await boot(model, chip, { through, security: { encryptionKey: KEY, flashCryptCount } });
        assert.match(log, /invalid header: 0x[0-9a-f]{8}/);
        assert.doesNotMatch(log, /entry 0x/);
      }
    });
  }

  it('says it in the words of the ROM that ESP32 had before revision 3', async () => {
    const old = { major: 1, minor: 0 };
    const { log } = await boot('esp32', 'ESP32', { through: false, security: encrypted, revision: old });
    assert.match(log, /^ets Jun {2}8 2016 00:22:57\n\nrst:0x1 \(POWERON_RESET\),boot:0x13 \(SPI_FAST_FLASH_BOOT\)\n/);
    assert.match(log, /flash read err, 1000\nets_main\.c 371/);
    assert.doesNotMatch(log, /invalid header/);
  });

  it('is on with one bit or three of the counter, and off with none or two', async () => {
    for (const [flashCryptCount, on] of [
      [0, false],
      [1, true],
      [3, false],
      [7, true],
    ] as const) {
      const { log } = await boot('esp32c3', 'ESP32-C3', {
        through: on,
        security: { encryptionKey: KEY, flashCryptCount },
      });
      assert.match(log, /Hello/);
      assert.equal(/flash encryption is enabled/.test(log), on);
    }
  });

  it('takes erased otadata for damaged: what is blank is not blank once decrypted', async () => {
    const flash = new Uint8Array(0x400000).fill(0xff);
    for (const { offset, data } of demoImageSet('ESP32-C3', 'factory', { size: 40_000 }).regions) {
      const padded = new Uint8Array(Math.ceil(data.length / 32) * 32).fill(0xff);
      padded.set(data);
      flash.set(XTS_CIPHER.encrypt(KEY, offset, padded), offset);
    }
    const bench = new Bench({ flash, security: encrypted });
    await bench.clock.advance(1500);
    assert.match(bench.log.join('\n'), /ota data partition invalid, falling back to factory[\s\S]*Hello/);
  });

  it('refuses an XTS key whose halves are the same', () => {
    const encryptionKey = new Uint8Array(32).fill(7);
    assert.throws(
      () => new Bench({ security: { encryptionKey } }),
      (error) => isKeywayError(error, 'BAD_CHIP_OPTION'),
    );
    assert.doesNotThrow(() => new Bench({ model: 'esp32', security: { encryptionKey } }));
  });

  it('draws a key of its own when it is given none', async () => {
    const chips = [new Bench({ security: { flashCryptCount: 1 } }), new Bench({ security: { flashCryptCount: 1 } })];
    for (const bench of chips) {
      await bench.reset();
      await bench.sync();
      await bench.ok(0x0d, words(0, 0));
      await bench.ok(0x02, words(0x400, 1, 0x400, 0x10000, 1));
      await bench.ok(0x03, ...dataBlock(noise(0x400), 0));
    }
    const [a, b] = chips.map(({ chip }) => hex(chip.flash.subarray(0x10000, 0x10400)));
    assert.notEqual(a, b);
    assert.notEqual(a, hex(noise(0x400)));
  });
});
