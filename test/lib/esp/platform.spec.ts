import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import { buildImage, type Platform, toHex, webPlatform } from '../../../lib/esp/index.ts';
import { createNodePlatform, type NodePlatform } from '../../../lib/esp/node.ts';

const image = buildImage({ kind: 'app', chip: 'esp32c3', size: 200000 });
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(Buffer.from(b));

function behaves(name: string, platform: () => Platform): void {
  describe(`${name} platform`, () => {
    it('hashes as everybody does', async () => {
      for (const bytes of [new Uint8Array(0), image, new Uint8Array(2_500_000)]) {
        assert.equal(toHex(await platform().md5(bytes)), createHash('md5').update(bytes).digest('hex'));
        assert.equal(toHex(await platform().sha256(bytes)), createHash('sha256').update(bytes).digest('hex'));
      }
    });

    it('compresses to a zlib stream of the same bytes', async () => {
      for (const bytes of [new Uint8Array(0), Uint8Array.of(1), image, new Uint8Array(300000)]) {
        assert.ok(same(inflateSync(await platform().deflate(bytes)), bytes));
      }
    });

    it('stops waiting when cancelled', async () => {
      await assert.rejects(platform().deflate(image, { signal: AbortSignal.abort() }), { code: 'CANCELLED' });
      const stop = new AbortController();
      const running = platform().deflate(buildImage({ kind: 'app', chip: 'esp32', size: 2_000_000 }), {
        signal: stop.signal,
      });
      setImmediate(() => stop.abort());
      await assert.rejects(running, { code: 'CANCELLED' });
    });
  });
}

behaves('web', () => webPlatform);

describe('web platform', () => {
  it('hashes where there is no WebCrypto', async () => {
    const whole = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
    Object.defineProperty(globalThis, 'crypto', { value: {}, configurable: true });
    try {
      assert.equal(toHex(await webPlatform.sha256(image)), createHash('sha256').update(image).digest('hex'));
    } finally {
      if (whole) Object.defineProperty(globalThis, 'crypto', whole);
    }
  });

  it('compresses in a browser, which has no setImmediate', async () => {
    const whole = Object.getOwnPropertyDescriptor(globalThis, 'setImmediate');
    Reflect.deleteProperty(globalThis, 'setImmediate');
    try {
      const big = buildImage({ kind: 'app', chip: 'esp32c3', size: 500_000 });
      assert.ok(same(inflateSync(await webPlatform.deflate(big)), big));
    } finally {
      if (whole) Object.defineProperty(globalThis, 'setImmediate', whole);
    }
  });

  it('lets others work meanwhile', async () => {
    let turns = 0;
    const count = setInterval(() => turns++, 0);
    await webPlatform.deflate(buildImage({ kind: 'app', chip: 'esp32c3', size: 1_000_000 }));
    clearInterval(count);
    assert.ok(turns >= 3, `${turns} turns`);
  });
});

const open: NodePlatform[] = [];
const made = (options = {}): NodePlatform => {
  const platform = createNodePlatform(options);
  open.push(platform);
  return platform;
};
let shared: NodePlatform | undefined;
behaves('node', () => {
  shared ??= made();
  return shared;
});

describe('node platform', () => {
  after(() => Promise.all(open.map((platform) => platform.close())));

  it('compresses equal bytes once, at the same time and later', async () => {
    const platform = made();
    const [first, second] = await Promise.all([platform.deflate(image), platform.deflate(image.slice())]);
    assert.equal(first, second);
    assert.equal(await platform.deflate(image.slice()), first);
    assert.deepEqual([platform.stats.compressed, platform.stats.kept, platform.stats.keptBytes], [1, 1, first.length]);
  });

  it('keeps nothing it is told not to keep', async () => {
    const platform = made();
    await platform.deflate(image, { keep: false });
    await platform.deflate(image, { keep: false });
    assert.deepEqual([platform.stats.compressed, platform.stats.kept], [2, 0]);
  });

  it('forgets what was used longest ago, and never keeps more than the limit', async () => {
    const inputs = [1, 2, 3].map((seed) => buildImage({ kind: 'app', chip: 'esp32c3', size: 20000, seed }));
    const [a, b, c] = inputs as [Uint8Array, Uint8Array, Uint8Array];
    const size = (await made().deflate(a)).length;
    const platform = made({ cacheBytes: size * 2.5 });
    await platform.deflate(a);
    await platform.deflate(b);
    await platform.deflate(a);
    await platform.deflate(c);
    assert.equal(platform.stats.kept, 2);
    await platform.deflate(a);
    assert.equal(platform.stats.compressed, 3);
    await platform.deflate(b);
    assert.equal(platform.stats.compressed, 4);
    const tiny = made({ cacheBytes: 10 });
    await tiny.deflate(a);
    assert.equal(tiny.stats.kept, 0);
  });

  it('a cancelled caller takes nothing from the others', async () => {
    const platform = made();
    const stop = new AbortController();
    const cancelled = assert.rejects(platform.deflate(image, { signal: stop.signal }), { code: 'CANCELLED' });
    const other = platform.deflate(image);
    stop.abort();
    await cancelled;
    assert.ok(same(inflateSync(await other), image));
    assert.equal(platform.stats.compressed, 1);
  });

  it('a waiting caller hears that it was closed; the next call starts afresh', async () => {
    const platform = made();
    const waiting = assert.rejects(platform.deflate(image, { keep: false }), { code: 'COMPRESS_FAILED' });
    assert.ok(platform.stats.running());
    await platform.close();
    await waiting;
    assert.equal(platform.stats.running(), false);
    assert.ok(same(inflateSync(await platform.deflate(image)), image));
  });

  it('ends its thread when idle', async () => {
    const platform = made({ idleMs: 0 });
    await platform.deflate(image);
    while (platform.stats.running()) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(platform.stats.running(), false);
  });
});
