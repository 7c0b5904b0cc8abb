import assert from 'node:assert/strict';
import { createDecipheriv, hkdfSync } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Keystore, makeKeyFile, openKeystore, wipe, wipeAll, writeSecretFile } from '../../../lib/vault/index.ts';
import { readKeyText } from '../../../lib/vault/keystore/key.ts';

const HEX = '00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210';
const NAME = 'KEYWAY_TEST_KEYSTORE_KEY';

describe('vault: the keystore', () => {
  let folder = '';
  const open: Keystore[] = [];
  const path = (name: string): string => join(folder, name);
  const opened = async (...args: Parameters<typeof openKeystore>): Promise<Keystore> => {
    const keystore = await openKeystore(...args);
    open.push(keystore);
    return keystore;
  };
  const fromFile = async (name: string): Promise<Keystore> => {
    await makeKeyFile(path(name));
    return await opened({ source: { file: path(name) } });
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyway-keystore-'));
  });
  afterEach(async () => {
    for (const keystore of open.splice(0)) keystore.close();
    delete process.env[NAME];
    delete process.env.CREDENTIALS_DIRECTORY;
    wipeAll();
    await rm(folder, { recursive: true, force: true });
  });

  it('opens what it sealed, for that purpose and owner alone', async () => {
    const keystore = await fromFile('key');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.string(), fc.string(), async (bytes, purpose, owner) => {
        const sealed = keystore.seal(purpose, bytes, owner);
        assert.deepEqual(new Uint8Array(keystore.unseal(purpose, sealed, owner)), bytes);
        assert.throws(() => keystore.unseal(`${purpose}x`, sealed, owner), { code: 'KEYSTORE_DAMAGED' });
        assert.throws(() => keystore.unseal(purpose, sealed, `${owner}x`), { code: 'KEYSTORE_DAMAGED' });
        // What is bound in cannot be moved from one part to the next.
        if (owner !== '') {
          const moved = [purpose + owner.slice(0, 1), owner.slice(1)] as const;
          assert.throws(() => keystore.unseal(moved[0], sealed, moved[1]), { code: 'KEYSTORE_DAMAGED' });
        }
      }),
      { numRuns: 50 },
    );
    const twice = [keystore.seal('a', Buffer.from('x'), 'b'), keystore.seal('a', Buffer.from('x'), 'b')];
    assert.notDeepEqual(twice[0], twice[1], 'a nonce of its own each time');
  });

  it('seals as the format says, so that others can open it too', async () => {
    await writeSecretFile(path('key'), Buffer.from(HEX));
    const keystore = await opened({ source: { file: path('key') } });
    const sealed = Buffer.from(keystore.seal('a purpose', Buffer.from('a secret'), 'an owner'));
    const key = hkdfSync('sha256', Buffer.from(HEX, 'hex'), 'keyway/keystore/1', 'seal a purpose', 32);
    const opener = createDecipheriv('aes-256-gcm', new Uint8Array(key), sealed.subarray(12, 24));
    const lengths = Buffer.from('0000000900000008', 'hex');
    opener.setAAD(Buffer.concat([sealed.subarray(0, 24), lengths, Buffer.from('a purposean owner')]));
    opener.setAuthTag(sealed.subarray(-16));
    const bytes = Buffer.concat([opener.update(sealed.subarray(24, -16)), opener.final()]);
    assert.equal(bytes.toString(), 'a secret');
    assert.equal(sealed.toString('latin1', 0, 4), 'KS\u0001\u0000');
    assert.equal(sealed.toString('hex', 4, 12), keystore.keyId);
  });

  it('overwrites the text that a key is read from', () => {
    for (const text of [HEX, 'no key']) {
      const bytes = Buffer.from(text);
      try {
        wipe(readKeyText(bytes, 'a test').bytes);
      } catch (error) {
        assert.equal((error as { code: string }).code, 'KEYSTORE_KEY_BAD');
      }
      assert.ok(bytes.every((byte) => byte === 0));
    }
  });

  it('notices every changed bit, and every cut', async () => {
    const keystore = await fromFile('key');
    const sealed = keystore.seal('a', Buffer.from('a secret'), 'b');
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = sealed.slice();
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.throws(
        () => keystore.unseal('a', changed, 'b'),
        (error: { code: string }) => ['KEYSTORE_DAMAGED', 'KEYSTORE_WRONG_KEY', 'KEYSTORE_DEMO'].includes(error.code),
        `bit ${bit}`,
      );
    }
    for (let length = 0; length < sealed.length; length++) {
      assert.throws(() => keystore.unseal('a', sealed.subarray(0, length), 'b'), { code: 'KEYSTORE_DAMAGED' });
    }
    assert.throws(() => keystore.unseal('a', Buffer.concat([sealed, Buffer.of(0)]), 'b'), { code: 'KEYSTORE_DAMAGED' });
  });

  it('says which key is wrong', async () => {
    const [one, two] = [await fromFile('one'), await fromFile('two')];
    const sealed = one.seal('a', Buffer.from('x'), 'b');
    assert.notEqual(one.keyId, two.keyId);
    assert.throws(
      () => two.unseal('a', sealed, 'b'),
      (error: { code: string; message: string; hint: string }) =>
        error.code === 'KEYSTORE_WRONG_KEY' && error.message.includes(one.keyId) && error.message.includes(two.keyId),
    );
  });

  it('rotates by re-wrapping', async () => {
    const before = await fromFile('old');
    const sealed = before.seal('a', Buffer.from('x'), 'b');
    await makeKeyFile(path('new'));
    const both = await opened({ source: { file: path('new') }, previous: [{ file: path('old') }] });
    assert.equal(both.unseal('a', sealed, 'b').toString(), 'x');
    const rewrapped = both.rewrap('a', sealed, 'b');
    assert.equal(both.keyIdOf(rewrapped), both.keyId);
    assert.equal(both.rewrap('a', rewrapped, 'b'), rewrapped);
    const after = await opened({ source: { file: path('new') } });
    assert.equal(after.unseal('a', rewrapped, 'b').toString(), 'x');
    assert.throws(() => after.unseal('a', sealed, 'b'), { code: 'KEYSTORE_WRONG_KEY' });
  });

  it('for real use refuses what a demonstration sealed', async () => {
    await makeKeyFile(path('demo'), { demo: true });
    const demo = await opened({ source: { file: path('demo') } });
    assert.equal(demo.demo, true);
    const sealed = demo.seal('a', Buffer.from('x'), 'b');
    assert.equal(demo.unseal('a', sealed, 'b').toString(), 'x');
    await makeKeyFile(path('real'));
    const real = await opened({ source: { file: path('real') }, previous: [{ file: path('demo') }] });
    assert.throws(() => real.unseal('a', sealed, 'b'), { code: 'KEYSTORE_DEMO' });
    assert.throws(() => real.rewrap('a', sealed, 'b'), { code: 'KEYSTORE_DEMO' });
  });

  it('reads a variable once, and removes it', async () => {
    process.env[NAME] = HEX;
    const keystore = await opened({ source: { environment: NAME } });
    assert.equal(process.env[NAME], undefined);
    const again = await opened({ source: { environment: NAME } });
    assert.equal(again.keyId, keystore.keyId);
    wipeAll();
    await assert.rejects(
      openKeystore({ source: { environment: NAME } }),
      (error: { code: string; hint: string; message: string }) =>
        error.code === 'KEYSTORE_KEY_MISSING' && error.message.includes(NAME) && error.hint.includes('openssl rand'),
    );
  });

  it('takes the same key in each of its spellings', async () => {
    const ids = new Set<string>();
    const bytes = Buffer.from(HEX, 'hex');
    for (const text of [
      HEX,
      HEX.toUpperCase(),
      bytes.toString('base64'),
      bytes.toString('base64url'),
      `${HEX}\r\n`,
      `keyway-key-1:${bytes.toString('base64url')}\n`,
    ]) {
      await writeSecretFile(path('key'), Buffer.from(text), { replace: true });
      ids.add((await opened({ source: { file: path('key') } })).keyId);
    }
    assert.equal(ids.size, 1);
  });

  for (const [what, text] of [
    ['empty', ''],
    ['too short', HEX.slice(2)],
    ['too long', `${HEX}00`],
    ['a sentence', 'this is the key that I typed by hand, it is no good'],
    ['one byte repeated', 'ab'.repeat(32)],
    ['zeros', '0'.repeat(64)],
    ['huge', HEX.repeat(1000)],
  ] as const) {
    it(`refuses a key that is ${what}, and does not show it`, async () => {
      await writeSecretFile(path('key'), Buffer.from(text));
      await assert.rejects(
        openKeystore({ source: { file: path('key') } }),
        (error: { code: string; message: string; hint: string }) =>
          error.code === 'KEYSTORE_KEY_BAD' &&
          (text === '' || !`${error.message}${error.hint}`.includes(text.slice(0, 12))),
      );
    });
  }

  it('makes key files that are closed to others, and never overwrites one', async () => {
    const file = path('keys/deep/key');
    const made = await makeKeyFile(file);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await stat(join(file, '..'))).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(join(file, '..')), ['key'], 'nothing is left beside it');
    const before = await readFile(file, 'utf8');
    assert.match(before, /^keyway-key-1:[A-Za-z0-9_-]{43}\n$/);
    await assert.rejects(makeKeyFile(file), { code: 'KEYSTORE_FILE' });
    assert.equal(await readFile(file, 'utf8'), before);
    assert.equal((await opened({ source: { file } })).keyId, made.keyId);
    const racing = await Promise.allSettled(Array.from({ length: 8 }, () => makeKeyFile(path('raced'))));
    assert.equal(racing.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  it('refuses key files that others may read or replace', async () => {
    await makeKeyFile(path('key'));
    for (const mode of [0o640, 0o604, 0o660]) {
      await chmod(path('key'), mode);
      await assert.rejects(openKeystore({ source: { file: path('key') } }), { code: 'KEYSTORE_PERMISSIONS' });
    }
    await chmod(path('key'), 0o400);
    await opened({ source: { file: path('key') } });
    await chmod(folder, 0o777);
    await assert.rejects(openKeystore({ source: { file: path('key') } }), { code: 'KEYSTORE_PERMISSIONS' });
  });

  it('refuses a key file of another user, and takes one in a folder where nobody can replace it', async function () {
    await makeKeyFile(path('key'));
    await chmod(folder, 0o1777);
    await opened({ source: { file: path('key') } });
    if (process.getuid?.() !== 0) {
      console.log('      left out: only the superuser can give a file away');
      this.skip();
    }
    await chown(path('key'), 12_345, 12_345);
    await assert.rejects(openKeystore({ source: { file: path('key') } }), { code: 'KEYSTORE_PERMISSIONS' });
  });

  it('writes a file with its own mode whatever the mask is, and over another one only when told', async () => {
    const mask = process.umask(0o277);
    try {
      await writeSecretFile(path('secret'), Buffer.from('one'));
    } finally {
      process.umask(mask);
    }
    assert.equal((await stat(path('secret'))).mode & 0o777, 0o600);
    for (const options of [{}, { replace: false }]) {
      await assert.rejects(writeSecretFile(path('secret'), Buffer.from('two'), options), { code: 'KEYSTORE_FILE' });
    }
    assert.equal(await readFile(path('secret'), 'utf8'), 'one');
    await writeSecretFile(path('secret'), Buffer.from('three'), { replace: true });
    assert.equal(await readFile(path('secret'), 'utf8'), 'three');
    assert.deepEqual(await readdir(folder), ['secret']);
  });

  it('says what to do where there is no key, or no file', async () => {
    await assert.rejects(
      openKeystore({ source: { file: path('none') } }),
      (error: { code: string; hint: string }) =>
        error.code === 'KEYSTORE_KEY_MISSING' && error.hint.includes('openssl rand -hex 32'),
    );
    await mkdir(path('folder'), { mode: 0o700 });
    await assert.rejects(openKeystore({ source: { file: path('folder') } }), { code: 'KEYSTORE_FILE' });
    await writeFile(path('file'), '');
    await assert.rejects(makeKeyFile(path('file/key')), { code: 'KEYSTORE_FILE' });
  });

  it('follows a link to the key, and looks at the file behind it', async () => {
    await makeKeyFile(path('key'));
    await symlink(path('key'), path('link'));
    await opened({ source: { file: path('link') } });
    await chmod(path('key'), 0o644);
    await assert.rejects(openKeystore({ source: { file: path('link') } }), { code: 'KEYSTORE_PERMISSIONS' });
  });

  it('reads a credential of systemd', async () => {
    const source = { credential: 'keyway.key' };
    await assert.rejects(
      openKeystore({ source }),
      (error: { code: string; hint: string }) =>
        error.code === 'KEYSTORE_KEY_MISSING' && error.hint.includes('LoadCredentialEncrypted=keyway.key'),
    );
    process.env.CREDENTIALS_DIRECTORY = folder;
    await assert.rejects(openKeystore({ source }), { code: 'KEYSTORE_KEY_MISSING' });
    await writeFile(path('keyway.key'), HEX, { mode: 0o440 });
    await opened({ source });
    for (const credential of ['../keyway.key', '.', '..', 'a/b', '']) {
      await assert.rejects(openKeystore({ source: { credential } }), { code: 'KEYSTORE_KEY_MISSING' });
    }
  });

  it('is of no use after it was closed', async () => {
    const keystore = await fromFile('key');
    const sealed = keystore.seal('a', Buffer.from('x'), 'b');
    keystore.close();
    assert.throws(() => keystore.unseal('a', sealed, 'b'), { code: 'KEYSTORE_CLOSED' });
    assert.throws(() => keystore.seal('a', Buffer.from('x'), 'b'), { code: 'KEYSTORE_CLOSED' });
  });

  it('shows nothing of what it holds when it is printed', async () => {
    const keystore = await fromFile('key');
    const text = (await readFile(path('key'), 'utf8')).trim().split(':')[1] as string;
    const { inspect } = await import('node:util');
    const shown = inspect(keystore, { depth: 9, showHidden: true }) + JSON.stringify(keystore);
    assert.ok(!shown.includes(text) && !shown.includes(Buffer.from(text, 'base64url').toString('hex')));
    assert.match(
      inspect(keystore.unseal('a', keystore.seal('a', Buffer.from('top secret'), 'b'), 'b')),
      /secret, 10 bytes/,
    );
  });
});
