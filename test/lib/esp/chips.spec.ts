import assert from 'node:assert/strict';
import { CHIPS, chipByImageId, chipByName, chipNames } from '../../../lib/esp/index.ts';
import { CHIP_MODELS } from '../../../lib/virtual/index.ts';

describe('chips', () => {
  it('are found however they are written', () => {
    for (const text of ['esp32c3', 'ESP32-C3', ' Esp32 c3 ', 'esp32_c3'])
      assert.equal(chipByName(text)?.name, 'ESP32-C3');
    assert.equal(chipByName('esp32c')?.name, undefined);
    assert.equal(chipByName(''), undefined);
  });

  it('are found by the id in an image', () => {
    assert.equal(chipByImageId(0)?.name, 'ESP32');
    assert.equal(chipByImageId(5)?.name, 'ESP32-C3');
    assert.equal(chipByImageId(0xffff), undefined);
  });

  it('are said to have a twin where the virtual bench has one', () => {
    const twins = Object.values(CHIPS).filter(({ twin }) => twin);
    assert.deepEqual(twins.map(({ slug }) => slug).sort(), [...CHIP_MODELS].sort());
  });

  it('agree with esptool-js on every family it knows', async () => {
    const { readdir } = await import('node:fs/promises');
    const folder = new URL('../../../node_modules/esptool-js/lib/targets/', import.meta.url);
    const names: string[] = [];
    for (const file of await readdir(folder)) {
      if (!/^esp.*\.js$/.test(file)) continue;
      const module = (await import(new URL(file, folder).href)) as Record<string, new () => Record<string, unknown>>;
      for (const Rom of Object.values(module)) {
        const rom = new Rom();
        const chip = CHIPS[String(rom.CHIP_NAME)];
        names.push(String(rom.CHIP_NAME));
        assert.equal(chip?.imageChipId, rom.IMAGE_CHIP_ID ?? null, `${rom.CHIP_NAME}`);
        assert.equal(chip?.bootloaderOffset, rom.BOOTLOADER_FLASH_OFFSET, `${rom.CHIP_NAME}`);
      }
    }
    assert.deepEqual(names.sort(), chipNames().sort());
  });
});
