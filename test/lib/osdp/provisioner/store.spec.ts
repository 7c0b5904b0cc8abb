import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Entry, Journal, openFolder, Store } from '../../../../lib/osdp/provisioner/store/index.ts';
import { encodeRecord, firstRecord, scanRecords } from '../../../../lib/osdp/provisioner/store/record.ts';
import { openSeed, sealSeed, shred, writeKeyFile } from '../../../../lib/osdp/provisioner/store/seal.ts';
import { newKeystore } from './device-support.ts';
import { findsSecret, TestDisk } from './store-support.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const RUNS = Number(process.env.KEYWAY_FUZZ ?? 300);

describe('the records of a journal', () => {
  const contents = fc.array(fc.uint8Array({ minLength: 1, maxLength: 80 }), { maxLength: 12 });
  const file = (all: readonly Uint8Array[]) => {
    const { bytes, salt } = firstRecord();
    return {
      bytes: Buffer.concat([bytes, ...all.map((one, i) => encodeRecord(one, i + 1, salt))]),
      head: bytes.length,
    };
  };

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(contents, (all) => {
        const { bytes } = file(all);
        const { records, good } = scanRecords(bytes, 'x');
        assert.deepEqual(
          [records.map(({ content }) => [...content]), good],
          [all.map((one) => [...one]), bytes.length],
        );
      }),
      { numRuns: RUNS },
    );
  });

  it('are read up to where the power went, and never further', () => {
    fc.assert(
      fc.property(contents, fc.nat(), fc.uint8Array({ maxLength: 40 }), (all, cut, rest) => {
        const { bytes, head } = file(all);
        const cutAt = head + (cut % (bytes.length - head + 1));
        let at = cutAt;
        // What lies behind may happen to be what was cut off.
        const lost = bytes.subarray(at);
        for (let i = 0; i < lost.length && lost[i] === rest[i]; i++) at++;
        const { records, good } = scanRecords(Buffer.concat([bytes.subarray(0, cutAt), rest]), 'x');
        let end = head;
        const whole = all.filter((one) => {
          end += 12 + one.length;
          return end <= at;
        });
        assert.deepEqual(
          records.map(({ content }) => [...content]),
          whole.map((one) => [...one]),
        );
        assert.ok(good <= at);
      }),
      { numRuns: RUNS },
    );
  });

  it('of an older file in the same place are not taken for new ones', () => {
    const old = file([Buffer.from('{"t":"old"}'), Buffer.from('{"t":"old too"}')]);
    const now = file([]);
    const { records } = scanRecords(Buffer.concat([now.bytes, old.bytes.subarray(old.head)]), 'x');
    assert.equal(records.length, 0);
  });

  it('no flipped bit is passed over', () => {
    const all = [Buffer.from('{"t":"one"}'), Buffer.from('{"t":"two"}'), Buffer.from('{"t":"three"}')];
    const { bytes, head } = file(all);
    for (let bit = head * 8; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      const { records } = scanRecords(flipped, 'x');
      assert.ok(records.length < 3, `bit ${bit}`);
      assert.deepEqual(
        records.map(({ content }) => text(content)),
        all.slice(0, records.length).map(text),
      );
    }
  });

  it('a file that is none of ours, or a newer one, is refused by name', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(64), Buffer.from('hello, this is no journal at all')]) {
      assert.throws(() => scanRecords(bytes, 'slot-01.journal'), { code: 'STORE_DAMAGED' });
    }
    const newer = encodeRecord(Buffer.from('{"kind":"keyway-provisioner-journal","version":2}'), 0, 0);
    assert.throws(() => scanRecords(newer, 'slot-01.journal'), { code: 'STORE_NEWER' });
  });
});

describe('the journal', () => {
  it('is written in order, read back from the disk, and written anew with what is needed', async () => {
    const disk = new TestDisk();
    const folder = disk.folder();
    const kept: Entry[] = [];
    const where = { folder, name: 'a.journal', snapshot: () => [Buffer.from('head'), ...kept] };
    const journal = await Journal.create(where, [Buffer.from('head')]);
    const entries = Array.from({ length: 50 }, (_, i) => journal.append(Buffer.from(`entry ${i}`)));
    await journal.sync();
    assert.ok(
      entries.every(({ content }) => content === null),
      'kept in memory',
    );
    assert.deepEqual(
      entries.map((entry) => text(journal.read(entry))),
      entries.map((_, i) => `entry ${i}`),
    );
    kept.push(...entries.slice(40));
    const before = journal.size;
    await journal.rewrite();
    assert.ok(journal.size < before / 2);
    const last = journal.append(Buffer.from('after'));
    assert.equal(text(journal.read(last)), 'after');
    await journal.close();
    const again = await Journal.open({ ...where, folder: new TestDisk(disk.content).folder() });
    assert.deepEqual(
      again.records.map(({ content }) => text(content)),
      ['head', ...entries.slice(40).map((_, i) => `entry ${40 + i}`), 'after'],
    );
    assert.deepEqual(
      entries.slice(40).map((entry) => text(again.journal.read(entry))),
      entries.slice(40).map((_, i) => `entry ${40 + i}`),
    );
  });

  it('gathers what is appended together into one write and one sync', async () => {
    const disk = new TestDisk();
    const journal = await Journal.create({ folder: disk.folder(), name: 'a', snapshot: () => [] }, []);
    const start = disk.acts.length;
    for (let i = 0; i < 20; i++) journal.append(Buffer.from(`${i}`));
    await Promise.all([journal.sync(), journal.sync(), journal.sync()]);
    assert.deepEqual(
      disk.acts.slice(start).map(({ act }) => act),
      ['write', 'sync'],
    );
  });

  it('after a failed sync trusts nothing that was written, and is written anew', async () => {
    const disk = new TestDisk();
    const all = [Buffer.from('one')];
    const where = { folder: disk.folder(), name: 'a', snapshot: () => all };
    const journal = await Journal.create(where, all);
    disk.trouble = ({ act }) => (act === 'sync' ? 'EIO' : undefined);
    all.push(Buffer.from('two'));
    journal.append(Buffer.from('two'));
    await assert.rejects(journal.sync(), { code: 'STORE_IO' });
    await assert.rejects(journal.sync(), { code: 'STORE_IO' });
    disk.trouble = () => undefined;
    const start = disk.acts.length;
    await journal.sync();
    const acts = disk.acts.slice(start).map(({ act }) => act);
    assert.deepEqual(acts.slice(-5), ['create', 'write', 'sync', 'rename', 'sync-folder']);
    const { records } = await Journal.open({ ...where, folder: new TestDisk(disk.content).folder() });
    assert.deepEqual(
      records.map(({ content }) => text(content)),
      ['one', 'two'],
    );
  });
});

describe('the sealed seed', () => {
  const seed = Buffer.from('8f1c44e2075b93d8216abe05f73c904d', 'hex');

  it('opens with its key alone, and for its owner alone', async () => {
    const keystore = await newKeystore();
    const one = sealSeed(keystore, seed, 'slot-01 x');
    const two = sealSeed(keystore, seed, 'slot-02 y');
    assert.deepEqual(openSeed(keystore, one, 'slot-01 x'), seed);
    assert.throws(() => openSeed(keystore, { ...one, keyRecord: two.keyRecord }, 'slot-01 x'));
    assert.throws(() => openSeed(keystore, { ...two, keyRecord: one.keyRecord }, 'slot-01 x'), {
      code: 'STORE_DAMAGED',
    });
    assert.throws(() => openSeed(keystore, one, 'slot-02 y'), { code: 'KEYSTORE_DAMAGED' });
    for (const bytes of [one.sealed, Buffer.from(one.keyRecord)]) assert.ok(!findsSecret(bytes, seed));
    keystore.close();
  });

  it('is found where it lies in clear, in every spelling', () => {
    for (const spelled of [
      seed,
      Buffer.from(seed.toString('hex')),
      Buffer.from(seed.toString('hex').toUpperCase()),
      Buffer.from(seed.toString('base64')),
      Buffer.from(seed.toString('base64url')),
      Buffer.from(JSON.stringify(seed)),
      Buffer.from(Buffer.concat([Buffer.from('ab'), seed, Buffer.from('c')]).toString('base64')),
    ]) {
      assert.ok(
        findsSecret(Buffer.concat([Buffer.from('before'), spelled, Buffer.from('after')]), seed),
        text(spelled),
      );
    }
  });

  it('its key file is overwritten before its name goes', async () => {
    const disk = new TestDisk();
    const folder = disk.folder();
    await writeKeyFile(folder, 'a.key', Buffer.alloc(92, 7));
    const start = disk.acts.length;
    await shred(folder, 'a.key');
    const acts = disk.acts.slice(start);
    assert.deepEqual(
      acts.map(({ act }) => act),
      ['write', 'sync', 'remove'],
    );
    const [write] = acts;
    assert.ok(write?.act === 'write' && write.bytes.length === 92 && !write.bytes.every((byte) => byte === 7));
  });
});

describe('the folder of the store', () => {
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'keyway-store-'));
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  it('is made 0700 with files of 0600, and held by one at a time', async () => {
    const path = join(base, 'new', 'store');
    const options = { keystore: await newKeystore() };
    const { store } = await Store.open(path, options);
    try {
      await assert.rejects(Store.open(path, options), { code: 'STORE_BUSY' });
      if (process.platform !== 'win32') {
        assert.equal(statSync(path).mode & 0o777, 0o700);
        for (const name of readdirSync(path)) assert.equal(statSync(join(path, name)).mode & 0o777, 0o600, name);
      }
    } finally {
      await store.close();
    }
    await (await Store.open(path, options)).store.close();
  });

  it('is refused when others may look into it', async function () {
    if (process.platform === 'win32') this.skip();
    const path = join(base, 'open');
    await (await openFolder(path)).close();
    chmodSync(path, 0o750);
    await assert.rejects(openFolder(path), { code: 'STORE_PATH' });
  });

  it('cannot be made below a file', async () => {
    const options = { keystore: await newKeystore() };
    const { store } = await Store.open(join(base, 'store'), options);
    await store.close();
    await assert.rejects(Store.open(join(base, 'store', 'lock', 'x'), options), { code: 'STORE_PATH' });
  });
});
