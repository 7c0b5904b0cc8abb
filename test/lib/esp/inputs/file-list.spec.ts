import assert from 'node:assert/strict';
import { readFileList, readOffset } from '../../../../lib/esp/index.ts';
import { APP, BOOTLOADER, loader, refused, TABLE } from './helpers.ts';

const files = { 'b.bin': BOOTLOADER, 't.bin': TABLE, '/abs/app.bin': APP, 'empty.bin': new Uint8Array(0) };

describe('file list', () => {
  it('reads files and bytes with offsets, and knows what each is', async () => {
    const list = [
      { path: 'b.bin', offset: 0 },
      { path: 't.bin', offset: '0x8000', name: 'table' },
      { path: '/abs/app.bin', offset: ' 131072 ' },
      { data: new Uint8Array(4096), offset: 0x9000 },
    ];
    const set = await readFileList(list, loader(files), { chip: 'esp32c3', name: 'set' });
    assert.deepEqual(
      set.regions.map(({ offset, name, kind }) => [offset, name, kind]),
      [
        [0, 'b.bin', 'bootloader'],
        [0x8000, 'table', 'partition-table'],
        [0x20000, '/abs/app.bin', 'app'],
        [0x9000, '0x9000', 'nvs'],
      ],
    );
    assert.deepEqual(
      [set.name, set.chip, set.version, set.source, set.erase],
      ['set', 'ESP32-C3', '4.5.6', 'files', []],
    );
    assert.equal((await readFileList(list, loader(files), { version: '9' })).version, '9');
    assert.equal('chip' in (await readFileList(list, loader(files))), false);
  });

  it('has no version when the app tells none', async () => {
    const set = await readFileList([{ data: Uint8Array.of(0xe9, 1), offset: 0x10000 }], loader({}));
    assert.deepEqual([set.regions[0]?.kind, set.version], ['app', undefined]);
  });

  it('refuses bad input with the field and the value, before any file is read', async () => {
    const load = loader(files);
    const read = (list: unknown, options = {}): Promise<unknown> => readFileList(list, load, options);
    await refused(read([]), 'EMPTY_INPUT', 'files');
    await refused(read('a.bin'), 'BAD_MANIFEST', 'files');
    await refused(read([null]), 'BAD_MANIFEST', 'files[0]');
    await refused(read([{ path: 'b.bin', offset: 0 }, []]), 'BAD_MANIFEST', 'files[1]');
    await refused(read([{ offset: 0 }]), 'BAD_MANIFEST', 'files[0].path');
    await refused(read([{ path: 'a\0b', offset: 0 }]), 'BAD_MANIFEST', 'files[0].path');
    await refused(read([{ path: 'http://x/a.bin', offset: 0 }]), 'REMOTE_PATH', 'files[0].path');
    await refused(read([{ path: '//host/a.bin', offset: 0 }]), 'REMOTE_PATH', 'files[0].path');
    await refused(read([{ data: 'text', offset: 0 }]), 'BAD_MANIFEST', 'files[0].data');
    await refused(read([{ data: new Uint8Array(0), offset: 0 }]), 'FILE_EMPTY', 'files[0].data');
    await refused(read([{ path: 'b.bin', offset: 0 }], { chip: 'esp1' }), 'UNKNOWN_CHIP', 'chip');
    await refused(read(Array.from({ length: 129 }, () => ({ path: 'b.bin', offset: 0 }))), 'BAD_MANIFEST', 'files');
    const error = await refused(read([{ path: 'b.bin', offset: -4096 }]), 'BAD_OFFSET', 'files[0].offset');
    assert.equal(error.detail?.value, -4096);
    assert.deepEqual(load.asked, []);
  });

  it('refuses a missing and an empty file', async () => {
    await refused(readFileList([{ path: 'none.bin', offset: 0 }], loader(files)), 'FILE_MISSING', 'files[0].path');
    await refused(readFileList([{ path: 'empty.bin', offset: 0 }], loader(files)), 'FILE_EMPTY', 'files[0].path');
  });

  it('takes offsets as numbers and text, multiples of 4096 below 4 GB alone', async () => {
    assert.deepEqual(
      ['0x10000', '0X10000', '65536', 65536].map((value) => readOffset(value, 'o')),
      [65536, 65536, 65536, 65536],
    );
    const bad = [
      -1,
      '-0x1000',
      4095,
      '0x1001',
      0.5,
      Number.NaN,
      2 ** 32,
      '0x100000000',
      '1e4',
      '',
      '0x',
      'ten',
      null,
      undefined,
      {},
      [0],
    ];
    for (const value of bad) await refused(() => readOffset(value, 'o'), 'BAD_OFFSET', 'o');
  });
});
