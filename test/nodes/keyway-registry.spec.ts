import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { credentialSeal, makeKeyFile, rewrapAll } from '../../lib/vault/index.ts';
import { registryById } from '../../nodes/shared/registry.ts';
import { Bench, type FlowNode, type Msg, request, stopFlow, unload } from './harness.ts';
import { demoAuthority, deployedRegistry, freshUserDir, NAMESPACE } from './identity-bench.ts';

const here = (path: string) => request().post(path).set('Host', 'localhost');

const list = (more: Record<string, unknown> = {}): FlowNode => ({
  id: 'list',
  type: 'keyway-device',
  registry: 'registry',
  operation: 'list',
  wires: [['out']],
  ...more,
});

describe('keyway-registry', () => {
  const userDir = freshUserDir();
  const below = (...parts: string[]): string => join(userDir(), 'keyway', ...parts);

  it('needs nothing for a demonstration, and leaves the real place alone', async () => {
    const bench = await Bench.load([{ id: 'registry', type: 'keyway-registry', demo: true }, list()]);
    bench.send('list', {});
    assert.deepEqual((await bench.out.next()).payload, []);
    assert.deepEqual(
      [existsSync(below('demo', 'registry.sqlite')), existsSync(below('registry.sqlite'))],
      [true, false],
    );
    assert.equal(statSync(below('demo', 'keystore.key')).mode & 0o777, 0o600);
    assert.equal(statSync(below('demo')).mode & 0o077, 0);
  });

  it('says what is missing, and opens once it is there', async () => {
    const bench = await Bench.load([{ id: 'registry', type: 'keyway-registry' }, list()]);
    assert.equal(await bench.failure('list', {}), 'KEYSTORE_KEY_MISSING');
    assert.equal(bench.lastStatus('list')?.text, 'KEYSTORE_KEY_MISSI…');
    const { body } = await here('/keyway/registry/make-key').send({ keySource: 'file' }).expect(200);
    assert.deepEqual([body.path, body.demo, body.keyId.length], [below('keystore.key'), false, 16]);
    bench.send('list', {});
    assert.deepEqual((await bench.out.next()).payload, []);
    const again = await here('/keyway/registry/make-key').send({ keySource: 'file' }).expect(400);
    assert.equal(again.body.code, 'KEYSTORE_FILE');
    const test = await here('/keyway/registry/test').send({ keySource: 'file' }).expect(200);
    assert.equal(test.body.keyId, body.keyId);
    const text = readFileSync(below('keystore.key'), 'utf8');
    assert.equal(JSON.stringify([body, test.body, again.body]).includes(text.trim().slice(-20)), false);
  });

  it('takes the key from the environment, once', async () => {
    const name = 'KEYWAY_TEST_KEYSTORE';
    process.env[name] = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 5 + 1)).toString('hex');
    const config = { id: 'registry', type: 'keyway-registry', keySource: 'environment', keyVariable: name };
    const bench = await Bench.load([config, list()]);
    bench.send('list', {});
    await bench.out.next();
    assert.equal(process.env[name], undefined);
    const { body } = await here('/keyway/registry/test').send(config).expect(200);
    assert.equal(body.keyId.length, 16);
    const bad = await here('/keyway/registry/test')
      .send({ ...config, keyVariable: 'a-secret!' })
      .expect(400);
    assert.deepEqual([bad.body.code, JSON.stringify(bad.body).includes('a-secret')], ['BAD_FIELD', false]);
    const credential = await here('/keyway/registry/test').send({ keySource: 'credential', keyCredential: 'k' });
    assert.equal(credential.body.code, 'KEYSTORE_KEY_MISSING');
  });

  it('keeps what it holds over a deploy, and gives its files back', async () => {
    const flow = [{ id: 'registry', type: 'keyway-registry', demo: true }, list()];
    await Bench.load(flow);
    const first = await deployedRegistry();
    await first.putNamespace({ name: 'line-1', settings: {} });
    await first.addDevice({ namespace: 'line-1', name: 'one' });
    await stopFlow();
    await assert.rejects(first.devices(), { code: 'REGISTRY_CLOSED' });
    assert.throws(() => registryById('registry'), { code: 'REGISTRY_NOT_SET' });
    await unload();
    const bench = await Bench.load(flow);
    bench.send('list', {});
    const [device] = (await bench.out.next()).payload;
    assert.deepEqual([device.name, device.state, device.mac], ['one', 'registered', null]);
  });

  it('refuses a second one with the same file, a damaged one, and a key of a demonstration', async () => {
    const bench = await Bench.load([
      { id: 'registry', type: 'keyway-registry', demo: true },
      { id: 'same', type: 'keyway-registry', demo: true },
      list(),
      { ...list({ registry: 'same' }), id: 'second' },
      { ...list({ registry: '' }), id: 'none' },
    ]);
    bench.send('list', {});
    const codes = new Set<unknown>();
    bench.send('second', {});
    const done = await Promise.race([bench.caught.next(), bench.out.many(2)]);
    // Whichever opened first has it.
    codes.add(Array.isArray(done) ? 'both' : done.error.code);
    assert.deepEqual([...codes], ['REGISTRY_LOCKED']);
    assert.equal(await bench.failure('none', {}), 'REGISTRY_NOT_SET');
  });

  it('refuses a file that is no registry', async () => {
    await makeKeyFile(below('keystore.key'));
    writeFileSync(below('other.sqlite'), 'this is no database, but a text that is long enough to look at'.repeat(100));
    const bench = await Bench.load([{ id: 'registry', type: 'keyway-registry', file: 'other.sqlite' }, list()]);
    assert.equal(await bench.failure('list', {}), 'REGISTRY_DAMAGED');
    assert.match(readFileSync(below('other.sqlite'), 'utf8'), /^this is no database/);
  });

  it('refuses buttons that another site presses', async () => {
    await Bench.load([{ id: 'registry', type: 'keyway-registry', demo: true }]);
    const { body } = await here('/keyway/registry/make-key').set('Origin', 'http://evil.example').send({}).expect(403);
    assert.equal(body.code, 'FOREIGN_ORIGIN');
    assert.equal(existsSync(below('keystore.key')), false);
  });

  describe('keeps its keys and copies', () => {
    const post = (path: string, body: Record<string, unknown> = {}) =>
      here(`/keyway/registry/${path}`).send({ id: 'registry', ...body });
    const real = (more: Record<string, unknown> = {}): FlowNode[] => [
      { id: 'registry', type: 'keyway-registry', name: 'plant', ...more },
      list(),
    ];
    const rotated = { keyFile: 'new.key', previousSource: 'file', previousFile: 'keystore.key' };

    /** A real registry with a device that has credentials, sealed under the first key. */
    async function filled(credentials = 5): Promise<void> {
      await makeKeyFile(below('keystore.key'));
      await Bench.load(real());
      const { registry, keystore } = await registryById('registry').open();
      await registry.putNamespace({ name: 'line-1', settings: {} });
      const { id } = await registry.addDevice({ namespace: 'line-1', name: 'one' });
      for (let n = 0; n < credentials; n++) {
        const { purpose, owner } = credentialSeal(id, `kind-${n}`);
        const sealed = keystore.seal(purpose, Buffer.from(`secret ${n}`), owner);
        await registry.putCredential({ device: id, kind: `kind-${n}`, sealed });
      }
      await unload();
      await makeKeyFile(below('new.key'));
    }

    async function opens(kind: string): Promise<string> {
      const { registry, keystore } = await registryById('registry').open();
      const device = (await registry.device({ namespace: 'line-1', name: 'one' }))?.id ?? '';
      const record = await registry.credential(device, kind);
      const { purpose, owner } = credentialSeal(device, kind);
      return keystore.unseal(purpose, record?.sealed ?? new Uint8Array(), owner).toString();
    }

    it('under a new keystore key, and says how many records it re-wrapped', async () => {
      await filled();
      await Bench.load(real(rotated));
      const { body } = await post('rotate').expect(200);
      assert.deepEqual([body.changed, body.same, body.failed], [6, 0, []]);
      assert.deepEqual((await post('rotate').expect(200)).body.same, 6);
      const log = await (await deployedRegistry()).auditLog({ action: 'keystore.rotated' });
      assert.deepEqual(
        log.items.map(({ detail }) => detail.changed),
        [0, 6],
      );
      await unload();
      await Bench.load(real({ keyFile: 'new.key' }));
      assert.equal(await opens('kind-3'), 'secret 3');
    });

    it('with an authority at work: its keys are re-wrapped too, and it issues on', async () => {
      await makeKeyFile(below('keystore.key'));
      await makeKeyFile(below('new.key'));
      const passphrase = { authority: { passphrase: 'correct horse battery' } };
      const mint: FlowNode = { id: 'mint', type: 'keyway-mint', authority: 'authority', wires: [['out']] };
      const device = { namespace: NAMESPACE, mac: '60:55:f9:0a:b1:c2' };
      const flow = (registry: Record<string, unknown>): FlowNode[] => [
        ...demoAuthority({}, { demo: false, ...registry }),
        mint,
      ];
      const first = await Bench.load(flow({}), [], passphrase);
      first.send('mint', { device });
      const { identity } = await first.out.next();
      await unload();
      await Bench.load(flow(rotated));
      const { body } = await post('rotate').expect(200);
      assert.ok(body.changed >= 3, `${body.changed} records`);
      assert.deepEqual(body.failed, []);
      await unload();
      const last = await Bench.load(flow({ keyFile: 'new.key' }));
      last.send('mint', { device: { ...device, mac: '60:55:f9:0a:b1:c3' } });
      assert.equal((await last.out.next()).identity.ca, identity.ca);
    });

    it('also when a rotation was cut short: what was left is re-wrapped by the next', async () => {
      await filled(40);
      await Bench.load(real(rotated));
      const { registry, keystore } = await registryById('registry').open();
      let written = 0;
      const cut = {
        keyNames: () => registry.keyNames(),
        keyRecord: (name: string) => registry.keyRecord(name),
        putKeyRecord: (name: string, sealed: Uint8Array) => registry.putKeyRecord(name, sealed),
        credentials: (device: undefined, page: { after?: string }) => registry.credentials(device, page),
        rewrapCredential: async (id: string, sealed: Uint8Array) => {
          if (written++ === 17) throw new Error('the machine stops');
          await registry.rewrapCredential(id, sealed);
        },
      };
      await assert.rejects(rewrapAll(keystore, cut), /the machine stops/);
      await unload();
      // Without the previous key it cannot go on, and says what it lacks.
      const bench = await Bench.load(real({ keyFile: 'keystore.key' }));
      assert.equal(await bench.failure('list', {}), 'KEYSTORE_WRONG_KEY');
      await unload();
      await Bench.load(real(rotated));
      assert.equal(await opens('kind-0'), 'secret 0');
      const { body } = await post('rotate').expect(200);
      assert.deepEqual([body.changed, body.same, body.failed], [23, 18, []]);
      assert.equal(await opens('kind-39'), 'secret 39');
    });

    it('and says which records stay when the previous key is another one', async () => {
      await filled();
      await makeKeyFile(below('stranger.key'));
      const bench = await Bench.load(real({ ...rotated, previousFile: 'stranger.key' }));
      assert.equal(await bench.failure('list', {}), 'KEYSTORE_WRONG_KEY');
      assert.equal((await post('rotate').expect(400)).body.code, 'KEYSTORE_WRONG_KEY');
      const missing = await here('/keyway/registry/test').send({ ...rotated, keySource: 'file', previousFile: 'no' });
      assert.equal(missing.body.code, 'KEYSTORE_KEY_MISSING');
      const bad = await here('/keyway/registry/test').send({
        ...{ keySource: 'file', keyFile: 'new.key' },
        ...{ previousSource: 'environment', previousVariable: 'a-secret!' },
      });
      assert.deepEqual([bad.body.code, JSON.stringify(bad.body).includes('a-secret')], ['BAD_FIELD', false]);
    });

    it('in backups of mode 0600 that are never overwritten, while a thousand devices come in', async () => {
      await filled();
      await Bench.load(real());
      const registry = await deployedRegistry();
      const adding = Array.from({ length: 1000 }, (_, n) =>
        registry.addDevice({ namespace: 'line-1', name: `unit-${n}` }),
      );
      const { body } = await post('backup', { name: 'monday' }).expect(200);
      await Promise.all(adding);
      assert.equal(body.path, below('backups', 'monday'));
      assert.equal(statSync(body.path).mode & 0o777, 0o600);
      assert.equal(statSync(below('backups')).mode & 0o077, 0);
      assert.equal((await post('backup', { name: 'monday' }).expect(400)).body.code, 'BAD_BACKUP');
      for (const name of ['../monday', '/tmp/monday', '.hidden', 'a b', 'monday.part'])
        assert.equal((await post('backup', { name }).expect(400)).body.code, 'BAD_FIELD');
      await post('backup').expect(200);
      const listed = (await post('backups').expect(200)).body;
      assert.deepEqual([listed.registry, listed.backups.length], ['plant', 2]);
      assert.ok(listed.backups.some(({ name, bytes }: Msg) => name === 'monday' && bytes > 0));
      assert.deepEqual((await post('progress').expect(200)).body, { doing: null });
      const before = await registry.countDevices('line-1');
      await post('restore', { name: 'monday', confirm: 'plant' }).expect(200);
      const after = await registry.countDevices('line-1');
      // As it was at one moment: some of the thousand, and what is sealed.
      assert.ok(after.registered >= 1 && after.registered <= before.registered, `${after.registered}`);
      assert.equal(await opens('kind-2'), 'secret 2');
    });

    it('and brings one back when its name is typed: open codes are void, who uses the registry goes on', async () => {
      const mint: FlowNode = { id: 'mint', type: 'keyway-mint', authority: 'authority', wires: [['out']] };
      const bench = await Bench.load([...demoAuthority({}, { name: 'plant' }), mint]);
      const device = { namespace: NAMESPACE, mac: '60:55:f9:0a:b1:c2' };
      bench.send('mint', { device });
      await bench.out.next();
      const registry = await deployedRegistry();
      const hash = 'ab'.repeat(32);
      await registry.addCode({ hash, namespace: NAMESPACE, expiresAt: Date.now() + 3_600_000 });
      await post('backup', { name: 'one' }).expect(200);
      await registry.addDevice({ namespace: NAMESPACE, name: 'added later' });
      for (const confirm of [undefined, '', 'Plant', 'registry'])
        assert.equal((await post('restore', { name: 'one', confirm }).expect(400)).body.code, 'NOT_CONFIRMED');
      const { body } = await post('restore', { name: 'one', confirm: 'plant' }).expect(200);
      assert.deepEqual([body.voidedCodes, body.rotate], [1, false]);
      assert.equal(await registry.device({ namespace: NAMESPACE, name: 'added later' }), undefined);
      await assert.rejects(registry.redeemCode(hash), { code: 'CODE_VOID' });
      bench.send('mint', { device: { ...device, mac: '60:55:f9:0a:b1:c3' } });
      const [, second] = await bench.out.many(2);
      assert.equal(second?.device.mac, '60:55:f9:0a:b1:c3');
    });

    it('but refuses backups that are missing, foreign, damaged or from before a rotation', async () => {
      await filled();
      await Bench.load(real());
      await post('backup', { name: 'old-key' }).expect(200);
      await unload();
      await Bench.load(real(rotated));
      await post('rotate').expect(200);
      await unload();
      await makeKeyFile(below('third.key'));
      await Bench.load([
        { id: 'registry', type: 'keyway-registry', name: 'other', file: 'other.sqlite', keyFile: 'new.key' },
      ]);
      await post('backup', { name: 'foreign' }).expect(200);
      await unload();
      await Bench.load(real({ keyFile: 'new.key' }));
      writeFileSync(below('backups', 'damaged'), 'no database at all, but a text of some length'.repeat(100));
      const newer = below('backups', 'newer');
      await post('backup', { name: 'newer' }).expect(200);
      const file = new DatabaseSync(newer);
      file.exec("INSERT INTO migrations (number, name, applied_at) VALUES (999, 'of tomorrow', 1)");
      file.close();
      const refused: Record<string, string> = {
        ...{ missing: 'BAD_BACKUP', foreign: 'BAD_BACKUP', damaged: 'BAD_BACKUP', newer: 'REGISTRY_TOO_NEW' },
        ...{ 'old-key': 'KEYSTORE_WRONG_KEY', '../registry.sqlite': 'BAD_FIELD' },
      };
      for (const [name, code] of Object.entries(refused)) {
        const { body } = await post('restore', { name, confirm: 'plant' }).expect(400);
        assert.equal(body.code, code, name);
        if (name === 'old-key') assert.match(body.hint, /previous/);
      }
      assert.equal(await opens('kind-1'), 'secret 1');
      await unload();
      // With the key of that time it comes back, and is to be rotated again.
      await Bench.load(real(rotated));
      const { body } = await post('restore', { name: 'old-key', confirm: 'plant' }).expect(200);
      assert.equal(body.rotate, true);
      assert.equal((await post('rotate').expect(200)).body.changed, 6);
    });

    it('for who is at this machine, and for no other site', async () => {
      await filled();
      await Bench.load(real());
      for (const path of ['rotate', 'backup', 'backups', 'restore', 'progress']) {
        const { body } = await post(path).set('Origin', 'http://evil.example').expect(403);
        assert.equal(body.code, 'FOREIGN_ORIGIN');
        const nobody = await post(path, { id: 'nobody' });
        if (path === 'backups') assert.deepEqual(nobody.body, { registry: null, folder: null, backups: [] });
        else assert.deepEqual([nobody.status, nobody.body.code], [400, 'REGISTRY_NOT_SET']);
      }
      writeFileSync(below('backups'), 'a file where the folder should be');
      assert.equal((await post('backup').expect(400)).body.code, 'BACKUP_FOLDER');
    });

    it('one thing at a time', async () => {
      await filled();
      await Bench.load(real());
      const both = await Promise.all([post('backup', { name: 'a' }), post('backup', { name: 'b' })]);
      assert.deepEqual(both.map(({ status }) => status).sort(), [200, 400]);
      assert.equal(both.find(({ status }) => status === 400)?.body.code, 'REGISTRY_WORKING');
      await post('backup', { name: 'c' }).expect(200);
    });
  });
});
