import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import {
  chooseBootSlot,
  decodeOtadata,
  encodeOtadata,
  espCrc32,
  type OtaState,
  otaSlots,
  type PartitionTable,
  PROVISIONING_4MB_CSV,
  parsePartitionCsv,
} from '../../../../lib/esp/index.ts';

const golden = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../data/otadata/${name}.bin`, import.meta.url)));

/** OTA data with entries [sequence, state number, whether the checksum is wrong]; null leaves a sector blank. */
function otadata(...entries: ([number, number, boolean?] | null)[]): Uint8Array {
  const bytes = new Uint8Array(0x2000).fill(0xff);
  entries.forEach((entry, sector) => {
    if (entry === null) return;
    const view = new DataView(bytes.buffer, sector * 0x1000, 32);
    view.setUint32(0, entry[0], true);
    view.setUint32(24, entry[1], true);
    const crc = espCrc32(bytes.subarray(sector * 0x1000, sector * 0x1000 + 4));
    view.setUint32(28, entry[2] === true ? crc ^ 1 : crc, true);
  });
  return bytes;
}

const UNDEFINED = 0xffffffff;

describe('otadata: against the official format', () => {
  it('blank, slot 0 and slot 1 valid, byte for byte both ways', () => {
    assert.deepEqual(encodeOtadata({ slot: null, slots: 2 }), golden('blank'));
    assert.deepEqual(encodeOtadata({ slot: 0, slots: 2 }), golden('seq1'));
    assert.deepEqual(encodeOtadata({ slot: 1, slots: 2, state: 'valid' }), golden('seq2-valid'));
    assert.deepEqual(decodeOtadata(golden('blank')), { entries: [null, null], active: null });
    assert.deepEqual(decodeOtadata(golden('seq1')), {
      entries: [{ sequence: 1, state: 'undefined', crcValid: true }, null],
      active: 0,
    });
    const [first, second] = decodeOtadata(golden('seq2-valid')).entries;
    assert.deepEqual(
      [first, second],
      [
        { sequence: 1, state: 'valid', crcValid: true },
        { sequence: 2, state: 'valid', crcValid: true },
      ],
    );
  });

  it('keeps a state that has no name as its number', () => {
    assert.equal(decodeOtadata(otadata([1, 77])).entries[0]?.state, 77);
  });

  it('refuses too few bytes and choices outside the slots', () => {
    assert.throws(() => decodeOtadata(new Uint8Array(0x1fff)), {
      code: 'BAD_OTADATA',
      detail: { field: 'length', value: 0x1fff },
    });
    assert.throws(() => encodeOtadata({ slot: 2, slots: 2 }), {
      code: 'BAD_OTADATA',
      detail: { field: 'slot', value: 2 },
    });
    assert.throws(() => encodeOtadata({ slot: -1, slots: 2 }), { code: 'BAD_OTADATA' });
    assert.throws(() => encodeOtadata({ slot: 0, slots: 17 }), {
      code: 'BAD_OTADATA',
      detail: { field: 'slots', value: 17 },
    });
    assert.throws(() => encodeOtadata({ slot: 0, slots: 1, state: 'fine' as OtaState }), { code: 'BAD_OTADATA' });
  });
});

describe('boot choice', () => {
  const table = parsePartitionCsv(PROVISIONING_4MB_CSV);
  const noFactory = table.filter(({ label }) => label !== 'factory');
  const labels = (partitions: PartitionTable): string[] => partitions.map(({ label }) => label);

  const cases: [string, PartitionTable, Uint8Array | null, string | undefined, string, string[]][] = [
    ['blank: factory', table, otadata(), 'factory', 'blank', ['factory', 'ota_0', 'ota_1']],
    ['blank, no factory: ota_0', noFactory, otadata(), 'ota_0', 'blank', ['ota_0', 'ota_1']],
    ['unreadable: factory', table, null, 'factory', 'no-otadata', ['factory', 'ota_0', 'ota_1']],
    ['sequence 1: ota_0', table, otadata([1, UNDEFINED]), 'ota_0', 'selected', ['ota_0', 'factory', 'ota_1']],
    ['sequence 2: ota_1', table, otadata([1, 2], [2, 2]), 'ota_1', 'selected', ['ota_1', 'ota_0', 'factory']],
    ['sequence 3: ota_0 again', table, otadata([3, 2], [2, 2]), 'ota_0', 'selected', ['ota_0', 'factory', 'ota_1']],
    [
      'newest invalid: the older one',
      table,
      otadata([1, 2], [2, 3]),
      'ota_0',
      'selected',
      ['ota_0', 'factory', 'ota_1'],
    ],
    [
      'newest aborted: the older one',
      table,
      otadata([3, 4], [2, 2]),
      'ota_1',
      'selected',
      ['ota_1', 'ota_0', 'factory'],
    ],
    ['both given up on: factory', table, otadata([1, 3], [2, 4]), 'factory', 'blank', ['factory', 'ota_0', 'ota_1']],
    [
      'newest damaged: the older one',
      table,
      otadata([1, 2], [2, 2, true]),
      'ota_0',
      'selected',
      ['ota_0', 'factory', 'ota_1'],
    ],
    ['all damaged: factory', table, otadata([1, 2, true], null), 'factory', 'damaged', ['factory', 'ota_0', 'ota_1']],
    ['all damaged, no factory', noFactory, otadata([1, 2, true]), 'ota_0', 'damaged', ['ota_0', 'ota_1']],
  ];
  for (const [title, partitions, bytes, first, reason, order] of cases) {
    it(title, () => {
      const choice = chooseBootSlot(partitions, bytes);
      assert.equal(choice.partition?.label, first);
      assert.equal(choice.reason, reason);
      assert.deepEqual(labels(choice.order), order);
      assert.equal(choice.slot, first === 'factory' ? null : Number(first?.slice(-1)));
    });
  }

  it('a table without slots boots factory whatever otadata says; one without apps boots nothing', () => {
    const single = table.filter(({ label }) => !label.startsWith('ota_'));
    assert.equal(chooseBootSlot(single, otadata([1, 2])).partition?.label, 'factory');
    const none = table.filter(({ type }) => type !== 0);
    assert.deepEqual(chooseBootSlot(none, otadata()), { partition: null, slot: null, reason: 'blank', order: [] });
  });

  it('a table without otadata boots factory', () => {
    const without = table.filter(({ label }) => label !== 'otadata');
    assert.equal(chooseBootSlot(without, otadata([1, 2])).reason, 'no-otadata');
  });

  it('finds slots in their order, whatever the order of the entries', () => {
    assert.deepEqual(labels(otaSlots([...table].reverse())), ['ota_0', 'ota_1']);
  });

  it('what encodeOtadata chooses is what boots', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 }),
        fc.nat(15),
        fc.constantFrom<OtaState>('new', 'valid', 'pending'),
        (slots, n, state) => {
          const csv = Array.from({ length: slots }, (_, i) => `ota_${i},app,ota_${i},,64K`).join('\n');
          const partitions = parsePartitionCsv(`otadata,data,ota,,8K\n${csv}`);
          const choice = chooseBootSlot(partitions, encodeOtadata({ slot: n % slots, slots, state }));
          assert.equal(choice.partition?.label, `ota_${n % slots}`);
        },
      ),
    );
  });
});
