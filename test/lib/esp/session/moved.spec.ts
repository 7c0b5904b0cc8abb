import assert from 'node:assert/strict';
import { encodePartitionTable } from '../../../../lib/esp/formats/partition-binary.ts';
import { parsePartitionCsv } from '../../../../lib/esp/formats/partition-csv.ts';
import { buildNvs, parseNvs } from '../../../../lib/esp/nvs/index.ts';
import { planFlash } from '../../../../lib/esp/plan/index.ts';
import { flash } from '../../../../lib/esp/session/index.ts';
import { imageSet, region, TABLE_CSV, tableBytes } from '../plan/sets.ts';
import { chipOnCable, clearBench, connecting, platform } from './bench.ts';
import { refused } from './refused.ts';

describe('NVS to be merged, and a new partition table', () => {
  afterEach(clearBench);

  const entry = { namespace: 'wifi', key: 'ssid', encoding: 'string', value: 'workshop' } as const;
  const recipe = {
    mode: 'merge',
    items: [{ namespace: 'certs', key: 'serial', encoding: 'u32', value: 7 }],
    encryption: { scheme: 'none' },
  } as const;
  const planWith = (csv: string) =>
    planFlash(imageSet([region(0x8000, encodePartitionTable(parsePartitionCsv(csv)), 'table', 'partition-table')]), {
      platform,
      nvs: [{ partition: 'nvs', recipe }],
    });
  const used = async () => {
    const flashed = new Uint8Array(4 << 20).fill(0xff);
    flashed.set(tableBytes, 0x8000);
    flashed.set(await buildNvs([entry], { size: 0x6000, platform }), 0x9000);
    return flashed;
  };

  it('that moves the partition is refused: what it holds would be lost; nothing is written', async () => {
    const { chip, link } = chipOnCable({ flash: await used() });
    const before = chip.flash.slice();
    const moved = TABLE_CSV.replace('0x9000,   0x6000', '0x330000, 0x6000');
    await refused('KEEPS_TOUCHED', flash(link, await planWith(moved), connecting));
    assert.deepEqual(chip.flash, before);
  });

  it('that changes something else is written, and what NVS held is kept', async () => {
    const { chip, link } = chipOnCable({ flash: await used() });
    await flash(link, await planWith(TABLE_CSV.replace('phy_init', 'calibration')), connecting);
    const { entries } = await parseNvs(chip.flash.slice(0x9000, 0xf000), { platform });
    assert.deepEqual(
      entries.map(({ key, value }) => [key, value]),
      [
        ['ssid', 'workshop'],
        ['serial', 7],
      ],
    );
  });

  it('that the chip has already is told by its MD5, and not read', async () => {
    const { chip, link } = chipOnCable({ flash: await used() });
    const reads: number[] = [];
    chip.on('command', ({ name }) => name === 'READ_FLASH' && reads.push(1));
    await flash(link, await planWith(TABLE_CSV), connecting);
    assert.equal(reads.length, 1, 'the NVS partition alone');
  });
});
