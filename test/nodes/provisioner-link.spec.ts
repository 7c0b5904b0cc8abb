import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunningProvisioner, startProvisioner } from '../../lib/osdp/node.ts';
import { makeReaders, ReaderBus } from '../../lib/virtual/index.ts';
import { Bench, type FlowNode, type Msg, request, unload } from './harness.ts';
import { node, profile, provisionerUserDir, result } from './provisioner-bench.ts';

describe('a provisioner elsewhere', function () {
  this.timeout(60_000);
  const userDir = provisionerUserDir();
  const ends: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  /** A gateway with one reader at address 5, reached by TLS on loopback. */
  async function gateway(name: string, store = name): Promise<RunningProvisioner> {
    const bus = new ReaderBus({ name: `${name}-wires`, mode: 'free', baudRate: 9600 });
    ends.push(() => bus.close());
    for (const reader of makeReaders({ addresses: [5], baudRate: 9600 })) bus.add(reader);
    const running = await startProvisioner({
      port: `virtual:${name}-wires`,
      store: join(userDir(), store),
      listen: ['tls:127.0.0.1:0'],
      name,
      key: { file: join(userDir(), `${name}.key`) },
      makeKey: true,
    });
    ends.push(() => running.close());
    return running;
  }

  const linked = (address: string, more: Record<string, unknown> = {}): FlowNode => ({
    id: 'provisioner',
    type: 'keyway-provisioner',
    name: 'site 7',
    kind: 'link',
    address,
    ...more,
  });
  const post = (what: string, body: Msg) =>
    request().post(`/keyway/provisioner/${what}`).set('Host', 'localhost').send(body);
  const addressOf = ({ listening }: RunningProvisioner): string => listening[0] as string;

  it('is paired by its code, known by its certificate, and does what one here does', async () => {
    const running = await gateway('gate');
    const address = addressOf(running);
    const first = await Bench.load([linked(address), node('keyway-slots')]);
    assert.equal(await first.failure('slots', {}), 'NOT_PAIRED');
    const before = (await post('test', { kind: 'link', address }).expect(200)).body;
    assert.deepEqual([before.name, before.known, before.paired], ['gate', false, false]);
    const { code } = running.pair();
    const wrong = await post('pair', { address, code: 'AAAA-AAAA-AAAA' }).expect(400);
    assert.equal(wrong.body.code, 'PAIRING_WRONG_CODE');
    const { fingerprint, name } = (await post('pair', { address, code }).expect(200)).body;
    assert.deepEqual([fingerprint, name], [running.fingerprint, 'gate']);
    assert.equal((await post('pair', { address, code }).expect(400)).body.code, 'PAIRING_CLOSED');
    await unload();
    const bench = await Bench.load([
      linked(address, { device: fingerprint }),
      node('keyway-slots', { operation: 'import' }),
      node('keyway-step'),
      node('keyway-export', { allow: true, folder: 'out' }),
    ]);
    await result(bench, 'slots', { payload: profile({ count: 1, startAddress: 5 }) });
    assert.equal((await result(bench, 'step', {})).payload.outcome, 'ok');
    const { payload } = await result(bench, 'export', {});
    assert.match(readFileSync(payload.file, 'utf8'), /^pd_address,baudrate,scbk\n5,9600,[0-9A-F]{32}\n$/);
    const tested = (await post('test', { kind: 'link', address, device: fingerprint }).expect(200)).body;
    assert.deepEqual([tested.known, tested.paired, tested.host.name.startsWith('Node-RED on ')], [true, true, true]);
  });

  it('is refused when another device answers at its address', async () => {
    const running = await gateway('right');
    const address = addressOf(running);
    const bench = await Bench.load([linked(address, { device: 'ab'.repeat(32) }), node('keyway-slots')]);
    assert.equal(await bench.failure('slots', {}), 'LINK_WRONG_CERTIFICATE');
    assert.match(bench.caught.messages[0]?.error.message, /no provisioner that this host knows/);
  });

  it('says what is wrong with the address, and that nobody is there', async () => {
    const bench = await Bench.load([
      linked('gateway.local'),
      node('keyway-slots'),
      { ...linked(''), id: 'blank' },
      node('keyway-slots', { id: 'slots-blank', provisioner: 'blank' }),
      { ...linked('tls:127.0.0.1:1', { device: 'ab'.repeat(32) }), id: 'nobody' },
      node('keyway-slots', { id: 'slots-nobody', provisioner: 'nobody' }),
    ]);
    assert.equal(await bench.failure('slots', {}), 'BAD_LINK_ADDRESS');
    assert.equal(await bench.failure('slots-blank', {}), 'BAD_FIELD');
    assert.equal(await bench.failure('slots-nobody', {}), 'LINK_UNREACHABLE');
    assert.equal((await post('test', { kind: 'link', address: '' }).expect(400)).body.code, 'BAD_FIELD');
    assert.equal((await post('test', { kind: 'embedded', id: 'x' }).expect(400)).body.code, 'PROVISIONER_NOT_SET');
    assert.equal((await post('find', {}).set('Origin', 'http://evil.example').expect(403)).body.code, 'FOREIGN_ORIGIN');
  });

  it('has one host: two nodes that name it are one, and an embedded one is tested by its node', async () => {
    const running = await gateway('one');
    const address = addressOf(running);
    const { code } = running.pair();
    const pairing = await Bench.load([linked(address)]);
    assert.deepEqual(pairing.caught.messages, []);
    const { fingerprint } = (await post('pair', { address, code }).expect(200)).body;
    await unload();
    const bench = await Bench.load([
      linked(address, { device: fingerprint }),
      { ...linked(address, { device: fingerprint }), id: 'second' },
      node('keyway-slots'),
      node('keyway-slots', { id: 'other', provisioner: 'second' }),
    ]);
    await result(bench, 'slots', {});
    await result(bench, 'other', {});
    const { body } = await post('test', { id: 'second', kind: 'embedded' }).expect(200);
    assert.deepEqual([body.attached, body.name, body.limits.slots, body.modes], [true, 'one', 8, ['live', 'offline']]);
  });
});
