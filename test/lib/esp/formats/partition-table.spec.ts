import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { KeywayError } from '../../../../lib/errors/index.ts';
import {
  decodePartitionTable,
  encodePartitionTable,
  formatPartitionCsv,
  looksLikePartitionTable,
  md5,
  type Partition,
  type PartitionTable,
  parsePartitionCsv,
} from '../../../../lib/esp/index.ts';

const data = new URL('../../../data/partition-table/', import.meta.url);
const text = (name: string): string => readFileSync(new URL(`${name}.csv`, data), 'utf8');
const binary = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`${name}.bin`, data)));
const GOLDEN = ['provisioning-4mb', 'mixed-16mb', 'single-app-1mb'];

function refused(work: () => unknown, field: string, message: RegExp, where?: string): KeywayError {
  let caught: unknown;
  try {
    work();
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof KeywayError, 'it is refused');
  assert.equal(caught.code, 'BAD_PARTITION_TABLE');
  assert.equal(caught.detail?.field, field, caught.message);
  assert.match(caught.message, message);
  if (where !== undefined) assert.equal(caught.detail?.where, where);
  return caught;
}

const base: Partition = {
  label: 'nvs',
  type: 1,
  subtype: 2,
  offset: 0x9000,
  size: 0x6000,
  encrypted: false,
  readonly: false,
};

describe('partition table: against the official generator', () => {
  for (const name of GOLDEN) {
    it(`${name}: CSV to binary, byte for byte`, () => {
      assert.deepEqual(encodePartitionTable(parsePartitionCsv(text(name))), binary(name));
    });

    it(`${name}: binary to CSV to binary, byte for byte`, () => {
      const table = decodePartitionTable(binary(name));
      assert.deepEqual(parsePartitionCsv(formatPartitionCsv(table)), table);
      assert.deepEqual(encodePartitionTable(table), binary(name));
    });
  }

  it('reads what the CSV says', () => {
    const table = decodePartitionTable(binary('mixed-16mb'));
    assert.deepEqual(table[6], {
      label: 'www',
      type: 1,
      subtype: 0x82,
      offset: 0x920000,
      size: 0x100000,
      encrypted: false,
      readonly: true,
    });
    assert.equal(table.at(-1)?.type, 0x40);
  });
});

describe('partition table: CSV', () => {
  it('takes names in any case, numbers, suffixes, comments, blank lines and CRLF', () => {
    const table = parsePartitionCsv(
      '\ufeff# a comment\r\n\r\n nvs , DATA, nvs , , 24k\r\nrec,0,0x20,0x20000,1m,encrypted\r\nx,65,9,,4096,readonly:encrypted,\r\n',
    );
    assert.deepEqual(
      table.map(({ label, type, subtype, offset, size, encrypted, readonly }) => [
        label,
        type,
        subtype,
        offset,
        size,
        encrypted,
        readonly,
      ]),
      [
        ['nvs', 1, 2, 0x9000, 0x6000, false, false],
        ['rec', 0, 0x20, 0x20000, 0x100000, true, false],
        ['x', 65, 9, 0x120000, 4096, true, true],
      ],
    );
  });

  it('places bootloader and table partitions where they are, moving nothing', () => {
    const csv =
      'boot,bootloader,primary,,,\npt,partition_table,primary,,,\nnvs,data,nvs,,24K\nrec,bootloader,recovery,,32K\n';
    const table = parsePartitionCsv(csv, { bootloaderOffset: 0x1000 });
    assert.deepEqual(
      table.map(({ offset, size }) => [offset, size]),
      [
        [0x1000, 0x7000],
        [0x8000, 0x1000],
        [0x9000, 0x6000],
        [0xf000, 0x8000],
      ],
    );
    const late = parsePartitionCsv('nvs,data,nvs,,24K\npt,partition_table,primary,,,\nx,data,phy,,4K');
    assert.equal(late[2]?.offset, 0xf000);
    refused(() => parsePartitionCsv(csv), 'offset', /offset of "boot" is missing/, 'line 1');
  });

  it('takes a table elsewhere, and a negative size as the end', () => {
    const table = parsePartitionCsv('nvs,data,nvs,,-0x20000', { tableOffset: 0x10000 });
    assert.deepEqual([table[0]?.offset, table[0]?.size], [0x11000, 0xf000]);
    refused(() => parsePartitionCsv('nvs,data,nvs,0x30000,-0x20000'), 'size', /before its start/);
  });

  it('takes a missing subtype as 0', () => {
    assert.equal(parsePartitionCsv('f,app,,,1M')[0]?.subtype, 0);
  });

  const bad: [string, string, RegExp][] = [
    ['nvs,data,nvs,0x9000', 'size', /size of "nvs" is missing/],
    ['r,bootloader,recovery,0x9000,', 'size', /size of "r" is missing/],
    ['nvs,,nvs,0x9000,4K', 'type', /type is missing/],
    ['nvs,dat,nvs,0x9000,4K', 'type', /type "dat"/],
    ['nvs,data,nvz,0x9000,4K', 'subtype', /"nvz" of type data/],
    ['nvs,0x41,nvs,0x9000,4K', 'subtype', /"nvs" of type 0x41/],
    ['nvs,data,nvs,0x9zzz,4K', 'offset', /"0x9zzz" is no number/],
    ['nvs,data,nvs,-4096,4K', 'offset', /"-4096" is no number/],
    ['nvs,data,nvs,0x9000,4G', 'size', /"4G" is no number/],
    ['nvs,data,nvs,0x9000,010', 'size', /"010" is no number/],
    ['nvs,data,nvs,0x9000,0', 'size', /size 0/],
    ['nvs,data,nvs,0x9000,5000M', 'size', /size 5242880000/],
    ['nvs,data,nvs,0x9000,4K,hidden', 'flags', /flag "hidden"/],
    ['nvs,data,nvs,0x9000,4K,,more', 'flags', /"more" stands behind/],
    ['nvs,data,nvs,0x9004,4K', 'offset', /no multiple of 0x1000/],
    ['app,app,factory,0x11000,1M', 'offset', /no multiple of 0x10000/],
    ['app,app,factory,0x10000,1001', 'size', /no multiple of 0x1000/],
    ['o,data,ota,0x9000,0x1000', 'size', /must be 0x2000/],
    ['o,data,ota,0x9000,0x2000,readonly', 'flags', /cannot be read-only/],
    ['app,app,ota_0,0x10000,1M,readonly', 'flags', /cannot be read-only/],
    ['nvs,data,nvs,0x8000,4K', 'offset', /below the first free offset 0x9000/],
    [',data,nvs,0x9000,4K', 'label', /name is empty/],
    ['seventeen_letters,data,nvs,0x9000,4K', 'label', /17 bytes/],
    ['n"s,data,nvs,0x9000,4K', 'label', /comma, quote/],
    ['nvs,255,0,0x9000,4K', 'type', /type 255/],
    ['nvs,data,0xff,0x9000,4K', 'subtype', /subtype 255/],
    ['big,data,nvs,0xfffff000,0x2000', 'size', /beyond the flash/],
  ];
  for (const [line, field, message] of bad) {
    it(`refuses ${line}`, () => {
      refused(() => parsePartitionCsv(`# first\n${line}\n`), field, message, 'line 2');
    });
  }

  it('refuses what is wrong between entries', () => {
    const two = (second: string): string => `nvs,data,nvs,0x9000,0x6000\n\n${second}`;
    refused(() => parsePartitionCsv(two('nvs,data,phy,,4K')), 'label', /is there twice/, 'line 3');
    refused(() => parsePartitionCsv(two('b,data,phy,0xe000,4K')), 'offset', /"b" at 0xe000 overlaps "nvs"/, 'line 3');
    refused(() => parsePartitionCsv('a,data,ota,,8K\nb,data,ota,,8K'), 'subtype', /second otadata/, 'line 2');
  });

  it('refuses nothing, too much, and what is beyond the flash', () => {
    refused(() => parsePartitionCsv('# none'), 'entries', /no entries/);
    const line = (i: number): string => `p${i},data,undefined,,4K`;
    const lines = (count: number): string => Array.from({ length: count }, (_, i) => line(i)).join('\n');
    assert.equal(parsePartitionCsv(lines(95)).length, 95);
    refused(() => parsePartitionCsv(lines(96)), 'entries', /more than 95/, 'line 96');
    refused(() => parsePartitionCsv(' '.repeat((1 << 20) + 1)), 'text', /characters/);
    const fits = { flashSize: 4 << 20 };
    assert.ok(parsePartitionCsv(text('provisioning-4mb'), fits));
    refused(
      () => parsePartitionCsv(text('provisioning-4mb'), { flashSize: 2 << 20 }),
      'size',
      /beyond the flash of 0x200000/,
    );
  });
});

describe('partition table: binary', () => {
  /** Makes the MD5 right again after a change. */
  function repair(bytes: Uint8Array): Uint8Array {
    for (let at = 0; at + 32 <= bytes.length; at += 32) {
      if (bytes[at] === 0xeb && bytes[at + 1] === 0xeb) bytes.set(md5(bytes.subarray(0, at)), at + 16);
    }
    return bytes;
  }
  const changed = (at: number, ...values: number[]): Uint8Array => {
    const bytes = binary('provisioning-4mb');
    bytes.set(values, at);
    return bytes;
  };

  it('names the offset of a wrong MD5, magic and entry', () => {
    refused(() => decodePartitionTable(changed(5, 0x91)), 'md5', /MD5 is aaee22c9/, 'offset 0xe0');
    refused(() => decodePartitionTable(changed(0x40, 0)), 'magic', /starts with 0x5000/, 'offset 0x40');
    refused(
      () => decodePartitionTable(repair(changed(0x85, 1))),
      'offset',
      /"factory" starts at 0x20100/,
      'offset 0x80',
    );
    refused(() => decodePartitionTable(repair(changed(0xc, 0xff))), 'label', /comma, quote/, 'offset 0x0');
  });

  it('wants the MD5 entry, unless told that there is none', () => {
    const without = changed(0xe0, ...new Array(32).fill(0xff));
    refused(() => decodePartitionTable(without), 'md5', /MD5 entry is missing/);
    assert.equal(decodePartitionTable(without, { withoutMd5: true }).length, 7);
  });

  it('refuses too few bytes, an empty table, entries behind the MD5', () => {
    refused(() => decodePartitionTable(new Uint8Array(31)), 'length', /31 bytes/);
    const blank = new Uint8Array(0xc00).fill(0xff);
    refused(() => decodePartitionTable(blank, { withoutMd5: true }), 'entries', /no entries/);
    refused(() => decodePartitionTable(changed(0x100, 0xaa, 0x50)), 'magic', /behind the MD5/, 'offset 0x100');
    refused(() => decodePartitionTable(changed(0x100, 0xeb, 0xeb)), 'magic', /behind the MD5/);
    refused(() => decodePartitionTable(changed(0x100, 0xff, 0xff, 0)), 'magic', /behind the MD5/);
  });

  it('leaves what stands behind the table alone, and reads inside a larger buffer', () => {
    const sector = new Uint8Array(0x3000).fill(0x5a);
    sector.set(binary('single-app-1mb'), 0x1000);
    assert.equal(decodePartitionTable(sector.subarray(0x1000)).length, 3);
  });

  it('knows a table by its first bytes', () => {
    assert.ok(looksLikePartitionTable(binary('mixed-16mb')));
    assert.ok(!looksLikePartitionTable(Uint8Array.of(0xaa, 0x50)));
    assert.ok(!looksLikePartitionTable(new Uint8Array(64)));
  });

  it('refuses to encode what it would not read', () => {
    refused(() => encodePartitionTable([]), 'entries', /no entries/);
    refused(() => encodePartitionTable([{ ...base, type: 1.5 }]), 'type', /type 1.5/);
    refused(() => encodePartitionTable([{ ...base, offset: -4096 }]), 'offset', /offset -4096/);
    const many = Array.from({ length: 96 }, (_, i) => ({ ...base, label: `p${i}`, offset: 0x9000 + i * 0x6000 }));
    refused(() => encodePartitionTable(many), 'entries', /96 entries/, 'entry 96');
    assert.equal(decodePartitionTable(encodePartitionTable(many.slice(0, 95))).length, 95);
  });
});

describe('partition table: properties', () => {
  const label = fc.stringMatching(/^[a-z][a-z0-9_ä]{0,7}$/);
  const entry = fc.record({
    type: fc.constantFrom(0, 1, 0x40, 0xfe),
    subtype: fc.nat(0xfe),
    sectors: fc.integer({ min: 1, max: 64 }),
    gap: fc.nat(3),
    encrypted: fc.boolean(),
    readonly: fc.boolean(),
  });
  const tables: fc.Arbitrary<PartitionTable> = fc
    .tuple(fc.uniqueArray(label, { minLength: 1, maxLength: 20 }), fc.array(entry, { minLength: 20, maxLength: 20 }))
    .map(([labels, entries]) => {
      let end = 0x9000;
      return labels.map((name, i) => {
        const { type, gap, sectors, encrypted, ...rest } = entries[i] as (typeof entries)[number];
        const subtype = type === 1 && rest.subtype === 0 ? 6 : rest.subtype;
        const align = type === 0 ? 0x10000 : 0x1000;
        const offset = Math.ceil((end + gap * 0x1000) / align) * align;
        end = offset + sectors * 0x1000;
        return {
          label: name,
          type,
          subtype,
          offset,
          size: end - offset,
          encrypted,
          readonly: rest.readonly && type !== 0,
        };
      });
    });

  it('binary and CSV give back every table', () => {
    fc.assert(
      fc.property(tables, (table) => {
        assert.deepEqual(decodePartitionTable(encodePartitionTable(table)), table);
        assert.deepEqual(parsePartitionCsv(formatPartitionCsv(table)), table);
      }),
    );
  });

  it('no single changed byte of an encoded table goes unnoticed', () => {
    fc.assert(
      fc.property(tables, fc.nat(), fc.integer({ min: 1, max: 255 }), (table, where, flip) => {
        const bytes = encodePartitionTable(table);
        const at = where % (table.length * 32);
        bytes[at] = (bytes[at] as number) ^ flip;
        assert.throws(() => decodePartitionTable(bytes), { code: 'BAD_PARTITION_TABLE' });
      }),
    );
  });
});
