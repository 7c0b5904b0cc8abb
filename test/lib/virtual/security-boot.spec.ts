import assert from 'node:assert/strict';
import { isKeywayError } from '../../../lib/errors/index.ts';
import { buildImage, demoImageSet, encodeOtadata } from '../../../lib/esp/formats/index.ts';
import { type SecurityOptions, VirtualChip } from '../../../lib/virtual/index.ts';
import { Bench } from './bench.ts';
import { makeSigner, makeV1Signer, type Signer, signV2 } from './signing.ts';

const FACTORY = 0x20000;
const OTA_0 = 0x140000;
const MODELS = [
  ['esp32', 'ESP32', 0x1000],
  ['esp32s3', 'ESP32-S3', 0],
  ['esp32c3', 'ESP32-C3', 0],
] as const;

const app = (chip: string, project: string): Uint8Array =>
  buildImage({ kind: 'app', chip, project, version: '1.0.0', size: 20_000, message: `here is ${project}` });

/** A 4 MB flash with the demo layout, bootloader and apps as given. */
function flashWith(chip: string, images: Readonly<Record<number, Uint8Array>>): Uint8Array {
  const flash = new Uint8Array(0x400000).fill(0xff);
  for (const { offset, data, kind } of demoImageSet(chip).regions)
    if (kind === 'partition-table') flash.set(data, offset);
  for (const [offset, image] of Object.entries(images)) flash.set(image, Number(offset));
  return flash;
}

async function boot(model: string, flash: Uint8Array, security: Partial<SecurityOptions>): Promise<string> {
  const bench = new Bench({ model, flash, security });
  await bench.clock.advance(1500);
  return bench.log.join('\n');
}

describe('virtual chip: secure boot v2', () => {
  let owner: Signer;
  let other: Signer;
  before(() => {
    owner = makeSigner();
    other = makeSigner();
  });

  for (const [model, chip, at] of MODELS) {
    it(`${model}: starts a bootloader and an app that a trusted key signed`, async () => {
      const bootloader = signV2(buildImage({ kind: 'bootloader', chip }), owner);
      const flash = flashWith(chip, { [at]: bootloader, [FACTORY]: signV2(app(chip, 'one'), owner) });
      const log = await boot(model, flash, { secureBoot: 'v2', signingDigests: [owner.digest] });
      assert.match(
        log,
        /mode:DIO, clock div:\d\nValid secure boot key blocks: 0\nsecure boot verification succeeded\nload:/,
      );
      assert.match(
        log,
        /Verifying image signature\.\.\.\n.*Verifying with RSA-PSS\.\.\.\n.*Signature verified successfully!\n.*Loaded app/,
      );
      assert.match(log, /secure_boot_v2: secure boot v2 is already enabled, continuing\.\.[\s\S]*here is one/);
    });

    it(`${model}: starts none that is unsigned, changed, or signed by somebody else`, async () => {
      const plain = buildImage({ kind: 'bootloader', chip });
      const signed = signV2(plain, owner);
      const flipped = (offset: number): Uint8Array => signed.map((byte, i) => (i === offset ? byte ^ 1 : byte));
      const sector = signed.length - 4096;
      for (const [image, reason] of [
        [
          plain,
          /No signature block magic byte found at signature sector \(found 0xff not 0xe7\)\. Image not V2 signed\?/,
        ],
        [flipped(sector - 1), /Sig block 0 invalid: Image digest does not match/],
        [flipped(sector + 900), /Sig block 0 invalid: Stored CRC ends 0x[0-9a-f]+, calculated CRC ends 0x/],
        [signV2(plain, other), /Valid secure boot key blocks: 0\nsecure boot verification failed/],
      ] as const) {
        const log = await boot(model, flashWith(chip, { [at]: image }), {
          secureBoot: 'v2',
          signingDigests: [owner.digest],
        });
        assert.match(log, reason);
        assert.match(log, /secure boot verification failed/);
        assert.doesNotMatch(log, /entry 0x/);
      }
    });
  }

  it('looks at the signature itself: a block with all its digests right does not do', async () => {
    const signed = signV2(buildImage({ kind: 'bootloader', chip: 'ESP32-C3' }), owner);
    const { crc32 } = await import('node:zlib');
    const sector = signed.length - 4096;
    const forged = Buffer.from(signed);
    forged.writeUInt8((forged[sector + 1000] as number) ^ 1, sector + 1000);
    forged.writeUInt32LE(crc32(forged.subarray(sector, sector + 1196)), sector + 1196);
    const log = await boot('esp32c3', flashWith('ESP32-C3', { 0: forged }), {
      secureBoot: 'v2',
      signingDigests: [owner.digest],
    });
    assert.match(log, /Signature Check Failed\nsecure boot verification failed/);
  });

  it('takes any of three keys and of three blocks; ESP32 has one of each', async () => {
    const digests = [makeDigest(1), owner.digest];
    for (const [model, chip, at] of MODELS) {
      const flash = flashWith(chip, {
        [at]: signV2(buildImage({ kind: 'bootloader', chip }), other, owner),
        [FACTORY]: signV2(app(chip, 'one'), owner),
      });
      if (model === 'esp32') {
        assert.match(
          await boot(model, flash, { secureBoot: 'v2', signingDigests: [owner.digest] }),
          /secure boot verification failed\nets_main\.c 371/,
        );
        assert.throws(
          () => new VirtualChip({ model, mac: '60:55:f9:00:00:01', security: { signingDigests: digests } }),
          (error) => isKeywayError(error, 'BAD_CHIP_OPTION'),
        );
      } else {
        const log = await boot(model, flash, { secureBoot: 'v2', signingDigests: digests });
        assert.match(log, /Valid secure boot key blocks: 0 1\n[\s\S]*here is one/);
      }
    }
  });

  it('falls back from an app whose signature is missing or bad, and from there to nothing', async () => {
    const chip = 'ESP32-S3';
    const bootloader = signV2(buildImage({ kind: 'bootloader', chip }), owner);
    const select = encodeOtadata({ slot: 0, slots: 2 });
    const good = signV2(app(chip, 'factory-app'), owner);
    for (const bad of [app(chip, 'two'), signV2(app(chip, 'two'), other)]) {
      const flash = flashWith(chip, { 0: bootloader, 65536: select, [FACTORY]: good, [OTA_0]: bad });
      const log = await boot('esp32s3', flash, { secureBoot: 'v2', signingDigests: [owner.digest] });
      assert.match(
        log,
        /secure_boot_v2: Secure Boot V2 verification failed\.\n.*Secure boot signature verification failed/,
      );
      assert.match(log, /image valid, signature bad\n.*OTA app partition slot 0 is not bootable/);
      assert.match(log, /here is factory-app/);
    }
    const flash = flashWith(chip, { 0: bootloader, [FACTORY]: app(chip, 'one') });
    const log = await boot('esp32s3', flash, { secureBoot: 'v2', signingDigests: [owner.digest] });
    assert.match(log, /No bootable app partitions/);
  });

  it('trusts the key of the bootloader in its flash when it is given none, and no key without one', async () => {
    const chip = 'ESP32-C3';
    const flash = flashWith(chip, {
      0: signV2(buildImage({ kind: 'bootloader', chip }), owner),
      [FACTORY]: signV2(app(chip, 'one'), owner),
    });
    const bench = new Bench({ flash, security: { secureBoot: 'v2' } });
    await bench.clock.advance(1500);
    assert.match(bench.log.join('\n'), /here is one/);
    bench.chip.flash.set(signV2(buildImage({ kind: 'bootloader', chip }), other));
    await bench.reset(false);
    await bench.clock.advance(1500);
    assert.match(bench.log.join('\n'), /here is one[\s\S]*secure boot verification failed/);
    const none = await boot('esp32c3', flashWith(chip, { 0: buildImage({ kind: 'bootloader', chip }) }), {
      secureBoot: 'v2',
    });
    assert.match(none, /Valid secure boot key blocks: \nNo signature block/);
  });

  it('resets by its watchdog and tries again', async () => {
    const bench = new Bench({
      flash: flashWith('ESP32-S3', { 0: buildImage({ kind: 'bootloader', chip: 'ESP32-S3' }) }),
      model: 'esp32s3',
      security: { secureBoot: 'v2', signingDigests: [owner.digest] },
    });
    await bench.clock.advance(6000);
    assert.match(bench.log.join('\n'), /ets_main\.c 329[\s\S]*rst:0x7 \(TG0WDT_SYS_RST\)/);
  });
});

describe('virtual chip: secure boot v1', () => {
  const chip = 'ESP32';
  const bootloader = buildImage({ kind: 'bootloader', chip });

  it('starts the bootloader it has seen first, and no other', async () => {
    const signer = makeV1Signer();
    const flash = flashWith(chip, { 4096: bootloader, [FACTORY]: signer.sign(app(chip, 'one')) });
    const bench = new Bench({
      model: 'esp32',
      flash,
      security: { secureBoot: 'v1', appSigningKey: signer.publicKey },
    });
    await bench.clock.advance(1500);
    assert.match(
      bench.log.join('\n'),
      /Verifying image signature\.\.\.\n.*Loaded app[\s\S]*secure boot v1 is already enabled[\s\S]*here is one/,
    );
    bench.chip.flash.set(buildImage({ kind: 'bootloader', chip, seed: 9 }), 0x1000);
    bench.log.length = 0;
    await bench.reset(false);
    await bench.clock.advance(3000);
    const log = bench.log.join('\n');
    assert.match(log, /load:0x3fff0040,len:\d+\n[\s\S]*secure boot check fail\nets_main\.c 371/);
    assert.match(log, /rst:0x10 \(RTCWDT_RTC_RESET\)/);
    assert.doesNotMatch(log, /entry/);
  });

  it('wants the digest at offset 0 that belongs to its key', async () => {
    const flash = flashWith(chip, { 4096: bootloader });
    const log = await boot('esp32', flash, { secureBoot: 'v1', secureBootKey: makeDigest(3) });
    assert.match(log, /secure boot check fail/);
  });

  it('falls back from an app without a signature, or with another key’s', async () => {
    const signer = makeV1Signer();
    const good = signer.sign(app(chip, 'factory-app'));
    const select = encodeOtadata({ slot: 0, slots: 2 });
    for (const [bad, reason] of [
      [app(chip, 'two'), /secure_boot_v1: image has invalid signature version field 0xffffffff/],
      [makeV1Signer().sign(app(chip, 'two')), /secure_boot_v1: Signature verification failed/],
    ] as const) {
      const flash = flashWith(chip, { 4096: bootloader, 65536: select, [FACTORY]: good, [OTA_0]: bad });
      const log = await boot('esp32', flash, { secureBoot: 'v1', appSigningKey: signer.publicKey });
      assert.match(log, reason);
      assert.match(log, /OTA app partition slot 0 is not bootable[\s\S]*here is factory-app/);
    }
  });

  it('refuses keys of a wrong length', () => {
    for (const security of [
      { secureBootKey: new Uint8Array(31) },
      { appSigningKey: new Uint8Array(65) },
      { signingDigests: [new Uint8Array(20)] },
    ]) {
      assert.throws(
        () => new VirtualChip({ model: 'esp32', mac: '60:55:f9:00:00:01', security }),
        (error) => isKeywayError(error, 'BAD_CHIP_OPTION'),
      );
    }
  });
});

describe('virtual chip: boot texts by family', () => {
  for (const [model, chip, at] of MODELS) {
    it(`${model}: looks for its bootloader at 0x${at.toString(16)}`, async () => {
      const wrong = at === 0 ? 0x1000 : 0;
      const image = buildImage({ kind: 'bootloader', chip });
      assert.match(await boot(model, flashWith(chip, { [at]: image, [FACTORY]: app(chip, 'one') }), {}), /here is one/);
      const log = await boot(model, flashWith(chip, { [wrong]: image, [FACTORY]: app(chip, 'one') }), {});
      assert.match(log, /invalid header: 0x[0-9a-f]{8}\ninvalid header/);
    });

    it(`${model}: does not start another family’s app`, async () => {
      const foreign = chip === 'ESP32' ? 'ESP32-S3' : 'ESP32';
      const flash = flashWith(chip, {
        [at]: buildImage({ kind: 'bootloader', chip }),
        [FACTORY]: app(foreign, 'one'),
      });
      const log = await boot(model, flash, {});
      assert.match(
        log,
        /boot_comm: mismatch chip ID, expected \d+, found \d+\n.*Factory app partition is not bootable/,
      );
    });
  }

  it('prints what ESP32 prints', async () => {
    const flash = flashWith('ESP32', {
      4096: buildImage({ kind: 'bootloader', chip: 'ESP32' }),
      [FACTORY]: app('ESP32', 'one'),
    });
    assert.match(
      await boot('esp32', flash, {}),
      /^ets Jul 29 2019 12:21:46\n\nrst:0x1 \(POWERON_RESET\),boot:0x13 \(SPI_FAST_FLASH_BOOT\)\nconfigsip: 0, SPIWP:0xee\nclk_drv:.*\nmode:DIO, clock div:\d\n(load:0x[0-9a-f]+,len:\d+\n)+entry 0x4[0-9a-f]+\nI \(\d+\) boot: ESP-IDF [\s\S]*Multicore bootloader\n[\s\S]*boot\.esp32: SPI Speed/,
    );
  });

  it('prints what ESP32-S3 prints', async () => {
    const flash = flashWith('ESP32-S3', {
      0: buildImage({ kind: 'bootloader', chip: 'ESP32-S3' }),
      [FACTORY]: app('ESP32-S3', 'one'),
    });
    assert.match(
      await boot('esp32s3', flash, {}),
      /^ESP-ROM:esp32s3-20210327\nBuild:Mar 27 2021\nrst:0x1 \(POWERON\),boot:0x8 \(SPI_FAST_FLASH_BOOT\)\nSPIWP:0xee\nmode:DIO, clock div:1\n(load:0x[0-9a-f]+,len:0x[0-9a-f]+\n)+entry 0x/,
    );
  });
});

function makeDigest(fill: number): Uint8Array {
  return new Uint8Array(32).fill(fill);
}
