import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCrl } from '../../lib/pki/node.ts';
import { Bench, type FlowNode, type Msg, request, unload } from './harness.ts';
import { demoAuthority, freshUserDir, NAMESPACE } from './identity-bench.ts';
import {
  connect,
  endpointNode,
  endpointPort,
  HttpRoot,
  hangUp,
  holder,
  MAC,
  OTHER,
  opened,
  PLAIN,
  sent,
} from './trust-bench.ts';

const device = { namespace: NAMESPACE, mac: MAC };
const crlNode = (more: Record<string, unknown> = {}): FlowNode => ({
  ...{ id: 'crl', type: 'keyway-crl', authority: 'authority', wires: [['out']] },
  ...more,
});
const revokeNode = (more: Record<string, unknown> = {}): FlowNode => ({
  ...{ id: 'revoke', type: 'keyway-revoke', authority: 'authority', wires: [['out']] },
  ...more,
});

const root = new HttpRoot();
/** The list as it is served. */
const served = async (name: string): Promise<Buffer> => (await root.ask(`/keyway/crl/${name}.crl`)).body;

const serialsIn = (der: Uint8Array): string[] => [...parseCrl(der).entries()].map(({ serial }) => serial);

describe('the nodes that revoke', function () {
  this.timeout(20_000);
  const userDir = freshUserDir();
  afterEach(async () => {
    await hangUp();
    await root.close();
  });

  it('revoke every certificate of a device, put it on the list, and cut its session now', async () => {
    const bench = await Bench.load([...demoAuthority(), endpointNode(), revokeNode(), crlNode()], [root.serve]);
    const [who, other] = [await holder(), await holder(OTHER)];
    const port = await endpointPort();
    const [client, stays] = [await connect(port, who), await connect(port, other, { clientId: 'b' })];
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    const { payload, device: unit, topic, kept } = await sent(bench, 'revoke', { device, kept: 'k' });
    await closed;
    assert.deepEqual([topic, payload.cut, payload.serials, kept], ['revoke/done', 1, [who.issued.serial], 'k']);
    assert.deepEqual([unit.state, payload.mac], ['revoked', MAC]);
    const der = await served(NAMESPACE);
    assert.deepEqual(serialsIn(der), [who.issued.serial]);
    assert.equal(parseCrl(der).number, payload.crl);
    await assert.rejects(connect(port, who));
    assert.equal(stays.connected, true);
    // Flashing brings it back with a new certificate.
    await connect(port, await holder());
    await bench.status('revoke', ({ fill, text }) => fill === 'green' && text === 'revoked 1');
  });

  it('end the session only once the list is there: who is cut first comes back', async () => {
    const told = { type: 'keyway-endpoint-in', endpoint: 'endpoint', messages: false, presence: false, cuts: true };
    const bench = await Bench.load([
      ...demoAuthority(),
      endpointNode(),
      revokeNode(),
      crlNode({ events: true }),
      { ...told, id: 'cuts', wires: [['out']] },
    ]);
    await bench.status('crl', ({ fill }) => fill === 'green');
    await connect(await endpointPort(), await holder());
    await sent(bench, 'revoke', { device });
    await bench.out.next(({ topic }) => topic === 'endpoint/cut');
    const order = bench.out.messages
      .filter(({ payload }) => payload?.cause === 'revocation' || payload?.by === 'request')
      .map(({ topic }) => topic);
    assert.deepEqual(order, ['crl/issued', 'endpoint/cut']);
  });

  it('leave the session to the cadence where that is asked for', async () => {
    const bench = await Bench.load([
      ...demoAuthority(),
      endpointNode({ cadence: '1' }),
      revokeNode({ cut: 'cadence', reason: 'keyCompromise' }),
    ]);
    const client = await connect(await endpointPort(), await holder());
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    const { payload } = await sent(bench, 'revoke', { device });
    assert.equal(payload.cut, 0);
    await closed;
    const { registry } = await opened();
    const [record] = await registry.certificatesOf(NAMESPACE, PLAIN);
    assert.equal(record?.reason, 1);
  });

  it('do nothing for who is unknown, and say what is set up wrongly before anything is revoked', async () => {
    const bench = await Bench.load([
      ...demoAuthority(),
      revokeNode(),
      revokeNode({ id: 'noauthority', authority: 'x' }),
      revokeNode({ id: 'noendpoint', endpoint: 'x' }),
      revokeNode({ id: 'half', crlFile: join(userDir(), 'crl.pem') }),
      revokeNode({ id: 'nouser', crlFile: join(userDir(), 'c.pem'), pidFile: '/x', controlUrl: 'mqtt://127.0.0.1' }),
      revokeNode({ id: 'badreason', reason: 'because' }),
    ]);
    const who = await holder();
    assert.equal(await bench.failure('revoke', { device: { ...device, mac: OTHER } }), 'DEVICE_UNKNOWN');
    assert.equal(await bench.failure('revoke', { device: { ...device, mac: 'x' } }), 'BAD_MAC');
    assert.equal(await bench.failure('revoke', {}), 'BAD_FIELD');
    assert.equal(await bench.failure('noauthority', { device }), 'AUTHORITY_NOT_SET');
    assert.equal(await bench.failure('noendpoint', { device }), 'ENDPOINT_NOT_SET');
    assert.equal(await bench.failure('half', { device }), 'MOSQUITTO_NOT_SET');
    assert.equal(await bench.failure('nouser', { device }), 'MOSQUITTO_NOT_SET');
    assert.equal(await bench.failure('badreason', { device }), 'BAD_FIELD');
    const { registry } = await opened();
    assert.equal((await registry.certificate(who.issued.serial))?.state, 'live');
  });

  it('say that mosquitto is not there, once the device is revoked and the file has the list', async () => {
    const file = join(userDir(), 'crl.pem');
    const bench = await Bench.load([
      ...demoAuthority(),
      revokeNode({ crlFile: file, pidFile: join(userDir(), 'none.pid') }),
      revokeNode({ id: 'command', crlFile: file, command: 'true --hup' }),
    ]);
    const who = await holder();
    assert.equal(await bench.failure('revoke', { device }), 'MOSQUITTO_NOT_THERE');
    const [{ error }] = bench.caught.messages as [Msg];
    assert.match(error.message, /The device is revoked \(1 certificates, list \d+\)/);
    const { registry } = await opened();
    assert.equal((await registry.certificate(who.issued.serial))?.state, 'revoked');
    const text = await readFile(file, 'utf8');
    assert.equal(text.match(/BEGIN X509 CRL/g)?.length, 3);
    const again = await holder();
    const { payload } = await sent(bench, 'command', { device });
    assert.deepEqual([payload.serials, payload.kicked], [[again.issued.serial], []]);
  });

  it('revoke by HTTP, for this machine and the permission alone', async () => {
    const bench = await Bench.load([...demoAuthority(), endpointNode(), revokeNode()]);
    const who = await holder();
    await connect(await endpointPort(), who);
    const ask = { authority: 'authority', namespace: NAMESPACE, mac: MAC, reason: 'superseded' };
    for (const wrong of [{ reason: 'stolen' }, { reason: 1 }, { cut: 'never' }]) {
      await request()
        .post('/keyway/device/revoke')
        .send({ ...ask, ...wrong })
        .expect(400)
        .expect(({ body }) => assert.equal(body.code, 'BAD_FIELD'));
    }
    const { registry } = await opened();
    assert.equal((await registry.certificate(who.issued.serial))?.state, 'live');
    await request()
      .post('/keyway/device/revoke')
      .send(ask)
      .expect(200)
      .expect(({ body }) => assert.deepEqual([body.serials, body.cut], [[who.issued.serial], 1]));
    const foreign = request().post('/keyway/device/revoke').set('Origin', 'http://elsewhere.example').send(ask);
    await foreign.expect(403);
    await request()
      .post('/keyway/device/revoke')
      .send({ ...ask, mac: 'x' })
      .expect(400);
    assert.equal(bench.caught.messages.length, 0);
  });
});

describe('the crl node', function () {
  this.timeout(20_000);
  const userDir = freshUserDir();
  afterEach(() => root.close());

  it('shows lists, makes new ones, and tells of each', async () => {
    const bench = await Bench.load(
      [
        ...demoAuthority(),
        crlNode({ events: true }),
        crlNode({ id: 'pem', format: 'pem' }),
        crlNode({ id: 'der', format: 'der', operation: 'renew', namespace: '' }),
      ],
      [root.serve],
    );
    const { payload } = await sent(bench, 'crl', { device });
    assert.deepEqual([payload.namespace, payload.entries], [NAMESPACE, 0]);
    assert.equal(Date.parse(payload.nextUpdate) - Date.parse(payload.thisUpdate), 86_400_000);
    assert.match((await sent(bench, 'pem', { device })).payload, /^-----BEGIN X509 CRL-----/);
    const renewed = await sent(bench, 'der', {});
    assert.equal(parseCrl(renewed.payload as Buffer).number, payload.number + 1);
    await bench.out.next((msg) => msg.topic === 'crl/issued' && msg.payload.cause === 'asked');
    const who = await holder();
    await (await opened()).authority.revokeDevice(NAMESPACE, PLAIN);
    const event = await bench.out.next((msg) => msg.topic === 'crl/issued' && msg.payload.cause === 'revocation');
    assert.deepEqual([event.payload.entries, event.payload.namespace], [1, NAMESPACE]);
    assert.deepEqual(serialsIn(await served(NAMESPACE)), [who.issued.serial]);
    assert.equal(await bench.failure('crl', { device: { namespace: 'nowhere' } }), 'CRL_UNKNOWN');
    assert.equal(await bench.failure('crl', { device: { namespace: 'no where!' } }), 'BAD_NAMESPACE');
  });

  it('has the root sign its list anew', async () => {
    const bench = await Bench.load([...demoAuthority(), crlNode({ operation: 'root' })], [root.serve]);
    const first = await sent(bench, 'crl', {});
    const second = await sent(bench, 'crl', {});
    assert.deepEqual([first.topic, first.payload.namespace], ['crl/root', 'keyway/root']);
    assert.equal(second.payload.number, first.payload.number + 1);
    assert.equal(parseCrl((await root.ask('/keyway/root.crl')).body).number, second.payload.number);
  });

  it('serves the lists where certificates say, with an ETag, and to no foreign Host', async () => {
    const bench = await Bench.load(
      [...demoAuthority({ crlBaseUrl: 'http://127.0.0.1:1880/keyway' }), crlNode()],
      [root.serve],
    );
    const who = await holder();
    const raw = Buffer.from(new X509Certificate(who.issued.pem).raw).toString('latin1');
    assert.ok(raw.includes(`http://127.0.0.1:1880/keyway/crl/${NAMESPACE}.crl`));
    // The node makes the lists from the deploy on.
    await bench.status('crl', ({ fill }) => fill === 'green');
    const path = `/keyway/crl/${NAMESPACE}.crl`;
    const { status, headers } = await root.ask(path);
    assert.deepEqual([status, headers['content-type']], [200, 'application/pkix-crl']);
    const again = { headers: { 'If-None-Match': String(headers.etag) } };
    for (const [asked, options, expected] of [
      [path, again, 304],
      [path, { method: 'HEAD' }, 200],
      ['/keyway/root.crl', {}, 200],
      ['/keyway/services.crl', {}, 200],
      ['/keyway/crl/nowhere.crl', {}, 404],
      ['/keyway/other', {}, 404],
      [path, { method: 'POST' }, 405],
      [path, { headers: { Host: 'rebound.example' } }, 403],
    ] as const) {
      assert.equal((await root.ask(asked, options)).status, expected, `${asked} ${JSON.stringify(options)}`);
    }
  });

  it('serves the list of the root with two authorities of one registry, and not with two of different ones', async () => {
    const second = { name: 'line-2', broker: '', validityDays: '', rotateHour: '', graceDays: '' };
    const [registry, authority] = demoAuthority() as [FlowNode, FlowNode];
    const same = { ...authority, id: 'authority-2', namespaces: [second] };
    const lists = [crlNode(), crlNode({ id: 'crl-2', authority: 'authority-2' })];
    const both = await Bench.load([registry, authority, same, ...lists], [root.serve]);
    for (const id of ['crl', 'crl-2']) await both.status(id, ({ fill }) => fill === 'green');
    for (const path of ['root', 'services', `crl/${NAMESPACE}`, 'crl/line-2']) {
      assert.equal((await root.ask(`/keyway/${path}.crl`)).status, 200, path);
    }
    await root.close();
    await unload();
    const elsewhere = { ...registry, id: 'registry-2', file: 'other.sqlite' };
    const apart = { ...same, registry: 'registry-2' };
    const two = await Bench.load([registry, elsewhere, authority, apart, ...lists], [root.serve]);
    for (const id of ['crl', 'crl-2']) await two.status(id, ({ fill }) => fill === 'green');
    for (const [path, status] of Object.entries({ root: 404, services: 404, [`crl/${NAMESPACE}`]: 200 })) {
      assert.equal((await root.ask(`/keyway/${path}.crl`)).status, status, path);
    }
  });

  it('keeps a file current, is red while it cannot be written, and recovers', async () => {
    const folder = join(userDir(), 'broker');
    await mkdir(folder);
    const file = join(folder, 'crl.pem');
    const bench = await Bench.load([
      ...demoAuthority(),
      crlNode({ operation: 'file', file, events: true, namespace: '' }),
      crlNode({ id: 'blank', operation: 'file' }),
    ]);
    const { payload } = await sent(bench, 'crl', {});
    assert.deepEqual([payload.file, payload.namespaces], [file, [NAMESPACE]]);
    assert.equal((await readFile(file, 'utf8')).match(/BEGIN X509 CRL/g)?.length, 3);
    const who = await holder();
    const { authority } = await opened();
    await rename(folder, `${folder}-away`);
    await authority.revokeDevice(NAMESPACE, PLAIN);
    await bench.status(
      'crl',
      ({ fill, text }) => fill === 'red' && 'CRL_FILE_NOT_WRITABLE'.startsWith(text.replace('…', '')),
    );
    const failed = await bench.out.next((msg) => msg.topic === 'crl/failed');
    assert.equal(failed.payload.code, 'CRL_FILE_NOT_WRITABLE');
    await rename(`${folder}-away`, folder);
    await holder();
    const before = bench.out.messages.length;
    await authority.revokeDevice(NAMESPACE, PLAIN);
    await bench.out.next((msg) => bench.out.messages.indexOf(msg) >= before && msg.topic === 'crl/written');
    const [own = ''] =
      (await readFile(file, 'utf8')).match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/) ?? [];
    const der = Buffer.from(own.split('\n').slice(1, -1).join(''), 'base64');
    assert.ok(serialsIn(der).includes(who.issued.serial));
    assert.equal(bench.lastStatus('crl')?.fill, 'green');
    assert.equal(await bench.failure('blank', {}), 'BAD_FIELD');
  });
});
