import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { checkSqlite } from '../../../lib/registry/sqlite/engine.ts';
import { registryError } from '../../../lib/registry/sqlite/outcome.ts';
import { code, failure, MAC, NAMESPACE, Place } from './support.ts';

describe('the registry in trouble', () => {
  let place: Place;
  beforeEach(() => {
    place = new Place();
  });
  afterEach(() => place.done());

  it('says which Node it needs where there is no SQLite', () => {
    checkSqlite(() => true, '22.13.0');
    assert.throws(
      () => checkSqlite(() => false, '22.9.0'),
      code('SQLITE_MISSING', { version: '22.9.0', needed: '22.13' }),
    );
  });

  it('belongs to one at a time, and to the next once it is closed', async () => {
    const first = await place.open();
    await assert.rejects(place.open(), code('REGISTRY_LOCKED'));
    await first.close();
    await place.open();
  });

  it('is not taken from another process, and is free when that is killed', async () => {
    await (await place.open()).close();
    const script = `import { DatabaseSync } from 'node:sqlite';
      const db = new DatabaseSync(${JSON.stringify(place.path('registry.db.lock'))});
      db.exec('BEGIN EXCLUSIVE'); console.log('held'); setInterval(() => {}, 1000);`;
    const other = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script]);
    try {
      await once(other.stdout, 'data');
      await assert.rejects(place.open(), code('REGISTRY_LOCKED'));
    } finally {
      other.kill('SIGKILL');
      await once(other, 'exit');
    }
    await place.open();
  });

  it('waits for who locks the file itself, refuses, stays up, recovers', async () => {
    const registry = await place.filled();
    const other = new DatabaseSync(place.path());
    try {
      other.exec('BEGIN IMMEDIATE');
      const refused = [1, 2, 3].map((n) => failure(registry.addDevice({ namespace: NAMESPACE, name: `n ${n}` })));
      const looked = registry.namespace(NAMESPACE);
      for (const error of await Promise.all(refused)) assert.equal(error.code, 'REGISTRY_BUSY');
      assert.equal((await looked)?.name, NAMESPACE, 'who only looks is not held up');
      other.exec('ROLLBACK');
    } finally {
      other.close();
    }
    await registry.addDevice({ namespace: NAMESPACE, name: 'n 1' });
    assert.equal((await registry.devices()).items.length, 1);
  });

  it('refuses what does not fit, keeps nothing of it, and goes on when there is room', async () => {
    const registry = await place.filled({ maxBytes: 800_000 });
    const attributes = { filler: 'x'.repeat(8000) };
    const kept: string[] = [];
    let refused: unknown;
    for (let n = 0; refused === undefined && n < 200; n++) {
      await registry.addDevice({ namespace: NAMESPACE, name: `device ${n}`, attributes }).then(
        ({ id }) => kept.push(id),
        (error: unknown) => {
          refused = error;
        },
      );
    }
    code('REGISTRY_FULL')(refused);
    assert.ok(kept.length > 3);
    const flood = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => registry.addDevice({ namespace: NAMESPACE, name: `late ${n}`, attributes })),
    );
    for (const one of flood) if (one.status === 'rejected') code('REGISTRY_FULL')(one.reason);
    const added = flood.filter(({ status }) => status === 'fulfilled').length;
    assert.equal((await registry.countDevices()).registered, kept.length + added);
    assert.equal((await registry.device(kept[0] ?? ''))?.name, 'device 0', 'it stays up');
    for (const id of kept) await registry.removeDevice(id);
    await registry.addDevice({ namespace: NAMESPACE, name: 'after', attributes });
    assert.ok((await registry.verifyAudit()).holds);
  });

  it('does so on a disk that is full too', async function () {
    const mount = place.path('small');
    mkdirSync(mount);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1200k', 'tmpfs', mount], { stdio: 'ignore' });
    } catch {
      console.log('      left out: no small disk can be mounted here');
      this.skip();
    }
    try {
      const registry = await place.filled({ path: `${mount}/registry.db` });
      const { id } = await registry.addDevice({ namespace: NAMESPACE, name: 'first' });
      let refused: unknown;
      for (let n = 0; refused === undefined && n < 300; n++) {
        const attributes = { filler: 'x'.repeat(8000) };
        await registry.addDevice({ namespace: NAMESPACE, name: `device ${n}`, attributes }).catch((error: unknown) => {
          refused = error;
        });
      }
      code('REGISTRY_FULL')(refused);
      const { registered } = await registry.countDevices();
      // What is revoked must be in the log beside the store too, or not at all.
      await failure(registry.setState(id, 'revoked', { reason: 'x'.repeat(200) }));
      assert.equal((await registry.device(id))?.state, 'registered');
      execFileSync('mount', ['-o', 'remount,size=5m', mount]);
      await registry.addDevice({ namespace: NAMESPACE, name: 'after' });
      await registry.setState(id, 'revoked');
      assert.equal((await registry.countDevices()).registered, registered);
      assert.ok((await registry.verifyAudit()).holds);
      await registry.close();
    } finally {
      execFileSync('umount', ['-l', mount]);
    }
  });

  it('refuses a disk that may not be written', async function () {
    const mount = place.path('fixed');
    mkdirSync(mount);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=5m', 'tmpfs', mount], { stdio: 'ignore' });
    } catch {
      console.log('      left out: no disk can be mounted here');
      this.skip();
    }
    try {
      await (await place.filled({ path: `${mount}/registry.db` })).close();
      execFileSync('mount', ['-o', 'remount,ro', mount]);
      await assert.rejects(place.open({ path: `${mount}/registry.db` }), code('REGISTRY_READ_ONLY'));
      await assert.rejects(place.open({ path: `${mount}/other.db` }), code('REGISTRY_READ_ONLY'));
    } finally {
      execFileSync('umount', ['-l', mount]);
    }
  });

  it('refuses a file that may not be written', async function () {
    await (await place.open()).close();
    chmodSync(place.path(), 0o400);
    if (process.getuid?.() === 0) {
      console.log('      left out: the superuser may write every file');
      this.skip();
    }
    await assert.rejects(place.open(), code('REGISTRY_READ_ONLY'));
  });

  it('refuses what is no registry, and does not touch it', async () => {
    writeFileSync(place.path('text'), 'Dear diary,\n'.repeat(500));
    await assert.rejects(place.open({ path: place.path('text') }), code('REGISTRY_DAMAGED'));
    assert.equal(readFileSync(place.path('text'), 'utf8'), 'Dear diary,\n'.repeat(500));
    const other = new DatabaseSync(place.path('other.db'));
    other.exec('CREATE TABLE meta (name TEXT, value TEXT)');
    other.close();
    const before = readFileSync(place.path('other.db'));
    await assert.rejects(place.open({ path: place.path('other.db') }), code('REGISTRY_DAMAGED'));
    assert.deepEqual(readFileSync(place.path('other.db')), before);
    mkdirSync(place.path('folder'));
    await assert.rejects(place.open({ path: place.path('folder') }), code('REGISTRY_PATH'));
    await assert.rejects(place.open({ path: '' }), code('REGISTRY_PATH'));
    await assert.rejects(place.open({ path: place.path('text/registry.db') }), code('REGISTRY_PATH'));
  });

  it('refuses one that a newer version wrote', async () => {
    await (await place.open()).close();
    const db = new DatabaseSync(place.path());
    db.exec("INSERT INTO migrations VALUES (999, 'the future', 0)");
    db.close();
    await assert.rejects(place.open(), code('REGISTRY_TOO_NEW', { found: 999 }));
  });

  it('keeps its files for its owner alone', async () => {
    const registry = await place.filled({ path: place.path('new/folder/registry.db') });
    await registry.addDevice({ namespace: NAMESPACE, mac: MAC });
    assert.equal(statSync(place.path('new/folder')).mode & 0o777, 0o700);
    for (const end of ['', '-wal', '-shm', '.lock', '.revoked']) {
      assert.equal(statSync(place.path(`new/folder/registry.db${end}`)).mode & 0o777, 0o600, end);
    }
  });

  for (const [errcode, expected] of [
    [5, 'REGISTRY_BUSY'],
    [8 | (4 << 8), 'REGISTRY_READ_ONLY'],
    [10 | (4 << 8), 'REGISTRY_IO'],
    [11, 'REGISTRY_DAMAGED'],
    [13, 'REGISTRY_FULL'],
    [14, 'REGISTRY_PATH'],
    [26, 'REGISTRY_DAMAGED'],
    [1, 'REGISTRY_FAILED'],
  ] as const) {
    it(`calls SQLite’s result ${errcode} ${expected}`, () => {
      const error = registryError(Object.assign(new Error('words'), { errcode }), '/a/registry.db');
      code(expected, { value: '/a/registry.db' })(error);
    });
  }
});
