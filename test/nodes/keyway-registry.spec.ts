import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeKeyFile } from '../../lib/vault/index.ts';
import { registryById } from '../../nodes/shared/registry.ts';
import { Bench, type FlowNode, request, stopFlow } from './harness.ts';
import { deployedRegistry, freshUserDir } from './identity-bench.ts';

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
    const { unload } = await import('./harness.ts');
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
});
