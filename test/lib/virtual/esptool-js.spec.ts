import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ESPLoader, type FlashOptions, type LoaderOptions, Transport } from 'esptool-js';
import { createMemoryPair } from '../../../lib/link/index.ts';
import { VirtualChip, type VirtualChipOptions } from '../../../lib/virtual/index.ts';
import { noise } from './bench.ts';
import { WebSerialPort } from './webserial.ts';

const MAC = '60:55:f9:0a:0b:0c';

/** A chip in memory and esptool-js in front of it. */
function connect(options: Partial<VirtualChipOptions> & { model: string }): {
  chip: VirtualChip;
  loader: ESPLoader;
  close: () => Promise<void>;
} {
  const chip = new VirtualChip({ mac: MAC, ...options });
  const { host, device } = createMemoryPair({ name: 'esptool-js' });
  chip.attach(device);
  const terminal = { clean: () => undefined, write: () => undefined, writeLine: () => undefined };
  const transport = new Transport(
    new WebSerialPort(host) as unknown as ConstructorParameters<typeof Transport>[0],
    false,
  );
  // It prints each change of its state, whether or not tracing is on.
  transport.trace = () => undefined;
  const loader = new ESPLoader({ transport, baudrate: 921600, romBaudrate: 115200, terminal } as LoaderOptions);
  return { chip, loader, close: () => transport.disconnect() };
}

async function on(
  options: Partial<VirtualChipOptions> & { model: string },
  check: (loader: ESPLoader, chip: VirtualChip) => Promise<void>,
): Promise<void> {
  const { chip, loader, close } = connect(options);
  try {
    await check(loader, chip);
  } finally {
    await close();
    chip.powerOff();
  }
}

/** A client that others wrote, against each chip in memory. */
describe('virtual chip: driven by esptool-js', () => {
  for (const [model, description, features, identity] of [
    ['esp32', 'ESP32-D0WD-V3 (revision 3)', ['Wi-Fi', 'BT', 'Dual Core', '240MHz', 'Coding Scheme None'], 0],
    ['esp32s3', 'ESP32-S3 (QFN56) (revision v0.2)', ['Wi-Fi', 'BLE'], 9],
    ['esp32c3', 'ESP32-C3 (QFN32) (revision v0.4)', ['Wi-Fi', 'BLE'], 5],
  ] as const) {
    it(`${model}: is detected, takes the stub, is written, read back and erased`, () =>
      on({ model }, async (loader, chip) => {
        assert.equal(await loader.main('default_reset'), description);
        assert.equal(loader.chip.IMAGE_CHIP_ID, identity);
        assert.equal(loader.IS_STUB, true);
        assert.equal(await loader.chip.readMac(loader), MAC);
        assert.deepEqual(
          (await loader.chip.getChipFeatures(loader)).map((feature) => feature.trim()),
          features,
        );
        assert.equal(await loader.chip.getCrystalFreq(loader), 40);
        assert.equal(await loader.readFlashId(), 0x1640ef);
        const data = noise(70_000);
        await loader.writeFlash({
          fileArray: [{ data, address: 0x10000 }],
          flashMode: 'keep',
          flashFreq: 'keep',
          flashSize: 'keep',
          eraseAll: false,
          compress: true,
          calculateMD5Hash: (image: Uint8Array) => createHash('md5').update(image).digest('hex'),
        } as unknown as FlashOptions);
        assert.deepEqual(Buffer.from(chip.flash.subarray(0x10000, 0x10000 + data.length)), Buffer.from(data));
        const back = await loader.readFlash(0x10000, 10_000);
        assert.deepEqual(Buffer.from(back), Buffer.from(data.subarray(0, 10_000)));
        await loader.eraseFlash();
        assert.ok(chip.flash.every((byte) => byte === 0xff));
      }));
  }

  for (const [options, description, features] of [
    [{ model: 'esp32', package: 0, revision: { major: 1, minor: 0 } }, 'ESP32-D0WDQ6 (revision 1)', /^Wi-Fi, BT/],
    [{ model: 'esp32', package: 5, revision: { major: 1, minor: 0 } }, 'ESP32-PICO-D4 (revision 1)', /Embedded Flash/],
    [{ model: 'esp32', package: 5, revision: { major: 3, minor: 0 } }, 'ESP32-PICO-V3 (revision 3)', /Embedded Flash/],
    [
      { model: 'esp32', package: 6, revision: { major: 3, minor: 1 } },
      'ESP32-PICO-V3-02 (revision 3)',
      /Embedded PSRAM/,
    ],
    [{ model: 'esp32', package: 4, revision: { major: 3, minor: 0 } }, 'ESP32-U4WDH (revision 3)', /Embedded Flash/],
    [{ model: 'esp32s3', revision: { major: 0, minor: 0 } }, 'ESP32-S3 (QFN56) (revision v0.0)', /^Wi-Fi, BLE$/],
    [{ model: 'esp32s3', revision: { major: 1, minor: 10 } }, 'ESP32-S3 (QFN56) (revision v1.10)', /^Wi-Fi, BLE$/],
    [
      { model: 'esp32s3', package: 1, flashSize: 0x800000, embeddedFlash: true, psram: 0x200000 },
      'ESP32-S3-PICO-1 (LGA56) (revision v0.2)',
      /Embedded Flash 8MB \(GD\), Embedded PSRAM 2MB \(AP_3v3\)$/,
    ],
    [{ model: 'esp32s3', psram: 0x800000 }, 'ESP32-S3 (QFN56) (revision v0.2)', /Embedded PSRAM 8MB \(AP_3v3\)$/],
    [
      { model: 'esp32c3', package: 1, revision: { major: 1, minor: 1 } },
      'ESP8685 (QFN28) (revision v1.1)',
      /^Wi-Fi, BLE$/,
    ],
    [
      { model: 'esp32c3', flashSize: 0x400000, embeddedFlash: true },
      'ESP32-C3 (QFN32) (revision v0.4)',
      /Embedded Flash 4MB \(XMC\)$/,
    ],
  ] as const) {
    it(`${options.model}: is taken for what it was made: ${description}`, () =>
      on(options, async (loader) => {
        await loader.connect('default_reset', 1);
        assert.equal(await loader.chip.getChipDescription(loader), description);
        const named = (await loader.chip.getChipFeatures(loader)).map((feature) => feature.trim());
        assert.match(named.join(', '), features);
      }));
  }

  it('esp32: has a 26 MHz crystal if it was made with one, as long as no stub runs', () =>
    on({ model: 'esp32', crystal: 26 }, async (loader) => {
      await loader.connect('default_reset', 1);
      assert.equal(await loader.chip.getCrystalFreq(loader), 26);
      await loader.runStub();
      assert.equal(await loader.chip.getCrystalFreq(loader), 40, 'the divider is of the PLL then');
    }));

  it('esp32: refuses the FLASH_BEGIN of five words that esptool-js sends without a stub', () =>
    on({ model: 'esp32' }, async (loader) => {
      await loader.connect('default_reset', 1);
      await assert.rejects(loader.flashBegin(0x400, 0x10000), /enter Flash download mode|Failed/i);
    }));
});
