import assert from 'node:assert/strict';
import { readFlasherArgs, readWebToolsManifest } from '../../../../lib/esp/index.ts';
import { jsonErrorAt } from '../../../../lib/esp/inputs/json.ts';
import { APP, BOOTLOADER, loader, refused, TABLE } from './helpers.ts';

const files = { 'c3/b.bin': BOOTLOADER, 't.bin': TABLE, 'c3/app.bin': APP };
const parts = [
  { path: './c3/b.bin', offset: 0 },
  { path: 'c3/../t.bin', offset: '0x8000' },
  { path: 'c3\\app.bin', offset: 131072 },
];
const manifest = (extra: object = {}): object => ({
  name: 'Lamp',
  version: '1.0',
  new_install_prompt_erase: true,
  builds: [
    { chipFamily: 'ESP32', parts: [{ path: 'none.bin', offset: 0x1000 }] },
    { chipFamily: 'ESP32-C3', parts },
  ],
  ...extra,
});

describe('ESP Web Tools manifest', () => {
  it('takes the build for the chip, paths relative to the manifest', async () => {
    const load = loader(files);
    const set = await readWebToolsManifest(JSON.stringify(manifest()), 'esp32c3', load);
    assert.deepEqual(load.asked, ['c3/b.bin', 't.bin', 'c3/app.bin']);
    assert.deepEqual([set.name, set.version, set.chip, set.source], ['Lamp', '1.0', 'ESP32-C3', 'web-tools']);
    assert.deepEqual(
      set.regions.map(({ offset, kind }) => [offset, kind]),
      [
        [0, 'bootloader'],
        [0x8000, 'partition-table'],
        [0x20000, 'app'],
      ],
    );
  });

  it('needs no chip when all builds are for one, and takes a parsed object', async () => {
    const builds = [{ chipFamily: 'ESP32-C3', parts }];
    const set = await readWebToolsManifest(
      manifest({ builds, name: undefined, version: null }),
      undefined,
      loader(files),
    );
    assert.deepEqual([set.chip, set.name, set.version], ['ESP32-C3', 'firmware', '4.5.6']);
  });

  it('chooses by the serial type, then the build that names none', async () => {
    const build = (name: string, serialType?: string): object => ({
      chipFamily: 'ESP32-C3',
      serialType,
      parts: [{ path: name, offset: 0 }],
    });
    const named = { cdc: APP, uart: APP, any: APP };
    const chosen = async (builds: object[], serialType?: 'cdc' | 'uart'): Promise<string | undefined> => {
      const options = serialType === undefined ? {} : { serialType };
      const set = await readWebToolsManifest(manifest({ builds }), 'ESP32-C3', loader(named), options);
      return set.regions[0]?.name;
    };
    const all = [build('uart', 'uart'), build('any'), build('cdc', 'cdc')];
    assert.equal(await chosen(all, 'cdc'), 'cdc');
    assert.equal(await chosen(all, 'uart'), 'uart');
    assert.equal(await chosen(all), 'any');
    assert.equal(await chosen([build('uart', 'uart'), build('any')], 'cdc'), 'any');
    assert.equal(await chosen([build('uart', 'uart')]), 'uart');
    const error = await refused(chosen([build('uart', 'uart')], 'cdc'), 'NO_BUILD_FOR_CHIP', 'builds');
    assert.match(error.message, /attached by cdc/);
  });

  it('refuses when no build fits, naming what there is', async () => {
    const read = (chip?: string): Promise<unknown> => readWebToolsManifest(manifest(), chip, loader(files));
    assert.deepEqual((await refused(read('esp32-s3'), 'NO_BUILD_FOR_CHIP')).detail?.families, ['ESP32', 'ESP32-C3']);
    assert.match((await refused(read(), 'NO_BUILD_FOR_CHIP')).message, /builds for ESP32, ESP32-C3/);
    await refused(read('esp-nonsense'), 'UNKNOWN_CHIP', 'chip');
  });

  it('refuses what breaks the format, naming the field', async () => {
    const read = (extra: object): Promise<unknown> => readWebToolsManifest(manifest(extra), 'esp32c3', loader(files));
    const build = (part: object): object => ({ builds: [{ chipFamily: 'ESP32-C3', parts: [part] }] });
    await refused(read({ builds: undefined }), 'BAD_MANIFEST', 'builds');
    await refused(read({ builds: [] }), 'EMPTY_INPUT', 'builds');
    await refused(read({ builds: [3] }), 'BAD_MANIFEST', 'builds[0]');
    await refused(read({ builds: [{ parts }] }), 'BAD_MANIFEST', 'builds[0].chipFamily');
    await refused(read({ builds: [{ chipFamily: 'ESP32-C3' }] }), 'BAD_MANIFEST', 'builds[0].parts');
    await refused(read({ builds: [{ chipFamily: 'ESP32-C3', parts: [] }] }), 'EMPTY_INPUT', 'builds[0].parts');
    await refused(read({ builds: [{ chipFamily: 'ESP32-C3', parts: ['x'] }] }), 'BAD_MANIFEST', 'builds[0].parts[0]');
    await refused(
      read({ builds: [{ chipFamily: 'ESP32-C3', serialType: 'x', parts }] }),
      'BAD_MANIFEST',
      'builds[0].serialType',
    );
    await refused(read({ name: 5 }), 'BAD_MANIFEST', 'name');
    await refused(read(build({ path: 'c3/app.bin', offset: 100 })), 'BAD_OFFSET', 'builds[0].parts[0].offset');
    await refused(read(build({ path: 'c3/app.bin' })), 'BAD_OFFSET', 'builds[0].parts[0].offset');
    await refused(read(build({ path: 'gone.bin', offset: 0 })), 'FILE_MISSING', 'builds[0].parts[0].path');
  });

  it('refuses paths that lead out, or onto the network', async () => {
    const load = loader(files);
    const read = (path: string): Promise<unknown> =>
      readWebToolsManifest(
        manifest({ builds: [{ chipFamily: 'ESP32-C3', parts: [{ path, offset: 0 }] }] }),
        'esp32c3',
        load,
      );
    for (const path of ['../a', 'a/../../b', '/etc/passwd', '\\a', 'C:\\a.bin', 'c:a', '..\\a', '.', 'a/..', './']) {
      await refused(read(path), 'FILE_OUTSIDE', 'builds[0].parts[0].path');
    }
    for (const path of ['http://x/a.bin', 'HTTPS://x/a', 'file:///a', 'data:,x', '//x/a', '\\\\x\\a']) {
      await refused(read(path), 'REMOTE_PATH', 'builds[0].parts[0].path');
    }
    assert.deepEqual(load.asked, []);
  });

  it('names line and column of broken JSON', async () => {
    const error = await refused(
      readWebToolsManifest('{\n  "name": "x",\n  "builds": [,]\n}', undefined, loader({})),
      'BAD_MANIFEST',
      'text',
    );
    assert.deepEqual([error.detail?.line, error.detail?.column, error.detail?.position], [3, 14, 30]);
    assert.match(error.message, /line 3, column 14 has ",\]/);
    assert.match(
      (await refused(readWebToolsManifest('{"a": ', undefined, loader({})), 'BAD_MANIFEST')).message,
      /the end/,
    );
    await refused(readWebToolsManifest('[]', undefined, loader({})), 'BAD_MANIFEST', 'text');
    await refused(readWebToolsManifest(null, undefined, loader({})), 'BAD_MANIFEST', 'text');
    await refused(readWebToolsManifest(' '.repeat((1 << 20) + 1), undefined, loader({})), 'BAD_MANIFEST', 'text');
  });

  it('finds the place where text stops being JSON', () => {
    const cases: [string, number][] = [
      ['', 0],
      ['  x', 2],
      ['{"a":1,}', 7],
      ['{"a" 1}', 5],
      ['{"a":1 "b"}', 7],
      ['{1:2}', 1],
      ['[1 2]', 3],
      ['[1,]', 3],
      ['[1}', 2],
      ['{]', 1],
      ['{} {}', 3],
      ['[]]', 2],
      ['{"a":[1,{"b":null}], "c":tru}', 25],
      ['"a\nb"', 0],
      [':', 0],
      [',', 0],
      ['{"a":"b":', 8],
      ['[[', 2],
    ];
    for (const [text, at] of cases) {
      assert.throws(() => JSON.parse(text));
      assert.equal(jsonErrorAt(text), at, text);
    }
  });
});

describe('flasher_args.json', () => {
  const args = (extra: object = {}): object => ({
    write_flash_args: ['--flash_mode', 'dio'],
    flash_settings: { flash_mode: 'dio', flash_size: '4MB', flash_freq: '80m' },
    flash_files: { '0x0': 'c3/b.bin', '0x8000': 't.bin', '0x20000': 'c3/app.bin' },
    app: { offset: '0x20000', file: 'c3/lamp.bin', encrypted: 'false' },
    extra_esptool_args: { after: 'hard_reset', stub: true, chip: 'esp32c3' },
    ...extra,
  });

  it('reads files, chip, name and settings', async () => {
    const set = await readFlasherArgs(JSON.stringify(args()), loader(files));
    assert.deepEqual([set.name, set.chip, set.version, set.source], ['lamp', 'ESP32-C3', '4.5.6', 'flasher-args']);
    assert.deepEqual(set.settings, { mode: 'dio', frequency: '80m', size: '4MB' });
    assert.deepEqual(
      set.regions.map(({ offset, name, kind }) => [offset, name, kind]),
      [
        [0, 'c3/b.bin', 'bootloader'],
        [0x8000, 't.bin', 'partition-table'],
        [0x20000, 'c3/app.bin', 'app'],
      ],
    );
  });

  it('needs neither chip, settings nor app', async () => {
    const bare = { flash_files: { '0x20000': 'c3/app.bin' } };
    const set = await readFlasherArgs(bare, loader(files));
    assert.deepEqual([set.name, set.chip, set.settings], ['firmware', undefined, {}]);
    assert.equal(
      (await readFlasherArgs({ ...bare, extra_esptool_args: { chip: 'auto' } }, loader(files))).chip,
      undefined,
    );
  });

  it('refuses what breaks the format, naming the field', async () => {
    const read = (extra: object): Promise<unknown> => readFlasherArgs(args(extra), loader(files));
    await refused(read({ flash_files: undefined }), 'BAD_MANIFEST', 'flash_files');
    await refused(read({ flash_files: {} }), 'EMPTY_INPUT', 'flash_files');
    await refused(read({ flash_files: { '0x10': 'a.bin' } }), 'BAD_OFFSET', 'flash_files["0x10"]');
    await refused(read({ flash_files: { zero: 'a.bin' } }), 'BAD_OFFSET', 'flash_files["zero"]');
    await refused(read({ flash_files: { '0x0': '../a.bin' } }), 'FILE_OUTSIDE', 'flash_files["0x0"]');
    await refused(read({ flash_files: { '0x0': 7 } }), 'BAD_MANIFEST', 'flash_files["0x0"]');
    await refused(read({ flash_files: { '0x0': 'gone.bin' } }), 'FILE_MISSING', 'flash_files["0x0"]');
    await refused(read({ extra_esptool_args: { chip: 3 } }), 'BAD_MANIFEST', 'extra_esptool_args.chip');
    await refused(read({ extra_esptool_args: { chip: 'esp1' } }), 'UNKNOWN_CHIP', 'extra_esptool_args.chip');
    await refused(read({ flash_settings: { flash_size: 4 } }), 'BAD_MANIFEST', 'flash_settings.flash_size');
    await refused(readFlasherArgs('{', loader(files)), 'BAD_MANIFEST', 'text');
  });
});
