import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
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

  it('takes every setting of a namespace from its row, down to ten seconds', async () => {
    const full = {
      ...{ broker: BROKER, validity: '90', validityUnit: 'minutes', rotateBy: 'fraction', rotateFraction: '0.5' },
      ...{ rotateHour: '3', graceDays: '2', graceHours: '5', rekey: 'allowed', keys: 'P-256 or RSA' },
      ...{ names: 'dns:{broker}, uri:urn:dev:{serial} dns:{mac}.devices.example', crlBaseUrl: 'https://lists.example' },
    };
    const rows = [
      row('line-1', full),
      row('short', { validity: '10', validityUnit: 'seconds' }),
      row('window', { validity: '1.5', rotateWindow: '12' }),
      row('old', { validityDays: '2', validityUnit: 'seconds' }),
    ];
    const bench = await Bench.load([...demoAuthority({ namespaces: rows }), mint]);
    bench.send('mint', { device: { ...device, serial: 'SN-7' } });
    const { identity } = await bench.out.next();
    const certificate = new X509Certificate(identity.certificate);
    assert.equal(certificate.subjectAltName, `DNS:${BROKER}, URI:urn:dev:SN-7, DNS:${PLAIN}.devices.example`);
    assert.deepEqual(parseCertificate(identity.certificate).crlUrls, ['https://lists.example/crl/line-1.crl']);
    const { authority, registry } = await authorityById('authority').open();
    const { settings = {} } = (await registry.namespace('line-1')) ?? {};
    assert.deepEqual(settings, {
      ...{ brokerHost: BROKER, validityHours: 1.5, rotation: { fraction: 0.5 }, graceAwaitingSetupHours: 48 },
      ...{ graceHours: 5, rekey: 'allowed', keys: 'P-256 or RSA', crlBaseUrl: 'https://lists.example' },
      alternativeNames: ['dns:{broker}', 'uri:urn:dev:{serial}', 'dns:{mac}.devices.example'],
    });
    const of = async (name: string) => await authority.settings(name);
    assert.equal((await of('short')).validityHours * 3600, 10);
    const window = await of('window');
    assert.deepEqual([window.validityHours, window.rotation], [36, { windowHours: 12, atHour: 9 }]);
    assert.equal((await of('old')).validityHours, 48);
  });

  it('says which field of a row is wrong', async () => {
    const wrong: Record<string, [Record<string, string>, string]> = {
      nine: [{ validity: '9', validityUnit: 'seconds' }, 'BAD_SETTINGS'],
      weeks: [{ validity: '2', validityUnit: 'weeks' }, 'BAD_FIELD'],
      part: [{ rotateBy: 'fraction', rotateFraction: '0.99' }, 'BAD_SETTINGS'],
      hour: [{ rotateWindow: '12', rotateHour: '13' }, 'BAD_SETTINGS'],
      names: [{ names: 'mail:{mac}' }, 'BAD_SETTINGS'],
      place: [{ names: 'dns:{password}' }, 'BAD_SETTINGS'],
      rekey: [{ rekey: 'never' }, 'BAD_SETTINGS'],
      keys: [{ keys: 'Ed25519' }, 'BAD_SETTINGS'],
      crl: [{ crlBaseUrl: 'ftp://lists.example' }, 'BAD_SETTINGS'],
      grace: [{ graceHours: '-1' }, 'BAD_FIELD'],
    };
    const namespaces = Object.entries(wrong).map(([name, [fields]]) => row(name, fields));
    const bench = await Bench.load([...demoAuthority({ namespaces }), mint]);
    for (const [namespace, [, code]] of Object.entries(wrong)) {
      assert.equal(await bench.failure('mint', { device: { ...device, namespace } }), code, namespace);
    }
  });

  describe('and the key of its root', () => {
    const passphrase = 'correct horse battery';
    const file = (): string => `${userDir()}/keyway/root-key.pem`;
    const flow = (...names: string[]): FlowNode[] => [
      ...demoAuthority({ namespaces: names.map((name) => row(name)) }, { demo: false }),
      mint,
    ];
    const root = async (): Promise<Msg> => (await admin('root-key').send({ authority: 'authority' }).expect(200)).body;

    beforeEach(async () => {
      await makeKeyFile(`${userDir()}/keyway/keystore.key`);
    });

    it('goes into a file behind its passphrase, and comes back', async () => {
      const bench = await Bench.load(flow(NAMESPACE), [], { authority: { passphrase } });
      assert.equal((await root()).rootKey, true);
      const wrong = await admin('root-key/take-out').send({ passphrase: 'another passphrase' }).expect(400);
      assert.deepEqual([wrong.body.code, existsSync(file())], ['BAD_PASSPHRASE', false]);
      assert.equal((await admin('root-key/put-back').send({ passphrase }).expect(400)).body.code, 'FILE_UNREADABLE');
      const { body } = await admin('root-key/take-out').send({ passphrase }).expect(200);
      assert.deepEqual([body.path, statSync(file()).mode & 0o777], [file(), 0o600]);
      const pem = readFileSync(file(), 'utf8');
      assert.match(pem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
      const key = createPrivateKey({ key: pem, passphrase });
      assert.equal((await root()).rootKey, false);
      // It issues on; what needs the root says where it is.
      bench.send('mint', { device });
      const { identity } = await bench.out.next();
      const [, ca = ''] = String(identity.ca).split(/(?<=END CERTIFICATE-----\n)/);
      assert.ok(new X509Certificate(ca).checkPrivateKey(key));
      assert.equal((await admin('root-key/take-out').send({ passphrase }).expect(400)).body.code, 'ROOT_OUT');
      await unload();
      const two = await Bench.load(flow(NAMESPACE, 'line-2'), [], { authority: { passphrase } });
      assert.equal(await two.failure('mint', { device: { ...device, namespace: 'line-2' } }), 'ROOT_OUT');
      const typo = await admin('root-key/put-back').send({ passphrase: 'correct horse batterie' }).expect(400);
      assert.equal(typo.body.code, 'BAD_PASSPHRASE');
      await admin('root-key/put-back').send({ passphrase }).expect(200);
      assert.equal((await root()).rootKey, true);
      const log = await (await deployedRegistry()).auditLog();
      const actions = log.items.map(({ action }) => action);
      assert.ok(actions.includes('authority.root-out') && actions.includes('authority.root-back'), actions.join());
      assert.equal(JSON.stringify([log, body, wrong.body, typo.body]).includes('horse'), false);
      await unload();
      const again = await Bench.load(flow(NAMESPACE, 'line-2'), [], { authority: { passphrase } });
      again.send('mint', { device: { ...device, namespace: 'line-2', mac: '60:55:f9:0a:b1:c3' } });
      await again.out.next();
    });

    it('stays where the file cannot be written, and none but its own is taken back', async () => {
      await Bench.load(flow(NAMESPACE), [], { authority: { passphrase } });
      writeFileSync(file(), 'something else');
      assert.equal((await admin('root-key/take-out').send({ passphrase }).expect(400)).body.code, 'KEYSTORE_FILE');
      assert.equal((await root()).rootKey, true);
      assert.equal(readFileSync(file(), 'utf8'), 'something else');
      assert.equal((await admin('root-key/put-back').send({ passphrase }).expect(400)).body.code, 'FILE_UNREADABLE');
      writeFileSync(file(), 'x'.repeat(40_000));
      assert.equal((await admin('root-key/put-back').send({ passphrase }).expect(400)).body.code, 'FILE_UNREADABLE');
      const elsewhere = `${userDir()}/stick/root.pem`;
      await admin('root-key/take-out').send({ passphrase, file: elsewhere }).expect(200);
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      writeFileSync(
        file(),
        privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }) as string,
      );
      const foreign = (await admin('root-key/put-back').send({ passphrase }).expect(400)).body.code;
      assert.ok(['BAD_IMPORT', 'BAD_PASSPHRASE'].includes(foreign), foreign);
      await admin('root-key/put-back').send({ passphrase, file: elsewhere }).expect(200);
      for (const path of ['root-key', 'root-key/take-out', 'root-key/put-back', 'tokens']) {
        const { body } = await admin(path).set('Origin', 'http://evil.example').send({ passphrase }).expect(403);
        assert.equal(body.code, 'FOREIGN_ORIGIN');
      }
    });
  });

  it('lists tokens of a namespace, never what they are', async () => {
    await Bench.load(demoAuthority({ namespaces: [row(NAMESPACE), row('line-2')] }));
    const make = async (body: Msg): Promise<Msg> =>
      (
        await admin('token')
          .send({ namespace: NAMESPACE, ...body })
          .expect(200)
      ).body;
    const [first, second] = [await make({ days: 1 }), await make({ scopes: ['mint', 'replace'] })];
    await make({ namespace: 'line-2' });
    await admin('token/revoke').send({ id: first.id }).expect(200);
    const { body } = await admin('tokens').send({ namespace: NAMESPACE }).expect(200);
    const listed = body.tokens as Msg[];
    assert.deepEqual(new Set(listed.map(({ id }) => id)), new Set([first.id, second.id]));
    const one = listed.find(({ id }) => id === second.id);
    assert.deepEqual([one?.scopes, one?.expiresAt, one?.revokedAt], [['mint', 'replace'], null, null]);
    assert.equal(typeof listed.find(({ id }) => id === first.id)?.revokedAt, 'string');
    for (const token of [first.token, second.token]) assert.equal(JSON.stringify(body).includes(token), false);
    assert.equal((await admin('tokens').send({ namespace: 'line-3' })).body.code, 'AUTHORITY_NOT_SET');
    assert.equal((await admin('tokens').send({})).body.code, 'BAD_FIELD');
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
