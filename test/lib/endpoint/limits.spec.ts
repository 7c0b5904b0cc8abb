import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import { DeviceEndpoint, type EndpointOptions } from '../../../lib/endpoint/index.ts';
import { Bench, FakeJudge, type Ground, ground, identity, MAC, NAMESPACE, PREFIX, tlsOf } from './support.ts';

describe('endpoint: bounds and settings', () => {
  let all: Awaited<ReturnType<typeof ground>>;
  let bench: Bench | undefined;
  before(async () => {
    all = await ground();
  });
  after(() => all?.close());
  afterEach(async () => {
    await bench?.close();
    bench = undefined;
  });
  const open = async (options: Partial<EndpointOptions> & { manual?: boolean } = {}): Promise<Bench> => {
    bench = await new Bench(all as Ground, new FakeJudge(), options).open();
    return bench;
  };

  it('more connections than it takes: the next is closed, and has a place once one is gone', async () => {
    const here = await open({ limits: { connections: 2 } });
    const first = await (await here.raw(all.device)).in();
    await (await here.raw(all.other)).in();
    const third = await here.raw(all.device);
    await third.closed;
    assert.deepEqual(
      here.told.all('refused').map(({ code, at }) => [code, at]),
      [['TOO_MANY_CONNECTIONS', 'connection']],
    );
    first.socket.destroy();
    await here.told.until('offline');
    await (await here.raw(all.device)).in();
  });

  it('more from one address than it takes', async () => {
    const here = await open({ limits: { connectionsPerAddress: 1 } });
    await (await here.raw(all.device)).in();
    await (await here.raw(all.other)).closed;
    assert.deepEqual(here.told.codes, ['TOO_MANY_FROM_ADDRESS']);
  });

  it('more unfinished handshakes than it takes; each ends in time', async () => {
    const here = await open({ limits: { handshakes: 1, handshakeMs: 300 } });
    const silent = connectTcp(here.port, '127.0.0.1');
    silent.on('error', () => undefined);
    await once(silent, 'connect');
    await (await here.raw(all.device)).closed;
    await once(silent, 'close');
    assert.deepEqual(here.told.codes, ['TOO_MANY_CONNECTIONS', 'HANDSHAKE_TIMEOUT']);
    await (await here.raw(all.device)).in();
  });

  it('a number of sessions a device: a further one takes the place of the oldest', async () => {
    const here = await open({ limits: { sessionsPerDevice: 2 } });
    for (const clientId of ['a', 'b', 'c']) await (await here.raw(all.device)).in({ clientId });
    assert.deepEqual(
      here.endpoint.sessions().map(({ clientId }) => clientId),
      ['b', 'c'],
    );
    await (await here.raw(all.device)).in({ clientId: 'b' });
    assert.deepEqual(
      here.endpoint.sessions().map(({ clientId }) => clientId),
      ['c', 'b'],
    );
  });

  it('keep alive: one and a half times, and any packet counts', async () => {
    const here = await open({ manual: true });
    const raw = await (await here.raw(all.device)).as(5).in({ keepalive: 10 });
    const forever = await (await here.raw(all.other)).in({ keepalive: 0 });
    await here.clock.advance(14_000);
    raw.send({ cmd: 'pingreq' });
    await raw.next('pingresp');
    await here.clock.advance(14_000);
    assert.equal(raw.socket.destroyed, false);
    await here.clock.advance(3_000);
    assert.equal((await raw.next('disconnect')).reasonCode, 0x8d);
    await raw.closed;
    assert.deepEqual(here.told.codes, ['KEEP_ALIVE']);
    assert.equal(here.told.all('offline')[0]?.reason, 'keep alive');
    forever.send({ cmd: 'pingreq' });
    await forever.next('pingresp');
  });

  it('a device that reads nothing: messages to it are refused, then it is cut', async () => {
    const here = await open({ manual: true, limits: { backlogBytes: 16 * 1024 } });
    const raw = await (await here.raw(all.device)).in();
    raw.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${PREFIX}a`, qos: 0 }] });
    await raw.next('suback');
    raw.socket.pause();
    const publish = () =>
      here.endpoint.publish({ namespace: NAMESPACE, mac: MAC, topic: 'a', payload: Buffer.alloc(200_000) });
    let refused: unknown;
    for (let i = 0; i < 1_000 && refused === undefined; i++) {
      await publish().catch((error: unknown) => {
        refused = error;
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal((refused as { code?: string }).code, 'QUEUE_FULL');
    await here.clock.advance(32_000);
    await here.told.until('offline');
    assert.deepEqual(here.told.codes, ['NOT_READING']);
  });

  it('a message whose time is over is not sent', async () => {
    const here = await open({ manual: true, limits: { inflight: 1 } });
    const raw = await (await here.raw(all.device)).in();
    raw.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${PREFIX}a`, qos: 1 }] });
    await raw.next('suback');
    const publish = (payload: string, expiryMs?: number) =>
      here.endpoint.publish({
        ...{ namespace: NAMESPACE, mac: MAC, topic: 'a', payload, qos: 1 },
        ...(expiryMs === undefined ? {} : { expiryMs }),
      });
    const first = publish('1');
    const second = publish('2', 5_000);
    const third = publish('3', 600_000);
    const expired = assert.rejects(second, { code: 'MESSAGE_EXPIRED' });
    const { messageId = 0 } = await raw.next('publish');
    await here.clock.advance(6_000);
    await expired;
    raw.send({ cmd: 'puback', messageId });
    assert.equal(await first, 'acknowledged');
    const next = await raw.next('publish');
    assert.equal(String(next.payload), '3');
    raw.send({ cmd: 'puback', messageId: next.messageId ?? 0 });
    await third;
  });

  it('more messages that wait than it keeps', async () => {
    const here = await open({ limits: { inflight: 1, queued: 2 } });
    const raw = await (await here.raw(all.device)).in();
    raw.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${PREFIX}a`, qos: 1 }] });
    await raw.next('suback');
    const publish = () => here.endpoint.publish({ namespace: NAMESPACE, mac: MAC, topic: 'a', payload: 'x', qos: 1 });
    const kept = [publish(), publish(), publish()];
    await assert.rejects(publish(), { code: 'QUEUE_FULL' });
    raw.socket.destroy();
    await Promise.allSettled(kept);
  });

  it('another prefix, or none at all', async () => {
    const here = await open({ topicPrefix: 'devices/{mac}/v1/' });
    const raw = await (await here.raw(all.device)).as(5).in();
    raw.send({
      ...{ cmd: 'publish', topic: `devices/${MAC}/v1/a`, payload: '', qos: 1, messageId: 1 },
      dup: false,
      retain: false,
    });
    assert.equal((await raw.next('puback')).reasonCode, 0);
    assert.equal(here.told.all('message')[0]?.topic, 'a');
    await here.close();
    const bare = await open({ topicPrefix: '' });
    const any = await (await bare.raw(all.device)).as(5).in();
    any.send({ ...{ cmd: 'publish', topic: 'v1/up', payload: '', qos: 1, messageId: 1 }, dup: false, retain: false });
    assert.equal((await any.next('puback')).reasonCode, 0);
    any.send({ ...{ cmd: 'publish', topic: '$SYS/up', payload: '', qos: 1, messageId: 2 }, dup: false, retain: false });
    assert.equal((await any.next('disconnect')).reasonCode, 0x90);
  });

  it('another certificate from now on; open sessions stay', async () => {
    const here = await open();
    const raw = await (await here.raw(all.device)).in();
    const next = await identity((csr) => all.here.authority.issueService({ names: ['127.0.0.1'], csr }));
    here.endpoint.setSecureContext(tlsOf(next));
    const later = await here.raw(all.other);
    assert.equal(later.socket.getPeerX509Certificate()?.serialNumber.toLowerCase().padStart(32, '0'), next.serial);
    await later.in();
    raw.send({ cmd: 'pingreq' });
    await raw.next('pingresp');
    assert.throws(() => here.endpoint.setSecureContext({ key: next.key, cert: all.service.cert }), { code: 'BAD_TLS' });
    await (await here.raw(all.other)).in();
  });

  it('a port that is taken, an address that is not ours', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const endpoint = new DeviceEndpoint({ judge: new FakeJudge(), tls: tlsOf(all.service), port });
    try {
      await assert.rejects(endpoint.listen(), { code: 'PORT_IN_USE' });
      other.close();
      await once(other, 'close');
      assert.equal((await endpoint.listen()).port, port);
      await assert.rejects(endpoint.listen(), { code: 'ENDPOINT_CLOSED' });
    } finally {
      other.close();
      await endpoint.close();
    }
    const elsewhere = new DeviceEndpoint({
      judge: new FakeJudge(),
      tls: tlsOf(all.service),
      port: 0,
      host: '192.0.2.1',
    });
    await assert.rejects(elsewhere.listen(), { code: 'LISTEN_FAILED' });
    await elsewhere.close();
    await elsewhere.close();
  });

  it('is on loopback unless told otherwise', async () => {
    const endpoint = new DeviceEndpoint({ judge: new FakeJudge(), tls: tlsOf(all.service), port: 0 });
    try {
      assert.equal((await endpoint.listen()).host, '127.0.0.1');
    } finally {
      await endpoint.close();
    }
  });

  it('close ends every connection, tells who went, and leaves nothing', async () => {
    const here = await open({ cutNow: true });
    const will = { topic: `${PREFIX}gone`, payload: Buffer.from('gone'), qos: 0, retain: false } as const;
    const raw = await (await here.raw(all.device)).as(5).in({ will });
    const silent = connectTcp(here.port, '127.0.0.1');
    silent.on('error', () => undefined);
    await once(silent, 'connect');
    assert.equal(here.judge.listening, 1);
    await here.endpoint.close();
    assert.equal((await raw.next('disconnect')).reasonCode, 0x8b);
    await raw.closed;
    assert.equal(here.judge.listening, 0);
    assert.deepEqual(
      here.told.all('offline').map(({ reason }) => reason),
      ['endpoint closed'],
    );
    assert.deepEqual(here.told.all('message'), []);
    assert.deepEqual(
      here.audit.map(({ action }) => action),
      ['endpoint.listening', 'endpoint.closed'],
    );
    assert.deepEqual(here.endpoint.sessions(), []);
    await assert.rejects(here.endpoint.publish({ namespace: NAMESPACE, mac: MAC, topic: 'a', payload: '' }), {
      code: 'DEVICE_OFFLINE',
    });
  });

  it('what a listener throws, or the audit log, is told and hurts nobody', async () => {
    const here = await open({ audit: () => Promise.reject(new Error('full')) });
    here.endpoint.on('message', () => {
      throw new Error('a flow is wrong');
    });
    const raw = await (await here.raw(all.device)).as(5).in();
    raw.send({
      ...{ cmd: 'publish', topic: `${PREFIX}a`, payload: '', qos: 1, messageId: 1 },
      dup: false,
      retain: false,
    });
    assert.equal((await raw.next('puback')).reasonCode, 0);
    await here.told.until('trouble', 2);
    assert.deepEqual(
      here.told.all('trouble').map((error) => (error as { code?: string }).code ?? error.message),
      ['AUDIT_FAILED', 'a flow is wrong'],
    );
  });

  for (const [field, options] of [
    ['port', { port: 70_000 }],
    ['host', { host: '' }],
    ['cadenceMs', { cadenceMs: 10 }],
    ['cadenceMs', { cadenceMs: Number.NaN }],
    ['limits.connections', { limits: { connections: 0 } }],
    ['limits.packetBytes', { limits: { packetBytes: 1.5 } }],
    ['limits.unknown', { limits: { unknown: 1 } }],
    ['topicPrefix', { topicPrefix: 'a/#/' }],
    ['topicPrefix', { topicPrefix: 'a' }],
    ['topicPrefix', { topicPrefix: '/a/' }],
    ['topicPrefix', { topicPrefix: '{name}/' }],
    ['topicPrefix', { topicPrefix: '$SYS/' }],
  ] as [string, Partial<EndpointOptions>][]) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(
        () => new DeviceEndpoint({ judge: new FakeJudge(), tls: tlsOf(all.service), ...options }),
        (error) => {
          const { code, detail } = error as { code?: string; detail?: { field?: string } };
          assert.deepEqual([code, detail?.field], ['BAD_SETTINGS', field]);
          return true;
        },
      );
    });
  }

  it('refuses a key that is none, or another’s, and does not show it', () => {
    for (const tls of [
      { key: 'nonsense', cert: all.service.cert },
      { key: all.device.key, cert: all.service.cert },
      { key: all.service.key, cert: '' },
      { key: all.service.key, cert: all.service.cert, ca: 'nonsense' },
    ]) {
      assert.throws(
        () => new DeviceEndpoint({ judge: new FakeJudge(), tls }),
        (error) => {
          assert.equal((error as { code?: string }).code, 'BAD_TLS');
          assert.equal((error as Error).cause, undefined);
          return true;
        },
        JSON.stringify(tls).slice(0, 40),
      );
    }
  });
});
