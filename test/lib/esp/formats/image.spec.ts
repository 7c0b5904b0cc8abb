import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import {
  BUILDABLE_CHIPS,
  buildImage,
  checkImage,
  demoMessage,
  isDemoImage,
  parseImage,
  sha256,
} from '../../../../lib/esp/index.ts';

const app = (extra: object = {}): Uint8Array =>
  buildImage({ kind: 'app', chip: 'esp32c3', project: 'keyway-blink', version: '1.2.3', size: 20000, ...extra });
const codes = (bytes: Uint8Array, options = {}): string[] =>
  checkImage(bytes, options).findings.map(({ code }) => code);
const changed = (bytes: Uint8Array, at: number, ...values: number[]): Uint8Array => {
  const out = bytes.slice();
  out.set(values, at);
  return out;
};
/** Makes the appended hash right again. */
const rehash = (bytes: Uint8Array): Uint8Array => changed(bytes, bytes.length - 32, ...sha256(bytes.subarray(0, -32)));

describe('image builder', () => {
  for (const chip of BUILDABLE_CHIPS) {
    for (const kind of ['app', 'bootloader'] as const) {
      it(`${chip} ${kind}: right in every way, and marked`, () => {
        const bytes = buildImage({ kind, chip, version: '7', size: 16384 });
        const verdict = checkImage(bytes, { chip, revision: 4 });
        assert.ok(verdict.ok);
        assert.deepEqual(
          verdict.findings.map(({ code }) => code),
          ['DEMO_IMAGE'],
        );
        assert.equal(verdict.image?.kind, kind);
        assert.equal(verdict.image?.chip, chip);
        assert.equal(verdict.image?.length, bytes.length);
        assert.ok(isDemoImage(bytes));
      });
    }
  }

  it('writes what it was told into header and descriptor', () => {
    const image = parseImage(
      app({ time: '12:34:56', date: 'Nov 22 2026', minRevision: 3, maxRevision: 199, flashSize: 16 << 20 }),
    );
    assert.deepEqual(image.app, {
      version: '1.2.3',
      project: 'keyway-blink',
      time: '12:34:56',
      date: 'Nov 22 2026',
      idfVersion: 'keyway-demo',
      elfSha256: image.app?.elfSha256,
      secureVersion: 0,
    });
    assert.match(image.app?.elfSha256 ?? '', /^[0-9a-f]{64}$/);
    assert.deepEqual([image.minRevision, image.maxRevision], [3, 199]);
    assert.deepEqual([image.flashMode, image.flashSize, image.flashFrequency], ['DIO', 16 << 20, 15]);
    const boot = parseImage(buildImage({ kind: 'bootloader', chip: 'ESP32', version: '9' }));
    assert.deepEqual(boot.bootloader, {
      version: 9,
      idfVersion: 'keyway-demo',
      dateTime: 'Jan  1 2026 00:00:00',
      secureVersion: 0,
    });
    assert.equal(boot.flashFrequency, 0);
  });

  it('maps flash segments so that address and file offset agree in the low half', () => {
    for (const size of [0, 5000, 200000]) {
      const { segments } = parseImage(app({ size }));
      for (const segment of [segments[0], segments[3]]) {
        assert.equal((segment?.address ?? 0) & 0xffff, (segment?.offset ?? 1) & 0xffff);
      }
    }
  });

  it('gets as long as wished, to the next 16 bytes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1024, max: 60000 }),
        fc.constantFrom('app' as const, 'bootloader' as const),
        (wished, kind) => {
          const size = kind === 'bootloader' ? (wished % 16384) + 1024 : wished;
          const { length } = buildImage({ kind, chip: 'esp32s3', size, fill: 'zero' });
          assert.ok(length >= size && length < size + 16, `${length} for ${size}`);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('is the same for the same options, another for another seed, version or project', () => {
    assert.deepEqual(app(), app());
    for (const other of [{ seed: 5 }, { version: '1.2.4' }, { project: 'other' }])
      assert.notDeepEqual(app(other), app());
    assert.deepEqual(app({ seed: 5 }), app({ seed: 5 }));
  });

  it('packs as machine code does, or to almost nothing', () => {
    const ratio = (bytes: Uint8Array): number => deflateSync(bytes, { level: 9 }).length / bytes.length;
    const like = ratio(app({ size: 300000 }));
    assert.ok(like > 0.6 && like < 0.7, `ratio ${like}`);
    assert.ok(ratio(app({ size: 300000, fill: 'zero' })) < 0.02);
  });

  it('carries a message', () => {
    assert.equal(demoMessage(app({ message: 'line one\nzwei ä' })), 'line one\nzwei ä');
    assert.equal(demoMessage(app()), '');
    assert.equal(demoMessage(new Uint8Array(100)), null);
    assert.equal(demoMessage(app({ message: 'x'.repeat(9000) }))?.length, 4096);
  });

  it('refuses what it cannot build', () => {
    const refused = (options: object, code: string, field: string): void => {
      assert.throws(
        () => app(options),
        (error: { code?: string; detail?: { field?: string } }) => {
          assert.deepEqual([error.code, error.detail?.field], [code, field]);
          return true;
        },
      );
    };
    refused({ chip: 'esp99' }, 'UNKNOWN_CHIP', 'chip');
    refused({ chip: 'esp32-h2' }, 'BAD_BUILD', 'chip');
    refused({ size: -1 }, 'BAD_BUILD', 'size');
    refused({ size: 1e9 }, 'BAD_BUILD', 'size');
    refused({ kind: 'bootloader', version: '1', size: 40000 }, 'BAD_BUILD', 'size');
    refused({ kind: 'bootloader' }, 'BAD_BUILD', 'version');
    refused({ version: 'x'.repeat(32) }, 'BAD_BUILD', 'version');
    refused({ flashSize: 3 << 20 }, 'BAD_BUILD', 'flashSize');
    refused({ minRevision: 70000 }, 'BAD_BUILD', 'minRevision');
  });
});

describe('image parser', () => {
  it('finds a wrong checksum and a wrong hash without throwing', () => {
    const good = app();
    const flipped = changed(good, 500, (good[500] as number) ^ 1);
    assert.deepEqual(codes(flipped), ['BAD_CHECKSUM', 'BAD_HASH', 'DEMO_IMAGE']);
    assert.deepEqual(codes(rehash(flipped)), ['BAD_CHECKSUM', 'DEMO_IMAGE']);
    assert.deepEqual(codes(changed(good, good.length - 1, (good.at(-1) as number) ^ 1)), ['BAD_HASH', 'DEMO_IMAGE']);
    assert.equal(checkImage(flipped).ok, false);
  });

  it('leaves the hash alone when asked to', () => {
    assert.equal(parseImage(app(), { hash: false }).hash?.valid, null);
  });

  it('takes an image without hash, with bytes behind it, inside a larger buffer', () => {
    const bare = changed(app(), 23, 0).subarray(0, -32);
    assert.equal(parseImage(bare).hash, null);
    assert.deepEqual(codes(bare), ['NO_HASH', 'DEMO_IMAGE']);
    const inside = new Uint8Array(40000);
    inside.set(app(), 4096);
    const image = parseImage(inside.subarray(4096));
    assert.deepEqual([image.length, image.checksum.valid, image.hash?.valid], [app().length, true, true]);
  });

  it('tells the chip and the revision apart', () => {
    assert.deepEqual(codes(app(), { chip: 'ESP32-C3' }), ['DEMO_IMAGE']);
    assert.deepEqual(codes(app(), { chip: 'esp32s3' }), ['WRONG_CHIP', 'DEMO_IMAGE']);
    assert.match(checkImage(app(), { chip: 'esp99' }).findings[0]?.message ?? '', /for ESP32-C3, not for esp99/);
    const narrow = app({ minRevision: 3, maxRevision: 199 });
    assert.deepEqual(codes(narrow, { revision: 2 }), ['WRONG_REVISION', 'DEMO_IMAGE']);
    assert.deepEqual(codes(narrow, { revision: 3 }), ['DEMO_IMAGE']);
    assert.deepEqual(codes(narrow, { revision: 200 }), ['WRONG_REVISION', 'DEMO_IMAGE']);
    const strange = rehash(changed(app(), 12, 0x77, 0x07));
    assert.deepEqual(codes(strange, { chip: 'esp32c3' }), ['UNKNOWN_CHIP_ID', 'WRONG_CHIP', 'DEMO_IMAGE']);
    assert.equal(parseImage(strange).chip, null);
  });

  it('reads the one revision byte of older images', () => {
    const legacy = (chip: string): Uint8Array => changed(buildImage({ kind: 'app', chip }), 14, 3, 0, 0, 0, 0);
    assert.deepEqual([parseImage(legacy('esp32')).minRevision, parseImage(legacy('esp32')).maxRevision], [300, 0xffff]);
    assert.equal(parseImage(legacy('esp32c3')).minRevision, 3);
  });

  it('shows numbers that mean nothing as null, and an image without descriptor as unknown', () => {
    const odd = parseImage(changed(app(), 2, 9, 0xf0));
    assert.deepEqual([odd.flashMode, odd.flashSize], [null, null]);
    assert.equal(parseImage(changed(app(), 32, 0)).kind, 'unknown');
    assert.ok(codes(changed(app(), 32, 0)).includes('NO_DESCRIPTOR'));
    assert.equal(parseImage(changed(buildImage({ kind: 'bootloader', chip: 'esp32' }), 33, 1)).kind, 'unknown');
    const tiny = new Uint8Array(48);
    tiny.set([0xe9, 1]);
    tiny[47] = 0xef;
    const smallest = parseImage(tiny);
    assert.deepEqual([smallest.kind, smallest.length, smallest.checksum.valid], ['unknown', 48, true]);
  });

  const good = app();
  const broken: [string, Uint8Array, number, string][] = [
    ['too short', good.subarray(0, 23), 0, 'length'],
    ['wrong magic', changed(good, 0, 0x7f), 0, 'magic'],
    ['hash flag', changed(good, 23, 2), 23, 'hash_appended'],
    ['no segments', changed(good, 1, 0), 1, 'segments'],
    ['17 segments', changed(good, 1, 17), 1, 'segments'],
    ['segment beyond the end', changed(good, 28, 0, 0, 0, 0x7f), 28, 'segment length'],
    ['segment of odd length', changed(good, 28, 0x11, 0, 0, 0), 28, 'segment length'],
    ['cut in the hash', good.subarray(0, -1), good.length - 1, 'length'],
  ];
  for (const [title, bytes, offset, field] of broken) {
    it(`refuses ${title}`, () => {
      assert.throws(
        () => parseImage(bytes),
        (error: { code?: string; detail?: { offset?: number; field?: string } }) => {
          assert.deepEqual([error.code, error.detail?.offset, error.detail?.field], ['BAD_IMAGE', offset, field]);
          return true;
        },
      );
      const verdict = checkImage(bytes);
      assert.deepEqual([verdict.ok, verdict.image, verdict.findings[0]?.code], [false, null, 'BAD_IMAGE']);
    });
  }

  it('refuses an image that ends before a segment header', () => {
    const { segments } = parseImage(good);
    const second = (segments[1]?.offset ?? 0) - 8;
    assert.throws(() => parseImage(good.subarray(0, second + 4)), { code: 'BAD_IMAGE' });
  });

  it('notices every single changed byte', () => {
    const image = app({ size: 2000 });
    fc.assert(
      fc.property(fc.nat(image.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        assert.equal(checkImage(changed(image, at, (image[at] as number) ^ flip)).ok, false);
      }),
    );
  });
});

describe('image parser: real bootloaders of ESP-IDF', () => {
  const folder = new URL('../../../../../shared/data/firmware/', import.meta.url);
  for (const [chip, name] of [
    ['esp32', 'ESP32'],
    ['esp32c3', 'ESP32-C3'],
    ['esp32s3', 'ESP32-S3'],
  ] as const) {
    const file = new URL(`${chip}-bootloader.bin`, folder);
    if (!existsSync(file)) {
      it(`${name}: left out, ${chip}-bootloader.bin is not on this machine`, () => {
        assert.ok(!existsSync(file));
      });
      continue;
    }
    it(`${name}: sound, and read right`, () => {
      const bytes = new Uint8Array(readFileSync(file));
      const verdict = checkImage(bytes, { chip });
      assert.deepEqual(verdict.findings, []);
      assert.equal(verdict.image?.kind, 'bootloader');
      assert.match(verdict.image?.bootloader?.idfVersion ?? '', /^v\d+\.\d+/);
      assert.equal(verdict.image?.length, bytes.length);
      assert.equal(isDemoImage(bytes), false);
    });
  }
});
