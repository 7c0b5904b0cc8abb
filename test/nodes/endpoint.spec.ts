import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { mock } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { endpointById } from '../../nodes/shared/trust-endpoint.ts';
import { estById } from '../../nodes/shared/trust-est.ts';
import { Bench, type FlowNode, type Msg, request, stopFlow, unload } from './harness.ts';
import { demoAuthority, freshUserDir, NAMESPACE } from './identity-bench.ts';
import {
  connect,
  endpointNode,
  endpointPort,
  estNode,
  type Holder,
  hangUp,
  holder,
  MAC,
  OTHER,
  occupy,
  opened,
  PLAIN,
} from './trust-bench.ts';

const inNode = (more: Record<string, unknown> = {}): FlowNode => ({
  ...{ id: 'in', type: 'keyway-endpoint-in', endpoint: 'endpoint', wires: [['out']] },
  ...more,
});
const outNode = (more: Record<string, unknown> = {}): FlowNode => ({
  ...{ id: 'send', type: 'keyway-endpoint-out', endpoint: 'endpoint', wires: [['out']] },
  ...more,
});
const device = { namespace: NAMESPACE, mac: MAC };
const topicIs =
  (topic: string) =>
  (msg: Msg): boolean =>
    msg.topic === `endpoint/${topic}`;

describe('the endpoint nodes', function () {
  this.timeout(20_000);
  freshUserDir();
  afterEach(hangUp);

  const load = (...nodes: FlowNode[]): Promise<Bench> => Bench.load([...demoAuthority(), endpointNode(), ...nodes]);

  it('tell who comes, what it publishes, and who goes; the registry knows who is online', async () => {
    const bench = await load(inNode());
    const who = await holder();
    const client = await connect(await endpointPort(), who);
    const online = await bench.out.next(topicIs('online'));
    assert.deepEqual(online.device, device);
    assert.deepEqual([online.payload.state, online.payload.serial], ['online', who.issued.serial]);
    assert.match(online.payload.address, /^127\.0\.0\.1:\d+$/);
    await client.publishAsync(`${NAMESPACE}/${PLAIN}/telemetry/a`, '{"t":21.5}', { qos: 1 });
    await client.publishAsync(`${NAMESPACE}/${PLAIN}/log`, 'hello', { qos: 1 });
    await client.publishAsync(`${NAMESPACE}/${PLAIN}/raw`, Buffer.from([0xff, 0]), { qos: 1 });
    const [json, text, raw] = await bench.out.many(3, topicIs('message'));
    assert.deepEqual(json?.payload, { t: 21.5 });
    assert.deepEqual([json?.endpoint.topic, json?.endpoint.qos, json?.endpoint.will], ['telemetry/a', 1, false]);
    assert.equal(json?.endpoint.fullTopic, `${NAMESPACE}/${PLAIN}/telemetry/a`);
    assert.equal(text?.payload, 'hello');
    assert.ok(Buffer.isBuffer(raw?.payload));
    assert.deepEqual(raw?.device, device);
    await bench.status('in', ({ text: words }) => words === '1 online');
    const { registry } = await opened();
    const wait = (state: string) =>
      new Promise<void>((resolve) => {
        const end = registry.subscribe((event) => {
          if (event.topic !== 'device.state' || event.device?.state !== state) return;
          end();
          resolve();
        });
      });
    const gone = wait('offline');
    if ((await registry.device({ namespace: NAMESPACE, mac: PLAIN }))?.state !== 'online') await wait('online');
    await client.endAsync();
    const offline = await bench.out.next(topicIs('offline'));
    assert.deepEqual([offline.payload.state, offline.payload.reason], ['offline', 'disconnected']);
    await gone;
    await bench.status('in', ({ text: words }) => words === '0 online');
  });

  it('let through what the filter, the namespace and the checkboxes say, in the form that is asked for', async () => {
    const bench = await load(
      inNode({ presence: false, filter: 'telemetry/#', format: 'text' }),
      inNode({ id: 'other', messages: false, namespace: 'elsewhere' }),
      inNode({ id: 'bytes', presence: false, filter: '+/+/b', format: 'buffer', wires: [['progress']] }),
      inNode({ id: 'json', presence: false, filter: 'telemetry', format: 'json', wires: [['progress']] }),
    );
    const client = await connect(await endpointPort(), await holder());
    for (const topic of ['log', 'telemetry', 'telemetry/a/b', 'other/a/b']) {
      await client.publishAsync(`${NAMESPACE}/${PLAIN}/${topic}`, '[1]', { qos: 1 });
    }
    const texts = await bench.out.many(2);
    assert.deepEqual(
      texts.map(({ payload, endpoint }) => [endpoint.topic, payload]),
      [
        ['telemetry', '[1]'],
        ['telemetry/a/b', '[1]'],
      ],
    );
    const [json, bytes] = await bench.progress.many(3);
    assert.deepEqual(json?.payload, [1]);
    assert.ok(Buffer.isBuffer(bytes?.payload));
    assert.equal(bench.out.messages.length, 2);
  });

  it('tell what is refused and why, and the client learns nothing of it', async () => {
    const bench = await load(inNode({ messages: false, presence: false, refused: true, cuts: true }));
    const who = await holder();
    const port = await endpointPort();
    const bare = connectTls({ host: '127.0.0.1', port, ca: who.issued.authorities });
    bare.on('error', () => undefined);
    bare.resume();
    await once(bare, 'close');
    const none = await bench.out.next(topicIs('refused'));
    assert.equal(none.payload.code, 'CERT_MISSING');
    assert.equal('device' in none, false);
    const { authority, registry } = await opened();
    await authority.revokeDevice(NAMESPACE, PLAIN, 1);
    await assert.rejects(connect(port, who));
    const refused = await bench.out.next((msg) => msg.payload.code === 'CERT_REVOKED');
    assert.deepEqual([refused.payload.serial, refused.payload.mac], [who.issued.serial, PLAIN]);
    assert.equal('device' in refused, false, 'what a refused certificate says is no work piece');
    const { items } = await registry.auditLog({ action: 'endpoint.refused' });
    assert.ok(items.some(({ detail }) => detail?.code === 'CERT_REVOKED'));
  });

  it('send to a device, and say why they cannot', async () => {
    const bench = await load(inNode({ presence: false }), outNode(), outNode({ id: 'zero', qos: '0', topic: 'cmd' }));
    const port = await endpointPort();
    assert.equal(await bench.failure('send', { device, payload: 'x' }), 'DEVICE_OFFLINE');
    const client = await connect(port, await holder());
    assert.equal(await bench.failure('send', { device, payload: 'x' }), 'NOT_SUBSCRIBED');
    const got: string[] = [];
    client.on('message', (topic, payload) => got.push(`${topic} ${payload}`));
    await client.subscribeAsync(`${NAMESPACE}/${PLAIN}/#`, { qos: 1 });
    bench.send('send', { device, payload: { reboot: true }, kept: 'k' });
    const { payload, kept, topic } = await bench.out.next(topicIs('acknowledged'));
    assert.deepEqual(payload, { outcome: 'acknowledged', topic: 'command', qos: 1, bytes: 15 });
    assert.deepEqual([kept, topic], ['k', 'endpoint/acknowledged']);
    bench.send('zero', { device: { ...device, mac: '6055.F90A.B1C2' }, payload: 'now' });
    assert.equal((await bench.out.next(topicIs('sent'))).payload.outcome, 'sent');
    await client.publishAsync(`${NAMESPACE}/${PLAIN}/done`, '', { qos: 1 });
    assert.deepEqual(got, [`${NAMESPACE}/${PLAIN}/command {"reboot":true}`, `${NAMESPACE}/${PLAIN}/cmd now`]);
    assert.equal(await bench.failure('send', { payload: 'x' }), 'BAD_FIELD');
    assert.equal(await bench.failure('send', { device: { ...device, mac: 'x' }, payload: 'x' }), 'BAD_MAC');
    assert.equal(await bench.failure('zero', { device: { ...device, mac: OTHER }, payload: 'x' }), 'DEVICE_OFFLINE');
    await bench.status('send', ({ fill, text }) => fill === 'red' && text === 'BAD_MAC');
  });

  it('are red while another program has the port, and recover when it is free', async () => {
    const other = await occupy();
    try {
      const nodes = [...demoAuthority(), endpointNode({ port: String(other.port) }), inNode(), outNode()];
      const bench = await Bench.load(nodes);
      await bench.status('in', ({ fill, text }) => fill === 'red' && text === 'PORT_IN_USE');
      assert.equal(await bench.failure('send', { device, payload: 'x' }), 'PORT_IN_USE');
      await request()
        .post('/keyway/endpoint/status')
        .send({ id: 'endpoint' })
        .expect(400)
        .expect(({ body }) => assert.equal(body.code, 'PORT_IN_USE'));
      await other.close();
      await bench.status('in', ({ fill, text }) => fill === 'green' && text === 'listening');
      await connect(other.port, await holder());
    } finally {
      await other.close();
    }
  });

  it('say what is set up wrongly', async () => {
    const bench = await Bench.load([
      ...demoAuthority(),
      endpointNode({ id: 'badport', port: '99999' }),
      endpointNode({ id: 'badcadence', cadence: 'soon' }),
      endpointNode({ id: 'badprefix', topicPrefix: 'a/#' }),
      endpointNode({ id: 'nobody', authority: 'none' }),
      ...['badport', 'badcadence', 'badprefix', 'nobody', 'missing'].map((id) =>
        inNode({ id: `in-${id}`, endpoint: id }),
      ),
      inNode({ id: 'in-filter', endpoint: 'badport', filter: 'a/#/b' }),
      outNode({ endpoint: 'missing' }),
    ]);
    for (const [id, code] of Object.entries({
      badport: 'BAD_FIELD',
      badcadence: 'BAD_FIELD',
      badprefix: 'BAD_SETTINGS',
      nobody: 'AUTHORITY_NOT_SET',
      missing: 'ENDPOINT_NOT_SET',
      filter: 'BAD_TOPIC',
    })) {
      await bench.status(`in-${id}`, ({ fill, text }) => fill === 'red' && code.startsWith(text.replace('…', '')));
    }
    assert.equal(await bench.failure('send', { device, payload: 'x' }), 'ENDPOINT_NOT_SET');
  });

  it('has a Test button that says how it stands', async () => {
    await load();
    const port = await endpointPort();
    await connect(port, await holder());
    await request()
      .post('/keyway/endpoint/status')
      .send({ id: 'endpoint' })
      .expect(200)
      .expect(({ body }) => {
        assert.deepEqual([body.host, body.port, body.sessions], ['127.0.0.1', String(port), '1']);
        assert.ok(Date.parse(body.until) > Date.now());
      });
    await request().post('/keyway/endpoint/status').send({ id: 'x' }).expect(400);
  });

  it('listens on this machine alone where no address is named, and so does the EST service', async () => {
    await Bench.load([...demoAuthority(), endpointNode({ host: ' ' }), estNode({ host: '' })]);
    const open = await endpointById('endpoint').ready(AbortSignal.timeout(8000));
    assert.equal(open.host, '127.0.0.1');
    const est = await estById('est').ready(AbortSignal.timeout(8000));
    assert.deepEqual([est.host, new URL(est.url).hostname], ['127.0.0.1', '127.0.0.1']);
  });

  it('shows a certificate that holds the broker of the namespace, further names and loopback', async () => {
    await Bench.load([...demoAuthority(), endpointNode({ names: 'gate.example.com, 192.0.2.7' })]);
    const port = await endpointPort();
    const who = await holder();
    const socket = connectTls({
      ...{ host: '127.0.0.1', port, ca: who.issued.authorities, key: who.key, cert: who.issued.chain },
    });
    await once(socket, 'secureConnect');
    const { subjectaltname = '' } = socket.getPeerCertificate();
    socket.destroy();
    for (const name of ['gate.example.com', '192.0.2.7', 'broker.example.com', 'localhost', '127.0.0.1']) {
      assert.ok(subjectaltname.includes(name), `${name} is not in ${subjectaltname}`);
    }
  });

  it('tells strangers nothing of the namespaces that there are', async () => {
    await load();
    const port = await endpointPort();
    const { issued } = await holder();
    // In TLS 1.2 certificates, and the authorities that are asked for, travel in clear.
    const heard: Buffer[] = [];
    const between = createServer((socket) => {
      const beyond = connectTcp(port, '127.0.0.1');
      beyond.on('data', (bytes) => heard.push(bytes));
      for (const one of [socket, beyond]) one.on('error', () => undefined);
      socket.pipe(beyond).pipe(socket);
    });
    await once(between.listen(0, '127.0.0.1'), 'listening');
    try {
      const { port: way } = between.address() as AddressInfo;
      const options = { host: '127.0.0.1', port: way, ca: issued.authorities, maxVersion: 'TLSv1.2' } as const;
      const socket = connectTls(options).on('error', () => undefined);
      // Without a certificate it is refused.
      await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    } finally {
      between.close();
    }
    const text = Buffer.concat(heard).toString('latin1');
    assert.ok(text.includes('broker.example.com'));
    assert.ok(!text.includes(NAMESPACE), 'it names a certificate namespace');
  });

  it('is deployed again while many devices are there: each is offline, and comes back', async () => {
    const nodes = [...demoAuthority(), endpointNode(), inNode({ messages: false })];
    const first = await Bench.load(nodes);
    const devices: Holder[] = [];
    for (let i = 0; i < 20; i++) devices.push(await holder(`60:55:f9:0a:c0:${i.toString(16).padStart(2, '0')}`));
    const port = await endpointPort();
    await Promise.all(devices.map((one) => connect(port, one)));
    await first.status('in', ({ text }) => text === '20 online');
    const { registry } = await opened();
    const went: string[] = [];
    registry.subscribe(({ topic, device: one }) => {
      if (topic === 'device.state' && one?.state === 'offline') went.push(String(one.mac));
    });
    const from = performance.now();
    await stopFlow();
    assert.ok(performance.now() - from < 5000);
    assert.deepEqual(went.sort(), devices.map(({ mac }) => mac).sort());
    await hangUp();
    await unload();
    const second = await Bench.load(nodes);
    const again = await endpointPort();
    await Promise.all(devices.map((one) => connect(again, one)));
    await second.status('in', ({ text }) => text === '20 online');
  });

  /** Two endpoints, a session of one device at each, and whether that still lasts. */
  async function sessions(first: Record<string, unknown>, second: Record<string, unknown>) {
    const rest = { cadence: '3600' };
    const nodes = [endpointNode({ ...rest, ...first }), endpointNode({ id: 'second', ...rest, ...second })];
    const only = { messages: false, presence: false, cuts: true };
    const bench = await Bench.load([...demoAuthority(), ...nodes, inNode(only)]);
    const who = await holder();
    const cut = await connect(await endpointPort(), who);
    const kept = await connect(await endpointPort('second'), who);
    const closed = new Promise<void>((resolve) => cut.once('close', () => resolve()));
    return { bench, closed, lasts: () => kept.publishAsync(`${NAMESPACE}/${PLAIN}/a`, 'b', { qos: 1 }) };
  }

  it('cuts who is revoked at once where that is set, and else at the cadence', async () => {
    const { bench, closed, lasts } = await sessions({ cutNow: true }, {});
    await (await opened()).authority.revokeDevice(NAMESPACE, PLAIN);
    await closed;
    const { payload } = await bench.out.next(topicIs('cut'));
    assert.deepEqual([payload.by, payload.code], ['now', 'CERT_REVOKED']);
    await lasts();
  });

  it('cuts at the end of a certificate unless that is switched off', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    try {
      const { bench, closed, lasts } = await sessions({}, { cutAtExpiry: false });
      mock.timers.setTime(Date.now() + 8 * 86_400_000);
      await closed;
      const { payload } = await bench.out.next(topicIs('cut'));
      assert.deepEqual([payload.by, payload.code], ['expiry', 'CERT_EXPIRED']);
      await lasts();
    } finally {
      await hangUp();
      await unload();
      mock.timers.reset();
    }
  });

  it('lets nobody in while the clock is behind the newest record, and does once it is not', async () => {
    const now = Date.now();
    mock.timers.enable({ apis: ['Date'], now: now + 3 * 86_400_000 });
    try {
      await load();
      await holder();
      await unload();
      mock.timers.setTime(now);
      const events = { id: 'events', type: 'keyway-est-events', est: 'est', wires: [['out']] };
      const lists = { id: 'crl', type: 'keyway-crl', authority: 'authority', wires: [['out']] };
      const bench = await load(estNode(), inNode(), events, lists);
      for (const id of ['in', 'events', 'crl']) {
        await bench.status(id, ({ fill, text }) => fill === 'red' && text === 'CLOCK_BEHIND');
      }
      mock.timers.setTime(now + 3 * 86_400_000 + 60_000);
      for (const id of ['in', 'events']) await bench.status(id, ({ text }) => text === 'listening');
    } finally {
      await unload();
      mock.timers.reset();
    }
  });
});
