import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { type Keystore, makeKeyFile, openKeystore } from '../../../lib/vault/index.ts';
import { NAMESPACE, Place, T0 } from './support.ts';

const CLI = fileURLToPath(new URL('../../../lib/registry/cli.ts', import.meta.url));
const text = new TextDecoder();

describe('keyway-registry verify', () => {
  const place = new Place();
  const key = place.path('key');
  let keystore: Keystore;

  before(async () => {
    await makeKeyFile(key);
    keystore = await openKeystore({ source: { file: key } });
    const registry = await opened();
    await registry.putNamespace({ name: NAMESPACE, settings: {} });
    for (let i = 0; i < 1500; i += 500) {
      await Promise.all(
        Array.from({ length: 500 }, (_, n) => registry.audit({ action: 'test.entry', subject: `${i + n}` })),
      );
    }
  });
  after(async () => {
    keystore?.close();
    await place.done();
  });

  const opened = () =>
    place.open({
      keystore: {
        seal: (purpose, bytes, aad) => keystore.seal(purpose, bytes, text.decode(aad)),
        unseal: (purpose, bytes, aad) => keystore.unseal(purpose, bytes, text.decode(aad)),
      },
    });

  function run(
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ code: number; out: string; err: string }> {
    return new Promise((resolve) => {
      const options = { env: { ...process.env, ...env }, timeout: 30_000 };
      const child = execFile(process.execPath, ['--no-warnings', CLI, ...args], options, (_error, out, err) =>
        resolve({ code: child.exitCode ?? -1, out, err }),
      );
    });
  }

  /** A backup, changed. */
  async function backup(name: string, change: (db: DatabaseSync) => void): Promise<string> {
    const file = place.path(name);
    const live = new DatabaseSync(place.path(), { readOnly: true });
    try {
      live.prepare('VACUUM INTO ?').run(file);
    } finally {
      live.close();
    }
    const db = new DatabaseSync(file);
    try {
      change(db);
    } finally {
      db.close();
    }
    return file;
  }

  it('tells of a registry at work that its log holds', async () => {
    const { code, out, err } = await run(['verify', place.path(), '--key-file', key]);
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /^The audit log holds: 150[0-9] entries, the newest of /);
    assert.ok(out.includes(new Date(T0).toISOString()));
  });

  it('tells what is wrong with a log that was changed', async () => {
    const altered = await backup('altered.db', (db) => db.exec("UPDATE audit SET actor = 'eve' WHERE seq = 1200"));
    const found = await run(['verify', altered, '--key-file', key]);
    assert.deepEqual([found.code, found.out], [1, 'The audit log does not hold: entry 1200 is altered.\n']);
    const cut = await backup('cut.db', (db) => db.exec('DELETE FROM audit WHERE seq > 1000'));
    const other = await run(['verify', cut, '--key-file', key]);
    assert.deepEqual([other.code, other.out], [1, 'The audit log does not hold: entry 1001 is truncated.\n']);
  });

  it('takes the key from a variable', async () => {
    const secret = '8f'.repeat(32);
    const { code, err } = await run(['verify', place.path(), '--key-variable', 'KEYWAY_TEST_KEY'], {
      KEYWAY_TEST_KEY: secret,
    });
    assert.equal(code, 2);
    assert.match(err, /^KEYSTORE_/, 'another key does not open it');
    assert.ok(!err.includes(secret));
    assert.match(
      (await run(['verify', place.path(), '--key-variable', 'KEYWAY_TEST_NONE'])).err,
      /^KEYSTORE_KEY_MISSING/,
    );
  });

  it('refuses what is no registry, and what it does not understand', async () => {
    const other = place.path('other.db');
    writeFileSync(other, 'no database at all, but long enough to be read as one'.repeat(100));
    for (const [args, code] of [
      [['verify', other, '--key-file', key], 'REGISTRY_DAMAGED'],
      [['verify', place.path('none.db'), '--key-file', key], 'REGISTRY_PATH'],
      [['verify', place.path()], 'BAD_ARGUMENTS'],
      [['verify', '--key-file', key], 'BAD_ARGUMENTS'],
      [['burn', place.path(), '--key-file', key], 'BAD_ARGUMENTS'],
      [['verify', place.path(), '--key-file', key, '--key-variable', 'X'], 'BAD_ARGUMENTS'],
      [['verify', place.path(), '--other'], 'BAD_ARGUMENTS'],
    ] as const) {
      const { code: ended, out, err } = await run(args);
      assert.deepEqual([ended, out], [2, ''], args.join(' '));
      assert.ok(err.startsWith(`${code}: `), err);
    }
    assert.match((await run(['--help'])).out, /^keyway-registry verify FILE/);
  });
});
