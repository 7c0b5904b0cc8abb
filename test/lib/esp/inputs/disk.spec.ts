import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderLoader, loadImageSet } from '../../../../lib/esp/node.ts';
import { APP, BOOTLOADER, demo, refused, TABLE } from './helpers.ts';

describe('images from disk', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  const args = { flash_files: { '0x0': 'sub/b.bin', '0x20000': 'app.bin' }, extra_esptool_args: { chip: 'esp32c3' } };
  const manifest = {
    name: 'Lamp',
    builds: [{ chipFamily: 'ESP32-C3', parts: [{ path: 'app.bin', offset: 0x20000 }] }],
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyway-inputs-'));
    await mkdir(at('build/sub'), { recursive: true });
    await writeFile(at('build/app.bin'), APP);
    await writeFile(at('build/sub/b.bin'), BOOTLOADER);
    await writeFile(at('empty.bin'), '');
    await writeFile(at('outside.bin'), TABLE);
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('files: absolute, or from a folder', async () => {
    const files = [
      { path: 'app.bin', offset: '0x20000' },
      { path: at('outside.bin'), offset: 0x8000 },
    ];
    const set = await loadImageSet({ kind: 'files', files, folder: at('build'), chip: 'esp32c3' });
    assert.deepEqual(
      set.regions.map(({ kind }) => kind),
      ['app', 'partition-table'],
    );
    assert.deepEqual(set.regions[0]?.data, APP);
    assert.equal(set.chip, 'ESP32-C3');
  });

  it('a build folder by its flasher_args.json, which goes before manifest.json', async () => {
    await writeFile(at('build/manifest.json'), JSON.stringify(manifest));
    const source = { kind: 'folder', path: at('build'), chip: 'esp32c3' } as const;
    const web = await loadImageSet(source);
    assert.deepEqual([web.source, web.name, web.regions.length], ['folder', 'Lamp', 1]);
    await writeFile(at('build/flasher_args.json'), JSON.stringify(args));
    const set = await loadImageSet(source);
    assert.deepEqual([set.source, set.regions.length], ['folder', 2]);
    assert.equal(
      (await loadImageSet({ kind: 'flasher-args', path: at('build/flasher_args.json') })).source,
      'flasher-args',
    );
    assert.equal((await loadImageSet({ kind: 'web-tools', path: at('build/manifest.json') })).chip, 'ESP32-C3');
    await refused(loadImageSet({ kind: 'folder', path: folder }), 'FILE_MISSING', 'path');
  });

  it('a merged image', async () => {
    const bytes = new Uint8Array(0x30000).fill(0xff);
    for (const { offset, data } of demo.regions) bytes.set(data, offset);
    await writeFile(at('merged.bin'), bytes);
    const set = await loadImageSet({ kind: 'merged', path: at('merged.bin') });
    assert.deepEqual([set.name, set.regions.length], ['merged.bin', 3]);
  });

  it('refuses what is missing, empty, no file or too big', async () => {
    const load = (path: string): Promise<unknown> =>
      loadImageSet({ kind: 'files', files: [{ path, offset: 0 }], folder });
    const missing = await refused(load('none.bin'), 'FILE_MISSING');
    assert.match(missing.message, /"none.bin" does not exist/);
    await refused(load('outside.bin/x'), 'FILE_MISSING');
    await refused(load('build'), 'FILE_MISSING');
    await symlink('loop.bin', at('loop.bin'));
    assert.match((await refused(load('loop.bin'), 'FILE_MISSING')).message, /cannot be read \(ELOOP\)/);
    await refused(load('empty.bin'), 'FILE_EMPTY');
    await refused(loadImageSet({ kind: 'merged', path: at('empty.bin') }), 'FILE_EMPTY');
    await refused(loadImageSet({ kind: 'merged', path: at('none.bin') }), 'FILE_MISSING');
    const files = [{ path: at('outside.bin'), offset: 0 }];
    await refused(loadImageSet({ kind: 'files', files }, { maxBytes: 100 }), 'FILE_TOO_BIG');
  });

  it('reads nothing outside the folder, not through links either', async () => {
    const load = folderLoader(at('build'));
    assert.deepEqual(await load('sub/b.bin'), BOOTLOADER);
    await symlink(at('outside.bin'), at('build/link.bin'));
    await symlink(folder, at('build/up'));
    for (const path of ['link.bin', 'up/outside.bin', '../outside.bin', at('outside.bin'), at('build/app.bin')]) {
      await refused(load(path), 'FILE_OUTSIDE', 'path');
    }
    await refused(load('none.bin'), 'FILE_MISSING');
    await symlink(at('build/app.bin'), at('build/inner.bin'));
    assert.deepEqual(await load('inner.bin'), APP);
  });
});
