import assert from 'node:assert/strict';
import { Channel } from '../../../../lib/esp/session/channel.ts';
import { EsptoolSession } from '../../../../lib/esp/session/esptool.ts';
import { connectChip } from '../../../../lib/esp/session/index.ts';
import { chipOnCable, clearBench, connecting } from './bench.ts';

describe('facts of a chip', () => {
  afterEach(clearBench);

  for (const crystal of [26, 40] as const) {
    it(`ESP32: a ${crystal} MHz crystal, whether the ROM answers or a stub`, async () => {
      const { link } = chipOnCable({ model: 'esp32', crystal });
      const first = await connectChip(link, connecting);
      assert.equal(first.facts.crystalMHz, crystal);
      assert.equal(await first.startStub(), true);
      await first.close();
      const second = await connectChip(link, { ...connecting, resetBefore: 'none' });
      assert.equal(second.stubRunning, true);
      assert.equal(second.facts.crystalMHz, crystal);
      await second.close();
    });
  }

  it('families that tell their crystal from the rate of the line are told that rate', async () => {
    const { link } = chipOnCable();
    await (await connectChip(link, connecting)).close();
    const channel = new Channel(link);
    try {
      const esptool = new EsptoolSession(channel);
      await esptool.detect(false);
      assert.equal(await esptool.ask(undefined, async ({ transport }) => transport.baudrate), 115_200);
    } finally {
      channel.close();
    }
  });

  for (const size of [0, 2, 4, 8, 16]) {
    it(`ESP32-S3: ${size} MB of PSRAM in the package, whether the ROM answers or a stub`, async () => {
      const { link } = chipOnCable({ model: 'esp32s3', psram: size << 20 });
      const first = await connectChip(link, connecting);
      await first.startStub();
      await first.close();
      const second = await connectChip(link, { ...connecting, resetBefore: 'none' });
      for (const { facts } of [first, second]) {
        const psram = facts.features.filter((feature) => feature.includes('PSRAM'));
        assert.deepEqual(psram, size === 0 ? [] : [`Embedded PSRAM ${size}MB (AP_3v3)`]);
        assert.ok(facts.features.includes('Wi-Fi'));
      }
      await second.close();
    });
  }

  for (const pkg of [0, 1, 2, 4, 5, 6]) {
    it(`ESP32: finds the flash of package ${pkg}, inside it or beside it`, async () => {
      const { chip, link } = chipOnCable({ model: 'esp32', package: pkg, flashSize: 4 << 20 });
      const attached: number[] = [];
      chip.on('command', ({ name, status }) => name === 'SPI_ATTACH' && attached.push(status));
      const session = await connectChip(link, connecting);
      assert.equal(session.stubRunning, false);
      assert.deepEqual(attached, [0]);
      assert.equal(session.facts.flash?.size, 4 << 20);
      const sector = new Uint8Array(4096).fill(0x5a);
      await session.writeRegion({ offset: 0x10000, data: sector, kind: 'data', name: 'by the ROM' });
      assert.deepEqual(chip.flash.slice(0x10000, 0x11000), sector);
      await session.close();
    });
  }
});
