import assert from 'node:assert/strict';
import { isKeywayError } from '../../../../lib/errors/index.ts';
import { nodePlatform as platform } from '../../../../lib/esp/node.ts';
import {
  buildNvs,
  decodeNvsKeys,
  encodeNvsKeys,
  type NvsEncryption,
  type NvsItem,
  type NvsRecipe,
  nvsKeysFromHmac,
  type PreparedNvs,
  parseNvs,
  prepareNvs,
} from '../../../../lib/esp/nvs/index.ts';
import { blank } from './forge.ts';
import { testKeys } from './samples.ts';

const size = 0x4000;
const pem = '-----BEGIN CERTIFICATE-----\n';
const plain: NvsItem = { namespace: 'wifi', key: 'channel', encoding: 'u8', value: 6 };
const secret: NvsItem = { namespace: 'certs', key: 'key', encoding: 'blob', handle: 'h:key' };

const vault = (): Map<string, Uint8Array> =>
  new Map([
    ['h:key', Buffer.from('canary-key')],
    ['h:number', Buffer.from('300')],
    ['h:nvs', Buffer.concat([testKeys().encryption, testKeys().tweak])],
    ['h:hmac', Uint8Array.from({ length: 32 }, (_, i) => i)],
    ['h:short', new Uint8Array(63)],
    ['h:equal', new Uint8Array(64)],
  ]);

function prepare(
  recipe: Partial<NvsRecipe> | Record<string, unknown>,
  options: { size?: number; held?: Map<string, Uint8Array> } = { size },
): PreparedNvs {
  const held = options.held ?? vault();
  const secrets = (handle: string): Uint8Array => held.get(handle) ?? assert.fail(`no ${handle}`);
  const whole = { mode: 'replace', items: [], encryption: { scheme: 'none' }, ...recipe } as NvsRecipe;
  return prepareNvs(whole, { secrets, platform, ...(options.size === undefined ? {} : { size: options.size }) });
}

const none = { onChip: null, keysOnChip: null };
const entries = [
  { namespace: 'wifi', key: 'channel', encoding: 'u8', value: 6 },
  { namespace: 'certs', key: 'key', encoding: 'blob', value: Buffer.from('canary-key') },
] as const;

describe('preparing an NVS recipe', () => {
  it('resolves handles and builds a fresh partition', async () => {
    const prepared = prepare({ items: [plain, secret] });
    assert.deepEqual([prepared.needsPartition, prepared.wantsKeys], [false, false]);
    const built = await prepared.build(none);
    assert.deepEqual(built, { bytes: await buildNvs(entries, { size, platform }), changed: true });
    const again = await prepare({ items: [plain, secret] }).build({ onChip: built.bytes.slice(), keysOnChip: null });
    assert.equal(again.changed, false);
  });

  it('closes a blob with a NUL where one is asked for', async () => {
    const item = { namespace: 'certs', key: 'ca', encoding: 'blob', value: pem } as const;
    const value = async (rest: object) => {
      const { bytes } = await prepare({ items: [{ ...item, ...rest }] }).build(none);
      return (await parseNvs(bytes, { platform })).entries[0]?.value;
    };
    assert.deepEqual(await value({}), new Uint8Array(Buffer.from(pem)));
    assert.deepEqual(await value({ terminate: true }), new Uint8Array(Buffer.from(`${pem}\0`)));
    assert.deepEqual(await value({ terminate: true, value: `${pem}\0` }), new Uint8Array(Buffer.from(`${pem}\0`)));
    assert.equal(await value({ encoding: 'string', terminate: true }), pem);
    assert.deepEqual(
      await value({ value: undefined, handle: 'h:key', terminate: true }),
      new Uint8Array(Buffer.from('canary-key\0')),
    );
    const most = new Uint8Array(508_000).fill(1);
    assert.throws(() => prepare({ items: [{ ...item, value: most, terminate: true }] }), {
      code: 'NVS_BLOB_TOO_LARGE',
    });
  });

  it('says whether a fresh partition is what the chip holds already', async () => {
    const built = await prepare({ items: [secret] }).build(none);
    assert.equal(built.changed, true);
    const [same, other] = [built.bytes.slice(), built.bytes.slice()];
    other[100] = (other[100] ?? 0) ^ 1;
    for (const [onChip, changed] of [
      [same, false],
      [other, true],
    ] as const) {
      const again = await prepare({ items: [secret] }).build({ onChip, keysOnChip: null });
      assert.equal(again.changed, changed);
      assert.deepEqual(again.bytes, built.bytes);
    }
  });

  it('merges into what is on the chip', async () => {
    const onChip = await buildNvs([entries[0], { ...entries[1], value: 'old' }], { size, platform });
    const prepared = prepare({ mode: 'merge', items: [secret] });
    assert.equal(prepared.needsPartition, true);
    const built = await prepared.build({ onChip, keysOnChip: null });
    assert.deepEqual(built, { bytes: await buildNvs(entries, { size, platform }), changed: true });
    const same = await prepare({ mode: 'merge', items: [secret] }).build({ onChip: built.bytes, keysOnChip: null });
    assert.deepEqual([same.changed, same.bytes === built.bytes], [false, true]);
    const cleared = await prepare({ mode: 'merge', clears: ['wifi'] }).build({ onChip: built.bytes, keysOnChip: null });
    assert.deepEqual(cleared.bytes, await buildNvs([entries[1]], { size, platform }));
  });

  it('gives the same again when the cable was lost while the partition was written', async () => {
    const onChip = await buildNvs(entries, { size, platform });
    const prepared = prepare({ mode: 'merge', items: [{ ...plain, value: 11 }], encryption: { scheme: 'nvs_keys' } });
    const first = await prepared.build({ onChip, keysOnChip: null });
    assert.equal(await prepared.build({ onChip: blank(size), keysOnChip: blank(4096) }), first);
  });

  it('can be asked again after it failed', async () => {
    const prepared = prepare({ mode: 'merge', items: [plain] });
    await assert.rejects(prepared.build(none), { code: 'BAD_NVS_RECIPE' });
    await assert.rejects(prepared.build({ onChip: blank(0x3000), keysOnChip: null }), { code: 'BAD_NVS_SIZE' });
    assert.equal((await prepared.build({ onChip: blank(size), keysOnChip: null })).changed, true);
  });

  it('takes its size later', async () => {
    const prepared = prepare({ items: [plain] }, {});
    await assert.rejects(prepared.build(none), { code: 'BAD_NVS_SIZE' });
    assert.throws(() => prepared.place(0x3001), { code: 'BAD_NVS_SIZE' });
    prepared.place(size);
    assert.equal((await prepared.build(none)).bytes.length, size);
    const large = prepare({ items: [{ ...secret, handle: undefined, value: new Uint8Array(9000) }] }, {});
    assert.throws(() => large.place(0x3000), { code: 'NVS_TOO_SMALL' });
  });

  it('leaves no secret behind when wiped', async () => {
    const held = vault();
    const prepared = prepare({ items: [secret], encryption: { scheme: 'nvs_keys', handle: 'h:nvs' } }, { size, held });
    const { bytes, keysPartition } = await prepared.build(none);
    assert.ok(keysPartition);
    prepared.wipe();
    assert.ok(bytes.every((byte) => byte === 0) && keysPartition.every((byte) => byte === 0));
    assert.equal(Buffer.from(held.get('h:key') ?? []).toString(), 'canary-key', 'the vault wipes its own');
    const other = prepare({ items: [secret] });
    other.wipe();
    await assert.rejects(other.build(none), { code: 'BAD_NVS_RECIPE' });
  });

  for (const encrypted of [true, false]) {
    it(`leaves nothing behind of what it was merged with${encrypted ? ', decrypted' : ''}`, async () => {
      const keys = testKeys();
      const there = ['string', 'blob'].map((encoding) => ({
        namespace: 'wifi',
        key: encoding,
        encoding: encoding as 'string' | 'blob',
        value: 'canary-there',
      }));
      const onChip = await buildNvs(there, { size, platform, ...(encrypted ? { keys } : {}) });
      const copies = new Set<ArrayBufferLike>();
      const watched = {
        ...platform,
        aesXts: (...[key, tweak, data, way]: Parameters<typeof platform.aesXts>) => {
          copies.add(data.buffer);
          return platform.aesXts(key, tweak, data, way);
        },
      };
      const recipe: NvsRecipe = {
        mode: 'merge',
        items: [{ ...plain, namespace: 'new' }],
        encryption: encrypted ? { scheme: 'nvs_keys', handle: 'h:nvs' } : { scheme: 'none' },
      };
      const secrets = (handle: string): Uint8Array => vault().get(handle) ?? assert.fail(handle);
      const prepared = prepareNvs(recipe, { size, secrets, platform: watched });
      const { bytes } = await prepared.build({ onChip, keysOnChip: null });
      const { entries } = await parseNvs(bytes, { platform, ...(encrypted ? { keys } : {}) });
      assert.equal(entries.length, 3);
      prepared.wipe();
      assert.equal(copies.size > 0, encrypted);
      for (const buffer of [bytes.buffer, ...copies]) assert.ok(!Buffer.from(buffer).includes('canary-there'));
    });
  }
});

describe('preparing an encrypted NVS recipe', () => {
  const read = (bytes: Uint8Array, keys = testKeys()) =>
    parseNvs(bytes, { platform, keys }).then((content) => content.entries.map(({ key }) => key));

  it('nvs_keys from a handle: written where the chip has others', async () => {
    const recipe = { items: [plain], encryption: { scheme: 'nvs_keys', handle: 'h:nvs' } } as const;
    const prepared = prepare(recipe);
    assert.equal(prepared.wantsKeys, true);
    const built = await prepared.build(none);
    assert.deepEqual(built.keysPartition, encodeNvsKeys(testKeys()));
    assert.deepEqual(await read(built.bytes), ['channel']);
    const there = await prepare(recipe).build({ onChip: null, keysOnChip: encodeNvsKeys(testKeys()) });
    assert.equal(there.keysPartition, undefined);
    assert.deepEqual(there.bytes, built.bytes);
    for (const keysOnChip of [encodeNvsKeys(testKeys(9)), blank(4096), new Uint8Array(4096)]) {
      assert.ok((await prepare(recipe).build({ onChip: null, keysOnChip })).keysPartition);
    }
  });

  it('nvs_keys from the chip, else made at random', async () => {
    const recipe = { items: [plain], encryption: { scheme: 'nvs_keys' } } as const;
    const there = await prepare(recipe).build({ onChip: null, keysOnChip: encodeNvsKeys(testKeys(3)) });
    assert.equal(there.keysPartition, undefined);
    assert.deepEqual(await read(there.bytes, testKeys(3)), ['channel']);
    const made = await Promise.all(
      [blank(4096), null, new Uint8Array(4096)].map((keysOnChip) =>
        prepare(recipe).build({ onChip: null, keysOnChip }),
      ),
    );
    for (const { bytes, keysPartition } of made) {
      assert.deepEqual(await read(bytes, decodeNvsKeys(keysPartition ?? blank(0))), ['channel']);
    }
    assert.equal(new Set(made.map(({ keysPartition }) => Buffer.from(keysPartition ?? []).toString('hex'))).size, 3);
  });

  it('hmac: from the key that is burnt into the chip', async () => {
    const prepared = prepare({ items: [plain], encryption: { scheme: 'hmac', handle: 'h:hmac' } });
    assert.equal(prepared.wantsKeys, false);
    const { bytes, keysPartition } = await prepared.build(none);
    assert.equal(keysPartition, undefined);
    const keys = await nvsKeysFromHmac(vault().get('h:hmac') ?? blank(0), platform);
    assert.deepEqual(await read(bytes, keys), ['channel']);
    assert.equal(
      (
        await prepare({ mode: 'merge', items: [plain], encryption: { scheme: 'hmac', handle: 'h:hmac' } }).build({
          onChip: bytes,
          keysOnChip: null,
        })
      ).changed,
      false,
    );
  });

  it('merges under the keys of the chip, and moves to others', async () => {
    const old = testKeys(5);
    const onChip = await buildNvs([entries[1]], { size, platform, keys: old });
    const keysOnChip = encodeNvsKeys(old);
    const stays = { mode: 'merge', items: [plain], encryption: { scheme: 'nvs_keys' } } as const;
    const merged = await prepare(stays).build({ onChip, keysOnChip });
    assert.deepEqual(await read(merged.bytes, old), ['key', 'channel']);
    assert.equal((await prepare(stays).build({ onChip: merged.bytes, keysOnChip })).changed, false);
    const moves = { ...stays, encryption: { scheme: 'nvs_keys', handle: 'h:nvs' } } as const;
    const moved = await prepare(moves).build({ onChip: merged.bytes, keysOnChip });
    assert.deepEqual(moved.keysPartition, encodeNvsKeys(testKeys()));
    assert.deepEqual([moved.changed, await read(moved.bytes)], [true, ['key', 'channel']]);
    const done = await prepare(moves).build({ onChip: moved.bytes, keysOnChip: moved.keysPartition ?? null });
    assert.deepEqual([done.changed, done.keysPartition], [false, undefined]);
    // Power was lost between the keys and the partition.
    const between = await prepare(moves).build({ onChip: moved.bytes, keysOnChip });
    assert.deepEqual(
      [between.changed, between.bytes === moved.bytes, between.keysPartition !== undefined],
      [false, true, true],
    );
  });

  it('encrypts a partition that is still plain, or blank', async () => {
    const encryption: NvsEncryption = { scheme: 'nvs_keys', handle: 'h:nvs' };
    const onChip = await buildNvs([entries[0]], { size, platform });
    const built = await prepare({ mode: 'merge', items: [plain], encryption }).build({ onChip, keysOnChip: null });
    assert.deepEqual([built.changed, await read(built.bytes)], [true, ['channel']]);
    const empty = await prepare({ mode: 'merge', items: [plain], encryption }).build({
      onChip: blank(size),
      keysOnChip: null,
    });
    assert.deepEqual(await read(empty.bytes), ['channel']);
  });

  it('refuses to merge into what it cannot read', async () => {
    const onChip = await buildNvs([entries[0]], { size, platform, keys: testKeys(7) });
    const chip = (keysOnChip: Uint8Array | null) => ({ onChip, keysOnChip });
    const recipe = (encryption: NvsEncryption) => prepare({ mode: 'merge', items: [secret], encryption });
    await assert.rejects(recipe({ scheme: 'none' }).build(chip(null)), { code: 'NVS_ENCRYPTED' });
    await assert.rejects(recipe({ scheme: 'nvs_keys' }).build(chip(null)), { code: 'NVS_ENCRYPTED' });
    await assert.rejects(recipe({ scheme: 'nvs_keys' }).build(chip(new Uint8Array(4096))), { code: 'NVS_ENCRYPTED' });
    for (const there of [null, encodeNvsKeys(testKeys(8))]) {
      await assert.rejects(recipe({ scheme: 'nvs_keys', handle: 'h:nvs' }).build(chip(there)), {
        code: 'NVS_WRONG_KEYS',
      });
    }
    await assert.rejects(recipe({ scheme: 'hmac', handle: 'h:hmac' }).build(chip(null)), { code: 'NVS_WRONG_KEYS' });
    const damaged = onChip.slice();
    damaged[64 + 33] = (damaged[64 + 33] as number) ^ 4;
    const right = recipe({ scheme: 'nvs_keys' });
    await assert.rejects(right.build({ onChip: damaged, keysOnChip: encodeNvsKeys(testKeys(7)) }), { code: 'BAD_NVS' });
  });
});

describe('preparing a bad NVS recipe', () => {
  const refuses = (recipe: object, code: string, detail: object = {}): void => {
    const held = vault();
    try {
      prepare(recipe as Partial<NvsRecipe>, { size, held });
      assert.fail(`${JSON.stringify(recipe)} was taken`);
    } catch (error) {
      assert.ok(isKeywayError(error, code), String(error));
      assert.deepEqual({ ...error.detail, ...detail }, error.detail);
      assert.doesNotMatch(`${error.message} ${error.hint} ${JSON.stringify(error.detail)}`, /canary|300/);
    }
  };

  it('says which item is wrong', () => {
    const item = (rest: object) => ({ items: [plain, { ...secret, ...rest }] });
    refuses(item({ value: 1 }), 'BAD_NVS_VALUE', { index: 1, field: 'value' });
    refuses(item({ handle: undefined }), 'BAD_NVS_VALUE', { index: 1 });
    refuses(item({ key: 'x'.repeat(16) }), 'BAD_NVS_KEY', { index: 1 });
    refuses(item({ encoding: 'hex' }), 'BAD_NVS_ENCODING', { index: 1 });
    refuses(item({ encoding: 'u8' }), 'BAD_NVS_VALUE', { index: 1 });
    refuses(item({ encoding: 'u8', handle: 'h:number' }), 'BAD_NVS_VALUE', { index: 1 });
    refuses(item({ namespace: 'wifi', key: 'channel' }), 'NVS_DUPLICATE_KEY', { index: 1 });
    refuses({ clears: ['x', 'y'.repeat(16)] }, 'BAD_NVS_NAMESPACE', { index: 1 });
  });

  it('says what is wrong with the rest', () => {
    refuses({ mode: 'append' }, 'BAD_NVS_RECIPE', { field: 'mode', value: 'append' });
    refuses({ encryption: { scheme: 'rot13' } }, 'BAD_NVS_RECIPE', { field: 'encryption' });
    refuses({ encryption: undefined }, 'BAD_NVS_RECIPE', { field: 'encryption' });
    refuses({ items: 'none' }, 'BAD_NVS_RECIPE', { field: 'items' });
    refuses({ encryption: { scheme: 'hmac' } }, 'BAD_NVS_KEYS');
    refuses({ encryption: { scheme: 'hmac', handle: 'h:nvs' } }, 'BAD_NVS_KEYS', { length: 64 });
    refuses({ encryption: { scheme: 'nvs_keys', handle: 'h:short' } }, 'BAD_NVS_KEYS', { length: 63 });
    refuses({ encryption: { scheme: 'nvs_keys', handle: 'h:equal' } }, 'BAD_NVS_KEYS');
    const large = { items: [{ ...plain, encoding: 'blob', value: new Uint8Array(20_000) }] };
    refuses(large, 'NVS_TOO_SMALL', { value: size });
    refuses({ ...large, mode: 'merge' }, 'NVS_TOO_SMALL');
    assert.throws(() => prepare({}, { size: 0x2000 }), { code: 'BAD_NVS_SIZE' });
  });

  it('an error of the vault comes through', () => {
    const secrets = (): Uint8Array => {
      throw new Error('HANDLE_IN_USE');
    };
    const recipe: NvsRecipe = { mode: 'replace', items: [secret], encryption: { scheme: 'none' } };
    assert.throws(() => prepareNvs(recipe, { size, secrets, platform }), /HANDLE_IN_USE/);
  });
});
