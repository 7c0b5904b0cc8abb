import assert from 'node:assert/strict';
import { makeKeyFile } from '../../lib/vault/index.ts';
import { Bench, type FlowNode, type Msg, stopFlow } from './harness.ts';
import { demoAuthority, deployedRegistry, freshUserDir, NAMESPACE } from './identity-bench.ts';

const MAC = '60:55:f9:0a:b1:c2';
const device = { namespace: NAMESPACE, mac: MAC };

const events = (more: Record<string, unknown> = {}): FlowNode => ({
  id: 'events',
  type: 'keyway-device-events',
  registry: 'registry',
  wires: [['progress']],
  ...more,
});
const mint: FlowNode = { id: 'mint', type: 'keyway-mint', authority: 'authority', wires: [['out']] };
const topics = (bench: Bench): string[] => bench.progress.messages.map(({ topic }) => topic as string);

describe('keyway-device-events', () => {
  const userDir = freshUserDir();

  it('tells what happens to a device and its certificate, in order', async () => {
    const bench = await Bench.load([...demoAuthority(), events({ namespace: NAMESPACE }), mint]);
    await bench.status('events', ({ text }) => text === 'listening');
    bench.send('mint', { device: { ...device, name: 'front door' } });
    const { identity } = await bench.out.next();
    const registry = await deployedRegistry();
    await registry.markLive(identity.serial);
    const pending = await bench.progress.next(({ topic }) => topic === 'certificate/pending');
    assert.equal(pending.payload.subject, identity.serial);
    assert.deepEqual(pending.device, device);
    await bench.progress.next(({ topic }) => topic === 'certificate/live');
    assert.deepEqual(
      topics(bench).filter((topic) => !topic.startsWith('namespace')),
      ['device/added', 'certificate/pending', 'certificate/live'],
    );
    const added = await bench.progress.next(({ topic }) => topic === 'device/added');
    assert.deepEqual(
      [added.payload.device.name, added.payload.state, added.device.mac, Date.parse(added.payload.time) > 0],
      ['front door', 'registered', MAC, true],
    );
    assert.equal(JSON.stringify(bench.progress.messages).includes('keyway:handle'), false);
  });

  it('tells states alone where it is told to, with the one before and the reason', async () => {
    const bench = await Bench.load([...demoAuthority(), events({ kind: 'state' }), mint]);
    await bench.status('events', ({ text }) => text === 'listening');
    bench.send('mint', { device });
    const { id } = (await bench.out.next()).device;
    const registry = await deployedRegistry();
    await registry.setState(id, 'retired', { reason: 'broken' });
    const { payload, device: unit } = await bench.progress.next();
    assert.deepEqual([payload.from, payload.state, payload.reason], ['registered', 'retired', 'broken']);
    assert.equal(unit.state, 'retired');
    await bench.status('events', ({ text }) => text === 'retired');
    assert.deepEqual(topics(bench), ['device/state']);
  });

  it('says that there is no registry, and hears one that opens late', async () => {
    const bench = await Bench.load([
      { id: 'registry', type: 'keyway-registry' },
      events(),
      { ...events({ registry: '' }), id: 'none' },
    ]);
    await bench.status('none', ({ text }) => text === 'REGISTRY_NOT_SET');
    await bench.status('events', ({ fill, text }) => fill === 'red' && text.startsWith('KEYSTORE_KEY'));
    await makeKeyFile(`${userDir()}/keyway/keystore.key`);
    await (await deployedRegistry()).putNamespace({ name: 'late', settings: {} });
    const { topic, payload } = await bench.progress.next();
    assert.deepEqual([topic, payload.namespace], ['namespace/changed', 'late']);
  });

  it('says nothing after the flow was stopped', async () => {
    const bench = await Bench.load([...demoAuthority(), events(), mint]);
    await bench.status('events', ({ text }) => text === 'listening');
    const registry = await deployedRegistry();
    await stopFlow();
    const before = bench.progress.messages.length;
    await registry
      .addDevice({ namespace: NAMESPACE, name: 'late' })
      .catch((error: Msg) => assert.equal(error.code, 'REGISTRY_CLOSED'));
    assert.equal(bench.progress.messages.length, before);
  });
});
