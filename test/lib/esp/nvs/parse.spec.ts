import assert from 'node:assert/strict';
import { nodePlatform as platform } from '../../../../lib/esp/node.ts';
import { type NvsKeys, parseNvs } from '../../../../lib/esp/nvs/index.ts';
import {
  at,
  blank,
  blobIndex,
  forge,
  head,
  header,
  namespace,
  PAGE,
  repairHead,
  repairHeader,
  run,
  STATES,
  setSlot,
  u8,
} from './forge.ts';
import { keys, image as sample, testKeys } from './samples.ts';

const parse = (image: Uint8Array, of?: NvsKeys) => parseNvs(image, of ? { platform, keys: of } : { platform });
const space = namespace('space', 1);
const bytes = (length: number, start = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => i + start);
const entry = (key: string, value: unknown, encoding = 'u8') => ({ namespace: 'space', key, encoding, value });
const piece = (chunk: number, data: Uint8Array): Uint8Array => run({ namespace: 1, type: 0x42, chunk, key: 'b' }, data);
const text = (value: string): Uint8Array =>
  run({ namespace: 1, type: 0x21, key: 's' }, new TextEncoder().encode(`${value}\0`));

async function refuses(image: Uint8Array, offset: number, what: RegExp, code = 'BAD_NVS', of?: NvsKeys): Promise<void> {
  await assert.rejects(
    parse(image, of),
    (error: Error & { code: string; hint?: string; detail: { offset: number } }) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, what);
      assert.ok(error.hint, 'it says what to do');
      assert.equal(error.detail.offset, offset, `${error.message} ${error.detail.offset}`);
      return true;
    },
  );
}

describe('reading NVS that a chip wrote', () => {
  it('a blank partition holds nothing', async () => {
    const content = await parse(blank(0x3000));
    assert.deepEqual([content.entries, content.usedEntries, content.freeEntries], [[], 0, 378]);
    assert.ok(content.pages.every(({ state }) => state === 'empty'));
  });

  it("passes over what was erased, in the order of the pages' numbers", async () => {
    const image = forge(4, { sequence: 9, items: [u8(1, 'c', 3), u8(1, 'd', 4)] }, null, {
      state: STATES.full,
      sequence: 7,
      items: [space, u8(1, 'a', 1), u8(1, 'b', 2)],
      erased: [1],
    });
    const { entries, pages, usedEntries, freeEntries, torn } = await parse(image);
    assert.deepEqual(entries, [entry('b', 2), entry('c', 3), entry('d', 4)]);
    assert.deepEqual(pages[2], { state: 'full', sequence: 7, used: 2, erased: 1, free: 123 });
    assert.deepEqual([usedEntries, freeEntries, torn], [4, 500, []]);
  });

  it('takes the later of two when power was lost before the older was erased', async () => {
    const image = forge(
      3,
      { state: STATES.full, items: [space, u8(1, 'a', 1), u8(1, 'b', 2), text('old')] },
      { items: [u8(1, 'a', 3), text('new')] },
    );
    assert.deepEqual((await parse(image)).entries, [entry('b', 2), entry('a', 3), entry('s', 'new', 'string')]);
  });

  it('keeps values of several types under one key, as old firmware wrote them', async () => {
    const wide = head({ namespace: 1, type: 0x02, key: 'a', value: [0x34, 0x12] });
    const { entries } = await parse(forge(3, { items: [space, u8(1, 'a', 1), wide] }));
    assert.deepEqual(entries, [entry('a', 1), entry('a', 0x1234, 'u16')]);
  });

  it('reads blobs of the old format and pages of version 1', async () => {
    const old = run({ namespace: 1, type: 0x41, key: 'b' }, bytes(100));
    const image = forge(3, { version: 0xff, items: [space, old] });
    assert.deepEqual((await parse(image)).entries, [entry('b', bytes(100), 'blob')]);
    const updated = forge(3, { items: [space, old, piece(0, bytes(40)), blobIndex(1, 'b', 40, 1)] });
    assert.deepEqual((await parse(updated)).entries, [entry('b', bytes(40), 'blob')]);
  });

  it('reads updated blobs, whose pieces count from 128', async () => {
    const image = forge(
      3,
      { state: STATES.full, items: [space, piece(0x80, bytes(3000))] },
      { items: [piece(0x81, bytes(50, 184)), blobIndex(1, 'b', 3050, 2, 0x80)] },
    );
    assert.deepEqual((await parse(image)).entries, [entry('b', bytes(3050), 'blob')]);
    const toggled = forge(3, {
      items: [
        space,
        piece(0, bytes(40)),
        blobIndex(1, 'b', 40, 1),
        piece(0x80, bytes(41)),
        blobIndex(1, 'b', 41, 1, 0x80),
      ],
    });
    const { entries, torn } = await parse(toggled);
    assert.deepEqual(entries, [entry('b', bytes(41), 'blob')]);
    assert.deepEqual(torn, [{ offset: at(0, 1), what: 'a piece of a blob belongs to no blob' }]);
  });

  it('reads blobs without a byte, with a piece and without', async () => {
    for (const items of [
      [space, piece(0, bytes(0)), blobIndex(1, 'b', 0, 1)],
      [space, blobIndex(1, 'b', 0, 0)],
    ]) {
      assert.deepEqual((await parse(forge(3, { items }))).entries, [entry('b', bytes(0), 'blob')]);
    }
  });

  it('reads a page that is being freed beside the one that it is copied to', async () => {
    const image = forge(
      3,
      { state: STATES.freeing, items: [space, u8(1, 'a', 1), u8(1, 'b', 2)], erased: [1] },
      { items: [space] },
    );
    const { entries, pages } = await parse(image);
    assert.deepEqual(entries, [entry('b', 2)]);
    assert.equal(pages[0]?.state, 'freeing');
  });

  it('passes over pages whose header is half written, or that the chip gave up', async () => {
    const image = forge(5, { items: [space, u8(1, 'a', 1)] });
    image.set(header(STATES.active, 1).subarray(0, 12), PAGE);
    image.set([0xfe, 0xff], 2 * PAGE + 1);
    image.set([0xf0, 0xff, 0xff, 0xff, 1, 2, 3], 3 * PAGE);
    image.set([1], 4 * PAGE + 100);
    const { entries, pages, torn } = await parse(image);
    assert.deepEqual(entries, [entry('a', 1)]);
    assert.deepEqual(
      pages.slice(1).map(({ state, sequence, free }) => [state, sequence, free]),
      Array.from({ length: 4 }, () => ['corrupt', null, 126]),
    );
    assert.deepEqual(
      torn.map(({ offset }) => offset),
      [PAGE, 2 * PAGE, 3 * PAGE, 4 * PAGE],
    );
  });

  it('passes over entries that are half written or half erased', async () => {
    const image = forge(3, {
      items: [space, text('x'.repeat(40)), u8(1, 'a', 1), text('y'.repeat(40)), u8(1, 'c', 3)],
    });
    setSlot(image, 0, 3, 3);
    setSlot(image, 0, 5, 0);
    setSlot(image, 0, 8, 3);
    const { entries, torn } = await parse(image);
    assert.deepEqual(entries, [entry('a', 1)]);
    assert.deepEqual(
      torn.map(({ offset }) => offset),
      [at(0, 1), at(0, 8), at(0, 6)],
    );
  });
});

describe('reading damaged NVS', () => {
  const good = (): Uint8Array =>
    forge(
      3,
      { state: STATES.full, items: [space, u8(1, 'a', 1), text('hello')] },
      { items: [piece(0, bytes(40)), blobIndex(1, 'b', 40, 1)] },
    );

  it('its pattern is sound', async () => assert.equal((await parse(good())).entries.length, 3));

  it("names the place in a page's header", async () => {
    const change = (page: Uint8Array, place: number, ...values: number[]): Uint8Array => {
      page.set(values, place);
      return page;
    };
    const cases: [(page: Uint8Array) => Uint8Array, number, RegExp][] = [
      [(page) => change(page, 0, 0x12, 0x34), 0, /0xffff3412 is no state/],
      [(page) => change(page, 4, 5), 28, /checksum of the page header/],
      [(page) => repairHeader(change(page, 8, 0xfd)), 8, /0xfd is no version/],
      [(page) => repairHeader(change(page, 4, 0)), 4, /two pages have the sequence number 0/],
      [(page) => change(page, 32, 0xf6), 32, /no state for entry 1/],
    ];
    for (const [damage, offset, what] of cases) {
      const image = good();
      damage(image.subarray(PAGE, 2 * PAGE));
      await refuses(image, PAGE + offset, what);
    }
  });

  it('names the place of an entry', async () => {
    const cases: [number, number, number, RegExp, number?][] = [
      // entry of the first page, byte in it, its new value, what is said, where (else at that byte)
      [1, 26, 0, /checksum of an entry/, 0],
      [1, 1, 0x77, /0x77 is no type/],
      [1, 2, 0, /spans 0 from entry 1/],
      [1, 2, 127, /spans 127/],
      [1, 2, 2, /type 0x1 spans 2/],
      [1, 0, 9, /namespace number 9 has no name/, 0],
      [1, 8, 0, /key is empty/],
      [1, 8, 0xff, /key is empty, has no end or is no text/],
      [0, 1, 0x02, /has type 0x2 instead of 0x1/],
      [0, 24, 0, /0 is no number/],
      [0, 24, 255, /255 is no number/],
      [2, 24, 60, /60 bytes do not lie in the 32/],
      [2, 24, 0, /0 bytes do not lie in the 32/],
      [2, 28, 1, /checksum of the data/, 32],
    ];
    for (const [slot, byte, value, what, where] of cases) {
      const image = good();
      const one = image.subarray(at(0, slot), at(0, slot) + 32);
      one[byte] = value;
      if (!/checksum of an entry/.test(what.source)) repairHead(one);
      await refuses(image, at(0, slot) + (where ?? byte), what);
    }
    const endless = good();
    endless.fill(0x61, at(0, 1) + 8, at(0, 1) + 24);
    repairHead(endless.subarray(at(0, 1), at(0, 2)));
    await refuses(endless, at(0, 1) + 8, /has no end/);
  });

  it('names the place of a blob', async () => {
    const blob = (...items: Uint8Array[]) => forge(3, { items: [space, ...items] });
    await refuses(blob(piece(0, bytes(40)), blobIndex(1, 'b', 41, 1)), at(0, 4) + 24, /41 bytes has 40/);
    await refuses(blob(piece(0, bytes(40)), blobIndex(1, 'b', 40, 2)), at(0, 4), /piece 2 of 2/);
    await refuses(blob(piece(0, bytes(40)), blobIndex(1, 'b', 40, 1, 5)), at(0, 4) + 28, /1 pieces from number 5/);
    await refuses(blob(piece(0, bytes(40)), blobIndex(1, 'b', 40, 200)), at(0, 4) + 28, /200 pieces/);
    const orphan = run({ namespace: 7, type: 0x42, chunk: 0, key: 'b' }, bytes(4));
    await refuses(blob(orphan), at(0, 1), /namespace number 7/);
    const broken = blob(piece(0, bytes(40)), blobIndex(1, 'b', 40, 1));
    broken[at(0, 2) + 3] = 0x99;
    await refuses(broken, at(0, 2), /checksum of the data/);
  });

  it('names the place of a string without an end', async () => {
    const bare = run({ namespace: 1, type: 0x21, key: 's' }, bytes(5, 65));
    await refuses(forge(3, { items: [space, bare] }), at(0, 1) + 24, /does not end in a NUL/);
  });

  it('names the place of namespaces that contradict each other', async () => {
    const two = (second: Uint8Array) => forge(3, { items: [space, second] });
    await refuses(two(namespace('other', 1)), at(0, 1) + 24, /two NVS namespaces have number 1/);
    await refuses(two(namespace('space', 2)), at(0, 1) + 8, /"space" is there twice/);
  });

  it('refuses what is no whole number of pages', async () => {
    await refuses(new Uint8Array(0), 0, /0 bytes/, 'BAD_NVS_SIZE');
    await refuses(blank(5000), 5000, /5000 bytes is no multiple/, 'BAD_NVS_SIZE');
  });

  it('tells missing and wrong keys from damage', async () => {
    await refuses(sample('encrypted'), at(0, 0), /is encrypted/, 'NVS_ENCRYPTED');
    await refuses(sample('encrypted'), at(0, 0), /other keys/, 'NVS_WRONG_KEYS', testKeys());
    await refuses(sample('identity'), at(0, 0), /is not encrypted/, 'NVS_WRONG_KEYS', keys);
    const damaged = sample('encrypted');
    damaged[at(0, 1)] = (damaged[at(0, 1)] as number) ^ 1;
    await refuses(damaged, at(0, 1), /checksum of an entry/, 'BAD_NVS', keys);
    // All that is left of the first entry is what follows it.
    const erased = sample('encrypted');
    setSlot(erased, 0, 0, 0);
    await refuses(erased, at(0, 1), /is encrypted/, 'NVS_ENCRYPTED');
  });

  it('leaves the bytes that it is given alone, a Buffer too', async () => {
    const given = Buffer.from(sample('encrypted'));
    const { entries } = await parse(given, keys);
    assert.deepEqual(given, Buffer.from(sample('encrypted')));
    const plain = Buffer.from(sample('bigblob'));
    const blob = (await parse(plain)).entries[1]?.value as Uint8Array;
    plain.fill(0);
    assert.notEqual(blob[1], 0, 'what was read does not change with them');
    assert.equal(entries.length, 3);
  });

  it('finds every flipped bit of what is stored, plain and encrypted', async () => {
    for (const [name, of] of [
      ['scalars', undefined],
      ['encrypted', keys],
    ] as const) {
      const whole = sample(name);
      const before = JSON.stringify((await parse(whole, of)).entries, stringify);
      const { pages } = await parse(whole, of);
      for (let slot = 0; slot < (pages[0]?.used ?? 0); slot++) {
        for (const byte of [1, 4, 24]) {
          const image = whole.slice();
          image[at(0, slot) + byte] = (image[at(0, slot) + byte] as number) ^ (1 << (slot % 8));
          const now = await parse(image, of).then(
            ({ entries }) => JSON.stringify(entries, stringify),
            () => null,
          );
          // Behind the end of a string or a blob there are bytes that mean nothing.
          assert.ok(now === null || now === before, `${name}: byte ${byte} of entry ${slot}`);
        }
      }
    }
  });
});

const stringify = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
