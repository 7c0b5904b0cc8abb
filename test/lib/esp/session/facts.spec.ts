import assert from 'node:assert/strict';
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
