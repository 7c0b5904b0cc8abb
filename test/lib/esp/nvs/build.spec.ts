import assert from 'node:assert/strict';
import fc from 'fast-check';
import { nodePlatform as platform } from '../../../../lib/esp/node.ts';
import { buildNvs, type NvsEntry, parseNvs, sizeOfNvs } from '../../../../lib/esp/nvs/index.ts';
import { anyEntries, testKeys } from './samples.ts';

const entry = (rest: Partial<Record<keyof NvsEntry, unknown>>): NvsEntry =>
  ({ namespace: 'space', key: 'key', encoding: 'u8', value: 1, ...rest }) as NvsEntry;

const build = (entries: readonly NvsEntry[], size = 0x6000) => buildNvs(entries, { size, platform });

async function refuses(entries: readonly NvsEntry[], code: string, text: RegExp, detail: object, size?: number) {
  await assert.rejects(build(entries, size), (error: Error & { code: string; hint?: string; detail: object }) => {
    assert.equal(error.code, code);
    assert.match(error.message, text);
    assert.ok(error.hint, 'it says what to do');
    assert.deepEqual({ ...error.detail, ...detail }, error.detail);
    return true;
  });
}

describe('building NVS', () => {
  it('what is built is read back, plain and encrypted', async () => {
    await fc.assert(
      fc.asyncProperty(anyEntries, fc.boolean(), async (entries, encrypted) => {
        const options = encrypted ? { platform, keys: testKeys() } : { platform };
        const size = sizeOfNvs(entries).bytes;
        const image = await buildNvs(entries, { size, ...options });
        const content = await parseNvs(image, options);
        assert.deepEqual(
          content.entries,
          entries.map((one) => ({ ...one })),
        );
        assert.deepEqual(content.torn, []);
        // It fits exactly: where there is less room, that is said.
        if (size > 0x3000) await assert.rejects(build(entries, size - 4096), { code: 'NVS_TOO_SMALL' });
      }),
      { numRuns: 80 },
    );
  });

  it('leaves a page with one entry free rather than fill it with a string, as the generator does', async () => {
    const used = async (free: number) => {
      // The namespace and so many numbers before it; the string takes three entries.
      const numbers = Array.from({ length: 126 - 1 - 3 - free }, (_, i) => entry({ key: `k${i}` }));
      const image = await build([...numbers, entry({ key: 'text', encoding: 'string', value: 'x'.repeat(40) })]);
      return (await parseNvs(image, { platform })).pages.slice(0, 2).map((page) => page.used);
    };
    assert.deepEqual(await used(1), [125, 0]);
    assert.deepEqual(await used(0), [123, 3]);
  });

  it('takes values in every form that means the same', async () => {
    const forms = [
      [
        entry({ encoding: 'u16', value: 0x1234 }),
        entry({ encoding: 'u16', value: 0x1234n }),
        entry({ encoding: 'u16', value: ' 0x1234 ' }),
      ],
      [
        entry({ encoding: 'i32', value: -5 }),
        entry({ encoding: 'i32', value: '-5' }),
        entry({ encoding: 'i32', value: '-0x5' }),
      ],
      [entry({ encoding: 'i8', value: 7 }), entry({ encoding: 'i8', value: '+7' })],
      [entry({ encoding: 'u64', value: 12 }), entry({ encoding: 'u64', value: Buffer.from('12') })],
      [entry({ encoding: 'string', value: 'grün' }), entry({ encoding: 'string', value: Buffer.from('grün') })],
      [entry({ encoding: 'blob', value: 'grün' }), entry({ encoding: 'blob', value: Buffer.from('grün') })],
    ];
    for (const [first, ...others] of forms as [NvsEntry, ...NvsEntry[]][]) {
      for (const other of others) assert.deepEqual(await build([other]), await build([first]));
    }
  });

  it('keeps strings that are no UTF-8 as bytes', async () => {
    const value = Uint8Array.of(0x67, 0x72, 0xfc, 0x6e);
    const { entries } = await parseNvs(await build([entry({ encoding: 'string', value })]), { platform });
    assert.deepEqual(entries[0]?.value, value);
  });

  it('puts an entry into the namespace that it names, however they alternate', async () => {
    const entries = ['a', 'b', 'a', 'c', 'b'].map((namespace, i) => entry({ namespace, key: `k${i}`, value: i }));
    assert.deepEqual((await parseNvs(await build(entries), { platform })).entries, entries);
  });

  it('holds the longest string, the largest number, the most namespaces', async () => {
    const entries = [
      entry({ key: 'before' }),
      entry({ key: 'longest', encoding: 'string', value: 'x'.repeat(3999) }),
      entry({ key: 'abcdefghijklmno', encoding: 'u64', value: 2n ** 64n - 1n }),
      ...Array.from({ length: 253 }, (_, i) => entry({ namespace: `space ${i}` })),
    ];
    const size = sizeOfNvs(entries).bytes;
    assert.deepEqual((await parseNvs(await build(entries, size), { platform })).entries, entries);
    const one = entry({ namespace: 'one too many' });
    await refuses([...entries, one], 'BAD_NVS_NAMESPACE', /number 255/, { value: 'one too many' }, size);
  });

  it('holds the largest blob, and none larger', async () => {
    const blob = entry({ encoding: 'blob', value: new Uint8Array(508_000).fill(7) });
    await refuses([blob], 'NVS_BLOB_TOO_LARGE', /128 pieces/, { length: 508_000 }, 0x100000);
    const fits = entry({ encoding: 'blob', value: new Uint8Array(507_000).fill(7) });
    assert.deepEqual((await parseNvs(await build([fits], 0x100000), { platform })).entries, [fits]);
    const large = entry({ encoding: 'blob', value: new Uint8Array(508_001) });
    await refuses([large], 'NVS_BLOB_TOO_LARGE', /508001 bytes/, { field: 'value', length: 508_001, index: 0 });
  });

  it('refuses keys and namespaces that cannot be stored', async () => {
    const long = 'abcdefghijklmnop';
    await refuses([entry({ key: long })], 'BAD_NVS_KEY', /"abcdefghijklmnop" is longer than 15/, {
      field: 'key',
      value: long,
    });
    await refuses([entry({ key: 'ääääääää' })], 'BAD_NVS_KEY', /longer than 15 bytes/, { namespace: 'space' });
    await refuses([entry({ key: '' })], 'BAD_NVS_KEY', /is empty/, { value: '' });
    await refuses([entry({ key: 'a\0b' })], 'BAD_NVS_KEY', /cannot be stored/, { index: 0 });
    await refuses([entry({ key: '\ud800' })], 'BAD_NVS_KEY', /cannot be stored/, { index: 0 });
    await refuses([entry({}), entry({ key: 5 })], 'BAD_NVS_KEY', /is no text/, { index: 1 });
    await refuses([entry({ key: undefined })], 'BAD_NVS_KEY', /is missing/, { field: 'key' });
    await refuses([entry({ namespace: long })], 'BAD_NVS_NAMESPACE', /longer than 15/, { field: 'namespace' });
    await refuses([entry({ namespace: '' })], 'BAD_NVS_NAMESPACE', /is empty/, { field: 'namespace' });
  });

  it('refuses values out of the range of their type', async () => {
    const ranges = [
      ['u8', -1, 256],
      ['i8', -129, 128],
      ['u16', -1, 65536],
      ['i16', -32769, 32768],
      ['u32', -1, 2 ** 32],
      ['i32', -(2 ** 31) - 1, 2 ** 31],
      ['u64', -1n, 2n ** 64n],
      ['i64', -(2n ** 63n) - 1n, 2n ** 63n],
    ] as const;
    for (const [encoding, low, high] of ranges) {
      for (const value of [low, high]) {
        const detail = { field: 'value', key: 'key', encoding, value: String(value) };
        await refuses([entry({ encoding, value })], 'BAD_NVS_VALUE', new RegExp(`${value} is out of range`), detail);
      }
    }
    for (const value of [
      1.5,
      Number.NaN,
      2 ** 53,
      '',
      'x',
      '1e3',
      '0x',
      '9'.repeat(50),
      true,
      null,
      undefined,
      {},
      Uint8Array.of(0xff),
    ]) {
      await refuses([entry({ encoding: 'u64', value })], 'BAD_NVS_VALUE', /is no whole number/, { encoding: 'u64' });
    }
  });

  it('refuses text and bytes that are none, and never repeats them', async () => {
    for (const encoding of ['string', 'blob'] as const) {
      for (const value of [5, 5n, null, undefined, {}]) {
        await refuses([entry({ encoding, value })], 'BAD_NVS_VALUE', /neither text nor bytes/, { encoding });
      }
      await refuses([entry({ encoding, value: 'canary\udc00' })], 'BAD_NVS_VALUE', /^((?!canary).)*$/, { encoding });
    }
    await refuses([entry({ encoding: 'string', value: 'canary\0' })], 'BAD_NVS_VALUE', /^((?!canary).)*NUL.*$/, {});
    const long = 'canary'.repeat(700);
    await refuses([entry({ encoding: 'string', value: long })], 'NVS_STRING_TOO_LONG', /^((?!canary).)*4200 bytes.*$/, {
      length: 4200,
    });
    await refuses([entry({ encoding: 'string', value: 'x'.repeat(4000) })], 'NVS_STRING_TOO_LONG', /4000/, {
      length: 4000,
    });
  });

  it('refuses encodings that there are not', async () => {
    for (const encoding of ['u128', 'hex2bin', '', 'toString', undefined]) {
      await refuses([entry({ encoding })], 'BAD_NVS_ENCODING', /is no encoding/, {
        field: 'encoding',
        value: String(encoding),
      });
    }
  });

  it('refuses a key twice in one namespace, not in two', async () => {
    await refuses(
      [entry({}), entry({ encoding: 'string', value: '' })],
      'NVS_DUPLICATE_KEY',
      /"space" has the key "key" twice/,
      { index: 1, key: 'key' },
    );
    await build([entry({}), entry({ namespace: 'other' })]);
  });

  it('refuses partitions of a wrong size, and what does not fit', async () => {
    for (const size of [0, -4096, 4096, 8192, 0x3001, 0x3000 + 32, 12288.5, Number.NaN]) {
      await refuses([], 'BAD_NVS_SIZE', /NVS partition of/, { field: 'size' }, size);
    }
    const full = Array.from({ length: 251 }, (_, i) => entry({ key: `k${i}` }));
    await build(full, 0x3000);
    const over = [...full, entry({ key: 'over' })];
    await refuses(over, 'NVS_TOO_SMALL', /need 0x4000 bytes.* has 0x3000/, { value: 0x3000, needed: 0x4000 }, 0x3000);
  });
});
