import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { isKeywayError } from '../../../lib/errors/index.ts';
import { demoImageSet } from '../../../lib/esp/formats/index.ts';
import {
  type BootEnd,
  CHIP_MODELS,
  ManualClock,
  VirtualChip,
  type VirtualChipOptions,
} from '../../../lib/virtual/index.ts';
import { Bench, dataBlock, esptoolJsStub, noise, words } from './bench.ts';
import { hex, inRom, MAC, register, SPI, spi, write } from './registers.ts';

/** What a chip prints and comes to when it starts from this flash. */
async function boot(model: string, flash: Uint8Array): Promise<{ log: string; end: BootEnd | undefined }> {
  const clock = new ManualClock();
  const chip = new VirtualChip({ model, mac: MAC, flash, clock });
  const lines: string[] = [];
  let end: BootEnd | undefined;
  chip.on('log', (line) => lines.push(line));
  chip.once('booted', (how) => {
    end = how;
  });
  await clock.advance(1500);
  chip.powerOff();
  return { log: lines.join('\n'), end };
}

describe('virtual chip: each model', () => {
  it('is there', () => {
    assert.deepEqual([...CHIP_MODELS], ['esp32', 'esp32s3', 'esp32c3']);
    for (const spelling of ['ESP32-S3', 'esp32s3', ' Esp32_S3 ']) {
      const clock = new ManualClock();
      assert.equal(new VirtualChip({ model: spelling, mac: MAC, clock }).model.id, 'esp32s3');
    }
  });

  for (const [model, magic, base] of [
    ['esp32', 0x00f01d83, 0x3ff42000],
    ['esp32s3', 0x00000009, 0x60002000],
    ['esp32c3', 0x1b31506f, 0x60002000],
  ] as const) {
    it(`${model}: tells itself by its magic, and its flash by id and SFDP once it is attached`, async () => {
      const bench = await inRom({ model, flashSize: 0x800000 });
      const msb = model === 'esp32';
      assert.equal(await register(bench, 0x40001000), magic);
      assert.equal(base, SPI[model].base);
      assert.equal(await spi(bench, 0x9f, 24), 0xffffff, 'not attached');
      await bench.ok(0x0d, words(0, 0));
      assert.equal(await spi(bench, 0x9f, 24), 0x1740ef);
      assert.equal(await spi(bench, 0x5a, 32, { address: 0, msb }), 0x50444653);
      assert.equal(await spi(bench, 0x5a, 8, { address: 0x10, msb }), 0xff);
    });

    it(`${model}: takes its own stub, and no other chip's`, async () => {
      const bench = new Bench({ model, mac: MAC });
      await bench.startStub(esptoolJsStub(model));
      const wrong = await inRom({ model });
      const { segments, entry } = esptoolJsStub(model === 'esp32' ? 'esp32c3' : 'esp32');
      for (const { address, bytes } of segments) {
        const begin = hex((await wrong.ask(0x05, words(bytes.length, 2, 0x1800, address))).body);
        if (begin !== '00000000') {
          assert.equal(begin, '010f0000', 'no RAM there');
          return;
        }
        for (const [i, at] of [0, 0x1800].entries()) {
          if (at < bytes.length) await wrong.ok(0x07, ...dataBlock(bytes.subarray(at, at + 0x1800), i));
        }
      }
      await wrong.ask(0x06, words(0, entry));
      await wrong.clock.advance(50);
      assert.match(wrong.text, /Guru Meditation|Fatal exception/);
    });

    it(`${model}: writes, deflated and plain, reads and sums without a stub`, async () => {
      const bench = await inRom({ model });
      const begin = (...values: number[]): Uint8Array => words(...values, ...(model === 'esp32' ? [] : [0]));
      await bench.ok(0x0d, words(0, 0));
      await bench.ok(0x0b, words(0, 0x400000, 0x10000, 0x1000, 0x100, 0xffff));
      const plain = noise(700);
      bench.chip.flash.fill(0, 0x300000, 0x303000);
      await bench.ok(0x02, begin(0x400, 1, 0x400, 0x300000));
      assert.ok(
        bench.chip.flash.subarray(0x300000, 0x301000).every((byte) => byte === 0xff),
        'erased up front',
      );
      assert.equal(bench.chip.flash[0x301000], 0);
      await bench.ok(0x03, ...dataBlock(plain, 0));
      await bench.ok(0x10, begin(0x400, 1, 0x400, 0x301000));
      await bench.ok(0x11, ...dataBlock(deflateSync(plain), 0));
      for (const offset of [0x300000, 0x301000]) {
        const { body } = await bench.ok(0x13, words(offset, plain.length, 0, 0));
        assert.equal(
          Buffer.from(body.subarray(0, 32)).toString(),
          createHash('md5').update(plain).digest('hex'),
          'in hex digits',
        );
      }
      const { body } = await bench.ok(0x0e, words(0x300000, 64));
      assert.equal(hex(body.subarray(0, 64)), hex(plain.subarray(0, 64)));
      assert.equal(bench.chip.stats().commands['10'], 1);
    });

    it(`${model}: takes FLASH_BEGIN in its own length only`, async () => {
      const bench = await inRom({ model });
      await bench.ok(0x0d, words(0, 0));
      for (const op of [0x02, 0x10]) {
        const short = hex((await bench.ask(op, words(0x400, 1, 0x400, 0x1000))).body);
        const long = hex((await bench.ask(op, words(0x400, 1, 0x400, 0x1000, 0))).body);
        assert.deepEqual([short, long], model === 'esp32' ? ['00000000', '01050000'] : ['01050000', '00000000']);
      }
    });

    it(`${model}: shows its straps, and takes no writes to them`, async () => {
      const bench = await inRom({ model });
      const at = model === 'esp32' ? 0x3ff44038 : 0x60004038;
      const download = { esp32: 3, esp32s3: 0, esp32c3: 4 }[model];
      assert.equal(await register(bench, at), download);
      await write(bench, at, 0xff);
      assert.equal(await register(bench, at), download);
    });
  }

  for (const [model, name, pattern] of [
    [
      'esp32',
      'ESP32',
      /^ets Jul 29 2019 12:21:46\n\nrst:0x1 \(POWERON_RESET\),boot:0x13 \(SPI_FAST_FLASH_BOOT\)\nconfigsip: 0, SPIWP:0xee\nclk_drv:0x00,.*\nmode:DIO, clock div:\d\nload:0x3fff[0-9a-f]+,len:\d+\n/,
    ],
    [
      'esp32s3',
      'ESP32-S3',
      /^ESP-ROM:esp32s3-20210327\nBuild:Mar 27 2021\nrst:0x1 \(POWERON\),boot:0x8 \(SPI_FAST_FLASH_BOOT\)\nSPIWP:0xee\nmode:DIO, clock div:\d\nload:0x3f[0-9a-f]+,len:0x[0-9a-f]+\n/,
    ],
    [
      'esp32c3',
      'ESP32-C3',
      /^ESP-ROM:esp32c3-api1-20210207\nBuild:Feb {2}7 2021\nrst:0x1 \(POWERON\),boot:0xc \(SPI_FAST_FLASH_BOOT\)\nSPIWP:0xee\nmode:DIO, clock div:\d\nload:0x3f[0-9a-f]+,len:0x[0-9a-f]+\n/,
    ],
  ] as const) {
    it(`${model}: boots its demo images, each from where its own ROM looks for them, and no other chip's`, async () => {
      const flash = new Uint8Array(0x400000).fill(0xff);
      for (const { offset, data } of demoImageSet(name).regions) flash.set(data, offset);
      const { log, end } = await boot(model, flash);
      assert.match(log, pattern);
      assert.match(log, new RegExp(`boot\\.${model}: SPI Mode`));
      assert.match(log, /Loaded app from partition at offset 0x20000/);
      assert.equal(end, 'running');
      const other = model === 'esp32' ? 'esp32s3' : 'esp32';
      const foreign = await boot(other, flash);
      assert.match(foreign.log, /invalid header: 0x/);
      assert.equal(foreign.end, 'rom-watchdog');
    });
  }

  it('esp32: does not boot a bootloader that lies at 0', async () => {
    const flash = new Uint8Array(0x400000).fill(0xff);
    for (const { offset, data, kind } of demoImageSet('ESP32').regions) {
      flash.set(data, kind === 'bootloader' ? 0 : offset);
    }
    assert.equal((await boot('esp32', flash)).end, 'rom-watchdog');
  });

  for (const [model, word, value, protect, config] of [
    ['esp32s3', 0x3fcef14c, 4, 0x600080b8, 0x600080b4],
    ['esp32c3', 0x3fcdf07c, 3, 0x600080b0, 0x600080ac],
  ] as const) {
    it(`${model}: says which port its ROM listens to, and lets its super watchdog be set once it is unlocked`, async () => {
      assert.equal(await register(await inRom({ model }), word), 0);
      const usb = new VirtualChip({ model, mac: MAC, connection: 'usb-jtag', clock: new ManualClock() });
      assert.equal(usb.model.port?.values['usb-jtag'], value);
      const bench = await inRom({ model });
      await write(bench, config, 0x80000000);
      assert.equal(await register(bench, config), 0, 'locked');
      await write(bench, protect, 0x8f1d312a);
      await write(bench, config, 0x80000000);
      assert.equal(await register(bench, config), 0x80000000);
    });
  }

  it('says what each family cannot be burnt with, before there is a chip', () => {
    const wrong: readonly (readonly [Partial<VirtualChipOptions> & { model: string }, string])[] = [
      [{ model: 'esp32', connection: 'usb-jtag' }, 'connection'],
      [{ model: 'esp32', security: { secureDownload: true } }, 'security.secureDownload'],
      [{ model: 'esp32', revision: { major: 1, minor: 0 }, security: { secureBoot: 'v2' } }, 'security.secureBoot'],
      [{ model: 'esp32', security: { flashCryptCount: 128 } }, 'security.flashCryptCount'],
      [{ model: 'esp32', psram: 0x800000 }, 'psram'],
      [{ model: 'esp32', package: 3 }, 'package'],
      [{ model: 'esp32s3', security: { secureBoot: 'v1' } }, 'security.secureBoot'],
      [{ model: 'esp32s3', security: { flashCryptCount: 8 } }, 'security.flashCryptCount'],
      [{ model: 'esp32s3', security: { flashCryptCount: 0.5 } }, 'security.flashCryptCount'],
      [{ model: 'esp32s3', crystal: 26 }, 'crystal'],
      [{ model: 'esp32s3', psram: 3 }, 'psram'],
      [{ model: 'esp32s3', embeddedFlash: true, flashSize: 0x100000 }, 'embeddedFlash'],
      [{ model: 'esp32c3', security: { encryptionKey: new Uint8Array(64) } }, 'security.encryptionKey'],
      [{ model: 'esp32c3', security: { secureBoot: 'v1' } }, 'security.secureBoot'],
    ];
    for (const [options, field] of wrong) {
      assert.throws(
        () => new VirtualChip({ mac: MAC, ...options }),
        (error) => isKeywayError(error, 'BAD_CHIP_OPTION') && error.detail?.field === field,
        JSON.stringify(options),
      );
    }
  });
});
