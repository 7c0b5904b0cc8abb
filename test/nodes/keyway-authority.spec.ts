import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createCsr, parseCertificate, webPki } from '../../lib/pki/index.ts';
import { makeKeyFile } from '../../lib/vault/index.ts';
import { authorityById } from '../../nodes/shared/authority.ts';
import type { Red } from '../../nodes/shared/types.ts';
import { Bench, type FlowNode, type Msg, request, unload } from './harness.ts';
import { BROKER, demoAuthority, deployedRegistry, freshUserDir, NAMESPACE } from './identity-bench.ts';

const MAC = '60:55:f9:0a:b1:c2';
const PLAIN = '6055f90ab1c2';
const device = { namespace: NAMESPACE, mac: MAC };
const mint: FlowNode = { id: 'mint', type: 'keyway-mint', authority: 'authority', wires: [['out']] };
const row = (name: string, more: Record<string, string> = {}): Record<string, string> => ({
  ...{ name, broker: '', validityDays: '', rotateHour: '', graceDays: '' },
  ...more,
});
const admin = (path: string) => request().post(`/keyway/authority/${path}`).set('Host', 'localhost');

describe('keyway-authority', () => {
  const userDir = freshUserDir();

  it('makes a root and a namespace with the settings of its row', async () => {
    const rows = [
      row('line-1', { broker: '10.0.0.7', validityDays: '0.5', rotateHour: '6', graceDays: '3' }),
      row('line-2'),
    ];
    const bench = await Bench.load([
      ...demoAuthority({ namespaces: rows, crlBaseUrl: 'http://crl.example.com/', organisation: 'Example' }),
      mint,
    ]);
    bench.send('mint', { device });
    bench.send('mint', { device: { ...device, namespace: 'line-2' } });
    const [first, second] = await bench.out.many(2);
    const certificate = new X509Certificate(first?.identity.certificate);
    assert.equal(certificate.subjectAltName, 'IP Address:10.0.0.7');
    assert.match(certificate.issuer, /O=Example/);
    assert.deepEqual(parseCertificate(first?.identity.certificate).crlUrls, ['http://crl.example.com/crl/line-1.crl']);
    const hours = (msg: Msg | undefined): number =>
      (Date.parse(msg?.identity.notAfter) - Date.parse(msg?.identity.notBefore) - 300_000) / 3_600_000;
    assert.deepEqual([hours(first), hours(second)], [12, 168]);
    const { settings } = (await (await deployedRegistry()).namespace('line-1')) ?? {};
    assert.deepEqual(settings, {
      brokerHost: '10.0.0.7',
      validityHours: 12,
      rotation: { windowHours: 24, atHour: 6 },
      graceAwaitingSetupHours: 72,
    });
    // Different namespaces, different intermediates, one root.
    const [a, b] = [first, second].map((msg) => String(msg?.identity.ca).split(/(?<=END CERTIFICATE-----\n)/));
    assert.notEqual(a?.[0], b?.[0]);
    assert.equal(a?.[1], b?.[1]);
  });

  it('changes settings of a namespace that is there, and leaves what a row does not say', async () => {
    const flow = (broker: string): FlowNode[] => [...demoAuthority({ namespaces: [row(NAMESPACE, { broker })] }), mint];
    const first = await Bench.load(flow(BROKER));
    first.send('mint', { device });
    const { identity } = await first.out.next();
    const registry = await deployedRegistry();
    const { settings = {} } = (await registry.namespace(NAMESPACE)) ?? {};
    await registry.putNamespace({ name: NAMESPACE, settings: { ...settings, rekey: 'allowed' } });
    await unload();
    const again = await Bench.load(flow('other.example.com'));
    again.send('mint', { device: { ...device, mac: '60:55:f9:0a:b1:c3' } });
    const next = await again.out.next();
    assert.equal(new X509Certificate(next.identity.certificate).subjectAltName, 'DNS:other.example.com');
    assert.equal(next.identity.ca, identity.ca);
    assert.deepEqual((await (await deployedRegistry()).namespace(NAMESPACE))?.settings, {
      brokerHost: 'other.example.com',
      rekey: 'allowed',
    });
  });

  it('lets one wrong row keep no other from working, and says which', async () => {
    const rows = [row('good'), row('line 2'), row('short', { validityDays: '0' }), row('text', { graceDays: 'ten' })];
    const bench = await Bench.load([...demoAuthority({ namespaces: rows }), mint]);
    bench.send('mint', { device: { ...device, namespace: 'good' } });
    await bench.out.next();
    assert.equal(await bench.failure('mint', { device: { ...device, namespace: 'short' } }), 'BAD_SETTINGS');
    assert.equal(await bench.failure('mint', { device: { ...device, namespace: 'text' } }), 'BAD_FIELD');
    assert.equal(await bench.failure('mint', { device: { ...device, namespace: 'line 2' } }), 'BAD_NAMESPACE');
  });

  it('settles what a Node-RED that ended left behind: keys that are gone, and chips half written', async () => {
    const csr: FlowNode = { ...mint, id: 'csr', operation: 'csr' };
    const flow = [...demoAuthority(), mint, csr];
    const first = await Bench.load(flow);
    const ask = async (mac: string): Promise<Msg> => {
      const { pem } = await createCsr(webPki, 'x');
      const before = first.out.messages.length;
      first.send('csr', { device: { ...device, mac }, payload: pem });
      return (await first.out.many(before + 1))[before] as Msg;
    };
    const lost = await ask(MAC);
    const elsewhere = await ask('60:55:f9:0a:b1:c3');
    first.send('mint', { device: { ...device, mac: '60:55:f9:0a:b1:c4' } });
    const here = (await first.out.many(3))[2] as Msg;
    const before = await deployedRegistry();
    // As if its key had been in the vault of another process.
    await before.audit({ action: 'identity.minted', namespace: NAMESPACE, subject: lost.identity.serial });
    await before.setState(lost.device.id, 'flashing');
    await unload();
    await Bench.load(flow);
    const { registry } = await authorityById('authority').open();
    const states = [lost, elsewhere, here].map(
      async ({ identity }) => (await registry.certificate(identity.serial))?.state,
    );
    assert.deepEqual(await Promise.all(states), ['revoked', 'pending', 'pending']);
    const known = await registry.device(lost.device.id);
    assert.deepEqual([known?.state, known?.reason], ['registered', 'Node-RED ended while it was flashed']);
  });

  it('needs a passphrase for a root that is for real use', async () => {
    await makeKeyFile(`${userDir()}/keyway/keystore.key`);
    const flow = [...demoAuthority({}, { demo: false }), mint];
    const without = await Bench.load(flow);
    assert.equal(await without.failure('mint', { device }), 'ROOT_PASSPHRASE');
    await unload();
    const short = await Bench.load(flow, [], { authority: { passphrase: 'short' } });
    assert.equal(await short.failure('mint', { device }), 'BAD_PASSPHRASE');
    await unload();
    const bench = await Bench.load(flow, [], { authority: { passphrase: 'correct horse battery' } });
    bench.send('mint', { device });
    const { identity } = await bench.out.next();
    const [, root = ''] = (identity.ca as string).split(/(?<=END CERTIFICATE-----\n)/);
    assert.ok(Date.parse(new X509Certificate(root).validTo) - Date.now() > 19 * 365 * 86_400_000);
    await unload();
    // For issuing it is not needed; for another namespace it is.
    const two = [...demoAuthority({ namespaces: [row(NAMESPACE), row('line-2')] }, { demo: false }), mint];
    const later = await Bench.load(two);
    later.send('mint', { device: { ...device, mac: '60:55:f9:0a:b1:c3' } });
    await later.out.next();
    assert.equal(await later.failure('mint', { device: { ...device, namespace: 'line-2' } }), 'BAD_PASSPHRASE');
  });

  describe('as an enrolment service', () => {
    let server: Server | undefined;
    let base = '';
    const serve = (RED: Red): void => {
      server = createServer(RED.httpNode as unknown as RequestListener);
    };

    async function start(authority: Record<string, unknown> = {}): Promise<Bench> {
      const bench = await Bench.load([...demoAuthority({ enrolment: true, ...authority }), mint], [serve]);
      const listening = server as Server | undefined;
      assert.ok(listening);
      await new Promise<void>((done) => listening.listen(0, '127.0.0.1', done));
      base = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
      return bench;
    }

    afterEach(async () => {
      const open = server;
      server = undefined;
      open?.closeAllConnections();
      if (open?.listening) await new Promise((done) => open.close(done));
    });

    const place = (mac = MAC, namespace = NAMESPACE): string =>
      `/api/v1/namespaces/${namespace}/devices/${mac}/certificate`;

    function enrol(
      path: string,
      secret: string,
      body: unknown,
      headers: Record<string, string> = {},
    ): Promise<Response> {
      return fetch(`${base}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}`, ...headers },
        body: JSON.stringify(body),
      });
    }

    it('gives a certificate for a ticket, once, and hears that the device holds it', async () => {
      await start();
      const { body } = await admin('ticket').send(device).expect(200);
      const { pem } = await createCsr(webPki, 'x');
      const answer = await enrol(place('6055-f90a'), body.ticket, { csr: pem });
      assert.equal(answer.status, 400);
      const got = await enrol(place(), body.ticket, { csr: pem });
      assert.equal(got.status, 201);
      const issued = (await got.json()) as Msg;
      assert.equal(new X509Certificate(issued.certificate).subject, `CN=${NAMESPACE}:${PLAIN}`);
      assert.equal((await enrol(place(), body.ticket, { csr: pem })).status, 401);
      const registry = await deployedRegistry();
      assert.equal((await registry.device({ namespace: NAMESPACE, mac: PLAIN }))?.state, 'registered');
      assert.equal((await enrol(`${place()}/${issued.serial}/live`, issued.confirm, {})).status, 204);
      assert.equal((await registry.certificate(issued.serial))?.state, 'live');
      assert.equal((await registry.device({ namespace: NAMESPACE, mac: PLAIN }))?.state, 'awaiting-setup');
      // It holds a live one now: a ticket must say that replacing it is meant.
      const plain = (await admin('ticket').send(device)).body.ticket;
      assert.equal((await enrol(place(), plain, { csr: pem })).status, 409);
      const replacing = (await admin('ticket').send({ ...device, replace: true })).body.ticket;
      assert.equal((await enrol(place(), replacing, { csr: pem, replace: true })).status, 201);
    });

    it('mints for a namespace token until it is revoked', async () => {
      await start();
      const { body } = await admin('token').send({ namespace: NAMESPACE, days: 1 }).expect(200);
      const { pem } = await createCsr(webPki, 'x');
      assert.equal((await enrol(place(), body.token, { csr: pem })).status, 201);
      assert.equal((await enrol(place(MAC, 'line-2'), body.token, { csr: pem })).status, 404);
      await admin('token/revoke').send({ id: body.id }).expect(200);
      assert.equal((await enrol(place('60:55:f9:0a:b1:c3'), body.token, { csr: pem })).status, 401);
    });

    it('adds no device where it may not, and serves no retired one', async () => {
      await start({ enrolmentRegisters: false });
      const { pem } = await createCsr(webPki, 'x');
      const ticket = async (): Promise<string> => (await admin('ticket').send(device)).body.ticket;
      assert.equal((await enrol(place(), await ticket(), { csr: pem })).status, 404);
      const registry = await deployedRegistry();
      const { id } = await registry.addDevice({ namespace: NAMESPACE, mac: PLAIN });
      assert.equal((await enrol(place(), await ticket(), { csr: pem })).status, 201);
      await registry.setState(id, 'retired');
      assert.equal((await enrol(place(), await ticket(), { csr: pem })).status, 404);
    });

    it('refuses foreign sites, bodies without end, and everything when it is switched off', async () => {
      await start();
      const { pem } = await createCsr(webPki, 'x');
      const foreign = await enrol(place(), 'kwt_x', { csr: pem }, { origin: 'http://evil.example' });
      assert.deepEqual([foreign.status, ((await foreign.json()) as Msg).code], [403, 'FOREIGN_ORIGIN']);
      const large = await enrol(place(), 'kwt_x', { csr: 'A'.repeat(10 << 20) }).then(
        ({ status }) => status,
        () => 'cut',
      );
      assert.ok([413, 'cut'].includes(large), `${large}`);
      const chunks = new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(20_000)),
      });
      const endless = await fetch(`${base}${place()}`, {
        method: 'POST',
        body: chunks,
        duplex: 'half',
      } as RequestInit).then(
        ({ status }) => status,
        () => 'cut',
      );
      assert.ok([413, 'cut'].includes(endless), `${endless}`);
      assert.equal((await fetch(`${base}${place()}`)).status, 405);
      assert.equal((await fetch(`${base}/api/v1/namespaces/%E0%A4%A/devices/x/certificate`)).status, 404);
    });

    it('answers nobody while it is switched off', async () => {
      await start({ enrolment: false });
      assert.equal((await enrol(place(), 'kwt_x', {})).status, 404);
    });

    it('hands out tickets to no other site, and none for what does not exist', async () => {
      await start();
      const foreign = await admin('ticket').set('Origin', 'http://evil.example').send(device).expect(403);
      assert.equal(foreign.body.code, 'FOREIGN_ORIGIN');
      const cases: [Msg, string][] = [
        [{}, 'BAD_FIELD'],
        [{ ...device, namespace: 'line-2' }, 'AUTHORITY_NOT_SET'],
        [{ ...device, namespace: 'line-2', authority: 'authority' }, 'NAMESPACE_UNKNOWN'],
        [{ ...device, mac: 'zz' }, 'BAD_MAC'],
        [{ ...device, authority: 'nobody' }, 'AUTHORITY_NOT_SET'],
      ];
      for (const [body, code] of cases) assert.equal((await admin('ticket').send(body)).body.code, code);
      assert.equal((await admin('token').send({ namespace: NAMESPACE, days: -1 })).body.code, 'BAD_FIELD');
      assert.equal(
        (await admin('token').send({ namespace: NAMESPACE, scopes: ['all'] })).body.code,
        'ENROL_BAD_REQUEST',
      );
      assert.equal((await admin('token/revoke').send({ id: 'nobody' })).body.code, 'TOKEN_UNKNOWN');
    });
  });
});
