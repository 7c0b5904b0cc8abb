import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { discardKey, type IdentityFiles, keepFiles, keyFor, settleFiles } from '../../nodes/keyway-renew/files.ts';
import { PendingKeys } from '../../nodes/keyway-renew/pending.ts';
import { makeKey } from '../../nodes/keyway-renew/renewing.ts';
import { trustWorld } from '../lib/pki/trust-support.ts';

describe("a gateway's own files", () => {
  const serial = 'ab12'.padStart(32, '0');
  let folder = '';
  let files: IdentityFiles;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyway-files-'));
    files = { key: join(folder, 'gw.key'), certificate: join(folder, 'gw.pem'), ca: join(folder, 'ca.pem') };
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const nobody = (): Promise<Buffer> => Promise.reject(new Error('another key is made'));

  it('keep the old certificate where the new key cannot take its place: never one without the other', async () => {
    await writeFile(files.certificate, 'the old one');
    // Nothing can be put in the place of a folder that holds something.
    await mkdir(join(files.key, 'something'), { recursive: true });
    const key = await keyFor(files, serial, makeKey);
    await assert.rejects(keepFiles(files, serial, { key, certificate: 'the new one' }), { code: 'IDENTITY_FILE' });
    assert.equal(await readFile(files.certificate, 'utf8'), 'the old one');
    await settleFiles(files);
    assert.deepEqual((await readdir(folder)).sort(), ['gw.key', `gw.key.${serial}.next`, 'gw.pem']);
    assert.equal(await readFile(files.certificate, 'utf8'), 'the old one');
    assert.deepEqual(await keyFor(files, serial, nobody), key, 'which is asked for again');
  });

  it('keep the key that was asked for until its answer was taken, for their owner alone', async () => {
    const key = await keyFor(files, serial, makeKey);
    assert.equal((await stat(`${files.key}.${serial}.next`)).mode & 0o777, 0o600);
    assert.deepEqual(await keyFor(files, serial, nobody), key);
    await writeFile(`${files.key}.${serial}.next`, key.subarray(0, 60));
    assert.notDeepEqual(await keyFor(files, serial, makeKey), key, 'one that was torn is none');
    await discardKey(files, serial);
    assert.deepEqual(await readdir(folder), []);
    const again = await keyFor(files, serial, makeKey);
    await keepFiles(files, serial, { key: again, certificate: 'the new one' });
    assert.deepEqual((await readdir(folder)).sort(), ['gw.key', 'gw.pem']);
    assert.deepEqual(await readFile(files.key), again);
  });

  it('take away keys for certificates that are in place no more, and nothing else', async () => {
    const here = await trustWorld();
    try {
      const { issued } = await here.holder();
      await writeFile(files.certificate, issued.chain);
      const mine = await keyFor(files, issued.serial, makeKey);
      await keyFor(files, serial, makeKey);
      const others = ['gw.key.old', 'gw.key.old.next', 'gw2.key.ab.next'];
      for (const one of others) await writeFile(join(folder, one), 'somebody’s');
      await settleFiles(files);
      assert.deepEqual((await readdir(folder)).sort(), [...others, `gw.key.${issued.serial}.next`, 'gw.pem'].sort());
      assert.deepEqual(await keyFor(files, issued.serial, nobody), mine);
      // Where nobody can tell which certificate is in place, none goes.
      await writeFile(files.certificate, 'torn');
      await settleFiles(files);
      assert.deepEqual(await keyFor(files, issued.serial, nobody), mine);
    } finally {
      await here.close();
    }
  });

  it('are replaced in one step where they are one', async () => {
    const one = { ...files, certificate: files.key };
    const key = await keyFor(one, serial, makeKey);
    await writeFile(`${files.key}.next`, 'torn by a loss of power');
    await settleFiles(one);
    assert.deepEqual(await readdir(folder), [`gw.key.${serial}.next`]);
    await keepFiles(one, serial, { key, certificate: 'the new one' });
    assert.deepEqual(await readdir(folder), ['gw.key']);
    assert.equal(await readFile(files.key, 'utf8'), `${key}the new one`);
  });
});

describe('keys that wait for an answer', () => {
  const HOUR = 3_600_000;
  const made: Buffer[] = [];
  let next = 1;
  const make = async (): Promise<Buffer> => {
    const key = Buffer.alloc(8, next++);
    made.push(key);
    return key;
  };

  it('are the same for who asks again, and for two who ask at once, until they are used', async () => {
    const keys = new PendingKeys(10);
    const [one, two] = await Promise.all([keys.of('a', HOUR, make), keys.of('a', HOUR, make)]);
    assert.deepEqual(one, two);
    assert.ok(made.at(-1)?.every((byte) => byte === 0) === true, 'the one too many is overwritten');
    const again = await keys.of('a', HOUR, make);
    assert.deepEqual(again, one);
    // What they get is theirs to overwrite.
    again.fill(0);
    assert.deepEqual(await keys.of('a', HOUR, make), one);
    keys.drop('a', Buffer.alloc(8, 99));
    assert.deepEqual(await keys.of('a', HOUR, make), one, 'who used another one does not take it away');
    keys.drop('a', one);
    assert.equal(keys.size, 0);
    assert.notDeepEqual(await keys.of('a', HOUR, make), one);
    assert.equal(keys.size, 1);
  });

  it('are not too many, and do not wait longer than they may', async () => {
    const keys = new PendingKeys(2);
    const [a] = [await keys.of('a', HOUR, make), await keys.of('b', HOUR, make), await keys.of('c', HOUR, make)];
    assert.equal(keys.size, 2);
    assert.notDeepEqual(await keys.of('a', HOUR, make), a, 'the oldest had to go');
    const brief = new PendingKeys(2);
    const first = await brief.of('a', 1, make);
    while (brief.size > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.notDeepEqual(await brief.of('a', HOUR, make), first);
  });
});
