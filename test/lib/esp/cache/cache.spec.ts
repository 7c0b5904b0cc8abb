import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { changedSectors, type ImageCache, memoryImageCache } from '../../../../lib/esp/cache/index.ts';
import { diskImageCache } from '../../../../lib/esp/node.ts';

const MAC = '7c:df:a1:00:00:01';
const content = (size: number, value: number) => new Uint8Array(size).fill(value);
const remember = (cache: ImageCache, data: Uint8Array, offset = 0, mac = MAC) =>
  cache.remember(mac, { offset, data, kind: 'app' });
const held = async (cache: ImageCache, offset = 0, mac = MAC) =>
  (await cache.candidates(mac, offset)).map((bytes) => [bytes.length, bytes[0]]);

describe('changedSectors', () => {
  it('names every sector that differs and no other; neighbours are joined', () => {
    const bytes = fc.uint8Array({ maxLength: 30 });
    fc.assert(
      fc.property(bytes, bytes, fc.integer({ min: 0, max: 4095 }), (a, b, tail) => {
        const spread = (marks: Uint8Array) => {
          const out = new Uint8Array(Math.max(0, marks.length * 4096 - (marks.length > 0 ? tail : 0)));
          for (const [i, mark] of marks.entries()) out.fill(mark & 1, i * 4096, (i + 1) * 4096);
          return out;
        };
        const [was, is] = [spread(a), spread(b)];
        const made = was.slice(0, is.length);
        const patched = new Uint8Array(is.length).fill(0x77);
        patched.set(made);
        const ranges = changedSectors(was, is);
        for (const { offset, size } of ranges) {
          assert.equal(offset % 4096, 0);
          patched.set(is.subarray(offset, offset + size), offset);
        }
        assert.deepEqual(patched, is, 'what was left out was the same');
        for (const [i, { offset }] of ranges.entries()) {
          const before = ranges[i - 1];
          assert.ok(before === undefined || before.offset + before.size < offset, 'neighbours are one range');
        }
        const sectors = new Set(
          ranges.flatMap(({ offset, size }) =>
            Array.from({ length: Math.ceil(size / 4096) }, (_, k) => offset / 4096 + k),
          ),
        );
        for (const sector of sectors) {
          const [from, to] = [sector * 4096, Math.min(is.length, (sector + 1) * 4096)];
          assert.ok(to > was.length || Buffer.compare(was.subarray(from, to), is.subarray(from, to)) !== 0);
        }
      }),
    );
  });

  it('finds nothing between equals', () => {
    assert.deepEqual(changedSectors(content(10_000, 1), content(10_000, 1)), []);
    assert.deepEqual(changedSectors(content(10_000, 1), content(9000, 1)), []);
  });
});

for (const kind of ['memory', 'disk'] as const) {
  describe(`${kind}ImageCache`, () => {
    let folder = '';
    const make = (bytes?: number): ImageCache => {
      const options = bytes === undefined ? {} : { bytes };
      return kind === 'memory' ? memoryImageCache(options) : diskImageCache(join(folder, 'cache'), options);
    };

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'keyway-cache-'));
    });
    afterEach(() => rm(folder, { recursive: true }));

    it('gives back what was remembered for that chip and offset, the newest first, and no more than two', async () => {
      const cache = make();
      assert.deepEqual(await held(cache), []);
      await remember(cache, content(100, 1));
      await remember(cache, content(100, 2));
      await remember(cache, content(50, 3), 0x1000);
      await remember(cache, content(60, 4), 0, '7c:df:a1:00:00:02');
      assert.deepEqual(await held(cache), [
        [100, 2],
        [100, 1],
      ]);
      await remember(cache, content(100, 1));
      await remember(cache, content(100, 5));
      assert.deepEqual(await held(cache), [
        [100, 5],
        [100, 1],
      ]);
      assert.deepEqual(await held(cache, 0x1000), [[50, 3]]);
      assert.deepEqual(await held(cache, 0, '7c:df:a1:00:00:02'), [[60, 4]]);
    });

    it('keeps a copy of its own', async () => {
      const cache = make();
      const data = content(100, 1);
      await remember(cache, data);
      data.fill(9);
      assert.deepEqual(await held(cache), [[100, 1]]);
    });

    it('forgets the least recently used when it is full', async () => {
      const cache = make(250);
      await remember(cache, content(100, 1), 0x1000);
      await remember(cache, content(100, 2), 0x2000);
      if (kind === 'disk') {
        const at = join(folder, 'cache');
        for (const name of await readdir(at)) await utimes(join(at, name), 1000, 1000);
      }
      await held(cache, 0x1000);
      await remember(cache, content(100, 3), 0x3000);
      assert.deepEqual(await held(cache, 0x1000), [[100, 1]]);
      assert.deepEqual(await held(cache, 0x2000), []);
      assert.deepEqual(await held(cache, 0x3000), [[100, 3]]);
    });

    it('does not keep what is larger than all of it', async () => {
      const cache = make(50);
      await remember(cache, content(100, 1));
      assert.deepEqual(await held(cache), []);
    });
  });
}

describe('diskImageCache on disk', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyway-cache-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is for its owner alone, leaves no half-written file, and holds equal contents once', async () => {
    const at = join(folder, 'a', 'b');
    const cache = diskImageCache(at);
    await remember(cache, content(100, 1));
    await remember(cache, content(100, 1), 0x1000);
    assert.equal((await stat(at)).mode & 0o777, 0o700);
    const files = await readdir(at);
    assert.equal(files.filter((name) => name.endsWith('.bin')).length, 1);
    assert.equal(files.length, 3);
    for (const name of files) assert.equal((await stat(join(at, name))).mode & 0o777, 0o600);
  });

  it('is there for the next process', async () => {
    await remember(diskImageCache(folder), content(100, 1));
    assert.deepEqual(await held(diskImageCache(folder)), [[100, 1]]);
  });

  it('throws a damaged content away, and takes a damaged list for an empty one', async () => {
    const cache = diskImageCache(folder);
    await remember(cache, content(100, 1));
    const [image, list] = (await readdir(folder)).sort((a, b) => b.length - a.length) as [string, string];
    const bytes = await readFile(join(folder, image));
    await writeFile(join(folder, image), bytes.subarray(0, 50));
    assert.deepEqual(await held(cache), []);
    assert.ok(!(await readdir(folder)).includes(image));
    await writeFile(join(folder, list), '../../etc/passwd\n\u0000');
    assert.deepEqual(await held(cache), []);
    await remember(cache, content(100, 2));
    assert.deepEqual(await held(cache), [[100, 2]]);
  });

  it('no MAC, however it is spelled, names a file elsewhere', async () => {
    const cache = diskImageCache(join(folder, 'in'));
    await remember(cache, content(10, 1), 0, '../../7c:df:a1:00:00:01/x');
    assert.deepEqual(await readdir(folder), ['in']);
  });

  it('many at once', async () => {
    const caches = [diskImageCache(folder), diskImageCache(folder)];
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => remember(caches[i % 2] as ImageCache, content(1000, i % 4), 0x1000 * i)),
    );
    for (let i = 0; i < 20; i++) assert.deepEqual(await held(caches[0] as ImageCache, 0x1000 * i), [[1000, i % 4]]);
    assert.equal((await readdir(folder)).filter((name) => name.endsWith('.bin')).length, 4);
  });
});
