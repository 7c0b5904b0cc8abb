import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpsRequest, type Server } from 'node:https';
import { type AddressInfo, connect as connectPlain, createServer as createPlain } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { certsOnly } from '../../../lib/pki/est/pkcs7.ts';
import {
  createEstClient,
  createTicket,
  EST_BODY_MOST,
  type EstClientOptions,
  type EstEvent,
  type EstListener,
  type EstListenOptions,
  type Issued,
  listenEst,
} from '../../../lib/pki/node.ts';
import { MAC, NAMESPACE, PLAIN_MAC } from './support.ts';
import { HOUR, type Holder, requestFor, type TrustWorld, trustWorld } from './trust-support.ts';

const NAME = `${NAMESPACE}:${PLAIN_MAC}`;

describe('est: over TLS', function () {
  this.timeout(20_000);
  let here: TrustWorld;
  let holder: Holder;
  let events: EstEvent[] = [];
  const open: (() => unknown)[] = [];
  beforeEach(async () => {
    events = [];
    // TLS has its own clock, which no test can move.
    here = await trustWorld({ now: Date.now() });
    holder = await here.holder();
  });
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one();
    await here?.close();
  });

  const listening = async (more: Partial<EstListenOptions> = {}): Promise<EstListener> => {
    const { judge, authority, registry: store, clock } = here;
    const options = { judge, authority, store, clock: () => clock.now, port: 0 };
    const listener = await listenEst({ ...options, onEvent: (event) => events.push(event), ...more });
    open.push(() => listener.close());
    return listener;
  };
  const clientOf = (url: string, more: Partial<EstClientOptions> = {}) =>
    createEstClient({ url, label: NAMESPACE, trust: holder.issued.authorities, clock: () => here.clock.now, ...more });
  const identity = ({ issued, pem }: Holder) => ({ certificate: issued.chain, key: pem });

  it('a device enrols, renews, and renews again with what it got', async () => {
    const { url } = await listening();
    const client = clientOf(url);
    const mac = '246f28aabb10';
    await here.registry.addDevice({ namespace: NAMESPACE, mac });
    const { ticket } = await createTicket(here.registry, { namespace: NAMESPACE, mac }, here.clock.now);
    const first = await requestFor('x');
    const enrolled = await client.enroll(first.csr, { user: mac, ticket: Buffer.from(ticket) });
    assert.equal(enrolled.chain.match(/BEGIN CERTIFICATE/g)?.length, 2, 'what a TLS peer sends: with the intermediate');
    const second = await requestFor(`${NAMESPACE}:${mac}`);
    const renewed = await client.reenroll(second.csr, { certificate: enrolled.chain, key: first.pem });
    const third = await requestFor(`${NAMESPACE}:${mac}`);
    const again = await client.reenroll(third.csr, { certificate: renewed.chain, key: second.pem });
    assert.notEqual(again.serial, renewed.serial);
    assert.deepEqual(
      events.map(({ topic }) => topic),
      ['est.enrolled', 'est.reenrolled', 'est.reenrolled'],
    );
    await assert.rejects(client.reenroll(third.csr, { certificate: enrolled.chain, key: first.pem }), {
      code: 'EST_REFUSED',
    });
    assert.equal(events.at(-1)?.code, 'CERT_SUPERSEDED');
  });

  it('a client that knows the root alone asks for the authorities between', async () => {
    const { url } = await listening();
    const root = (holder.issued.authorities.match(/-----BEGIN[\s\S]*?END CERTIFICATE-----\n/g) ?? []).at(-1) ?? '';
    const client = clientOf(url, { trust: root });
    assert.equal(await client.cacerts(), holder.issued.authorities);
    assert.equal((await client.csrattrs()).length, 3);
    const { csr } = await requestFor(NAME);
    const { chain } = await client.reenroll(csr, identity(holder));
    assert.equal(chain.match(/BEGIN CERTIFICATE/g)?.length, 2);
  });

  it('an expired certificate and a foreign one, which TLS tells the same of, are told apart', async () => {
    const elsewhere = await trustWorld({ now: here.clock.now });
    open.push(() => elsewhere.close());
    await here.authority.changeSettings(NAMESPACE, { validityHours: 10 / 3600 });
    const short = await here.holder('246f28aabb10');
    const stranger = await elsewhere.holder();
    const { url } = await listening();
    const client = clientOf(url);
    const { csr } = await requestFor(NAME);
    await here.registry.setState(short.id, 'online');
    here.clock.now += 60_000;
    for (const [who, code] of [
      [short, 'CERT_EXPIRED'],
      [stranger, 'CERT_FORGED'],
    ] as const) {
      await assert.rejects(client.reenroll(csr, identity(who)), { code: 'EST_REFUSED', detail: { status: 403 } });
      assert.equal(events.at(-1)?.code, code);
    }
    await client.reenroll(csr, identity(holder));
  });

  it('a session that is resumed is judged anew: after expiry and after revocation nobody gets in', async () => {
    const { port } = await listening();
    const body = Buffer.from((await requestFor(NAME)).csr).toString('base64');
    let session: Buffer | undefined;
    /** @returns the status, and whether the session was resumed */
    const ask = async (): Promise<{ status: number; resumed: boolean }> => {
      const request = httpsRequest({
        ...{ host: '127.0.0.1', port, method: 'POST', path: `/.well-known/est/${NAMESPACE}/simplereenroll` },
        ...{ ca: holder.issued.authorities, key: holder.pem, cert: holder.issued.chain, agent: false },
        ...(session === undefined ? {} : { session }),
        headers: { 'Content-Type': 'application/pkcs10', 'Content-Length': body.length },
      });
      request.on('socket', (socket) => (socket as TLSSocket).on('session', (one) => (session = one)));
      request.end(body);
      const [response] = await once(request, 'response');
      const resumed = (response.socket as TLSSocket).isSessionReused();
      response.resume();
      await once(response, 'end');
      return { status: response.statusCode, resumed };
    };
    assert.deepEqual(await ask(), { status: 200, resumed: false });
    assert.deepEqual(await ask(), { status: 200, resumed: true });
    here.clock.now += 7 * 24 * HOUR;
    await here.registry.setState(holder.id, 'online');
    assert.deepEqual(await ask(), { status: 403, resumed: true });
    assert.equal(events.at(-1)?.code, 'CERT_EXPIRED');
    here.clock.now -= 7 * 24 * HOUR;
    await here.registry.acceptClock();
    assert.deepEqual(await ask(), { status: 200, resumed: true });
    await here.authority.revokeDevice(NAMESPACE, MAC, 1);
    assert.deepEqual(await ask(), { status: 403, resumed: true });
    assert.equal(events.at(-1)?.code, 'CERT_REVOKED');
  });

  it('speaks TLS 1.2 to who has nothing newer, and asks everybody for a certificate', async () => {
    const { port } = await listening();
    const { authorities: ca } = holder.issued;
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = connect({ host: '127.0.0.1', port, ca, maxVersion });
      await once(socket, 'secureConnect');
      assert.equal(socket.getProtocol(), maxVersion);
      socket.destroy();
    }
    const old = connect({
      host: '127.0.0.1',
      port,
      ca,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL@SECLEVEL=0',
    });
    await assert.rejects(once(old, 'secureConnect'));
  });

  it('handshakes that fail are in the audit log, and however many there are cannot fill it', async () => {
    const { port, close } = await listening({ handshakeTimeout: 100 });
    const said = async (): Promise<unknown[]> =>
      (await here.audited('est.refused')).map(({ outcome, actor, source, subject, detail }) => [
        ...[outcome, actor, source, subject, detail.code, detail.repeated],
      ]);
    const refused = async (send: string): Promise<void> => {
      const socket = connectPlain(port, '127.0.0.1');
      open.push(() => socket.destroy());
      socket.on('error', () => undefined).resume();
      socket.write(send);
      await once(socket, 'close');
    };
    for (let i = 0; i < 20; i++) await refused('GET / HTTP/1.1\r\n\r\n');
    const entry = (code: string, repeated?: number) => ['denied', 'keyway-est', '127.0.0.1', null, code, repeated];
    assert.deepEqual(await said(), [entry('EST_HANDSHAKE')]);
    assert.equal(events.filter(({ code }) => code === 'EST_HANDSHAKE').length, 20);
    await refused('\x16');
    assert.deepEqual((await said())[0], entry('EST_HANDSHAKE_TIMEOUT'));
    here.clock.now += 60_000;
    await refused('GET / HTTP/1.1\r\n\r\n');
    assert.deepEqual((await said())[0], entry('EST_HANDSHAKE', 19));
    await close();
    assert.equal((await said()).length, 3);
  });

  it('closes at once, also while a handshake is under way, and tells nothing of that', async () => {
    const { port, close } = await listening({ handshakeTimeout: 120_000 });
    const mute = connectPlain(port, '127.0.0.1');
    open.push(() => mute.destroy());
    mute.on('error', () => undefined).resume();
    await once(mute, 'connect');
    const reached = await clientOf(`https://127.0.0.1:${port}`).cacerts();
    assert.ok(reached.length > 0, 'by now the server has the one before, too');
    await Promise.all([close(), once(mute, 'close')]);
    assert.deepEqual(events, []);
  });

  it('waits when it closes for what is being written to the audit log', async () => {
    const { judge, authority, registry, clock } = here;
    const written = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    let entries = 0;
    const store = Object.create(registry, {
      audit: {
        value: async () => {
          entries++;
          begun.resolve();
          await written.promise;
        },
      },
    }) as typeof registry;
    const listener = await listening({ judge, authority, store, clock: () => clock.now });
    await assert.rejects(clientOf(listener.url, { label: 'nowhere' }).cacerts(), { code: 'EST_REFUSED' });
    await begun.promise;
    let closed = false;
    const closing = listener.close().then(() => {
      closed = true;
    });
    const other = await listening();
    await other.close();
    assert.deepEqual([entries, closed], [1, false], 'another one is open and closed again meanwhile');
    written.resolve();
    await closing;
  });

  describe('the client trusts no server', () => {
    const posing = async (issued: Issued, key: Buffer): Promise<string> => {
      const server: Server = createServer({ key, cert: issued.chain }, (_, response) => response.end());
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      open.push(() => {
        server.closeAllConnections();
        server.close();
      });
      return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
    const untrusted = (reason: string) => ({ code: 'EST_SERVER_UNTRUSTED', detail: { reason } });

    it('that shows a device’s certificate', async () => {
      await here.authority.changeSettings(NAMESPACE, { alternativeNames: ['ip:127.0.0.1'] });
      const device = await here.holder('246f28aabb10');
      await assert.rejects(clientOf(await posing(device.issued, device.pem)).cacerts(), untrusted('INVALID_PURPOSE'));
    });

    it('that has another name', async () => {
      const { csr, pem } = await requestFor('x');
      const service = await here.authority.issueService({ names: ['elsewhere.example.com'], csr });
      const url = await posing(service, pem);
      await assert.rejects(clientOf(url).cacerts(), untrusted('ERR_TLS_CERT_ALTNAME_INVALID'));
      // The control: with the name that it has, it is the answer that is refused.
      await assert.rejects(clientOf(url, { servername: 'elsewhere.example.com' }).cacerts(), {
        code: 'EST_BAD_ANSWER',
      });
    });

    it('of another authority', async () => {
      const elsewhere = await trustWorld({ now: here.clock.now });
      open.push(() => elsewhere.close());
      const { csr, pem } = await requestFor('x');
      const service = await elsewhere.authority.issueService({ names: ['127.0.0.1'], csr });
      await assert.rejects(clientOf(await posing(service, pem)).cacerts(), { code: 'EST_SERVER_UNTRUSTED' });
    });
  });

  describe('the client takes no answer', () => {
    let answer: { type?: string; body: string | Buffer; status?: number };
    let url = '';
    beforeEach(async () => {
      const { csr, pem } = await requestFor('x');
      const { chain } = await here.authority.issueService({ names: ['127.0.0.1'], csr });
      const server = createServer({ key: pem, cert: chain }, (request, response) => {
        request.resume();
        const { type = 'application/pkcs7-mime', status = 200, body } = answer;
        response.writeHead(status, { 'Content-Type': type }).end(body);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      open.push(() => {
        server.closeAllConnections();
        server.close();
      });
      url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/est`;
    });
    const certs = (...ders: Uint8Array[]): string => `${Buffer.from(certsOnly(ders)).toString('base64')}\n`;
    const refused = async (what: RegExp, csr: Uint8Array): Promise<void> => {
      const ticket = Buffer.from('t');
      await assert.rejects(
        clientOf(url).enroll(csr, { user: MAC, ticket }),
        (error: { code?: string; message: string }) => {
          assert.deepEqual([error.code, what.test(error.message)], ['EST_BAD_ANSWER', true], error.message);
          return true;
        },
      );
    };

    it('for another key, of another authority, for another use or name, or with several certificates', async () => {
      const elsewhere = await trustWorld({ now: here.clock.now });
      open.push(() => elsewhere.close());
      const own = await here.holder('246f28aabb10');
      const stranger = await elsewhere.holder('246f28aabb20');
      const service = await here.authority.issueService({ names: ['127.0.0.1'], csr: own.csr });
      answer = { body: certs(own.issued.der) };
      const taken = await clientOf(url).enroll(own.csr, { user: MAC, ticket: Buffer.from('t') });
      assert.equal(taken.serial, own.issued.serial, 'the control: it takes its own');
      await refused(/no certificate for this key/, holder.csr);
      answer = { body: certs(own.issued.der, own.issued.der) };
      await refused(/several/, own.csr);
      answer = { body: certs(service.der) };
      await refused(/authorit/i, own.csr);
      answer = { body: certs(stranger.issued.der) };
      await refused(/authorit/i, stranger.csr);
      answer = { body: certs(own.issued.der) };
      const reenrolled = clientOf(url).reenroll((await requestFor(NAME, own.key)).csr, identity(holder));
      await assert.rejects(reenrolled, { code: 'EST_BAD_ANSWER' });
      here.clock.now += 30 * 24 * HOUR;
      await refused(/not valid now/, own.csr);
    });

    it('of another type, too long, or that cannot be read', async () => {
      const { csr } = holder;
      answer = { body: certs(holder.issued.der), type: 'text/html' };
      await refused(/text\/html/, csr);
      answer = { body: '<html>' };
      await refused(/base64/, csr);
      answer = { body: 'AAAA' };
      await refused(/./, csr);
      answer = { body: Buffer.alloc(1 << 19, 0x41) };
      await refused(/more than/, csr);
      answer = { body: '', status: 202 };
      await assert.rejects(clientOf(url).enroll(csr, { user: MAC, ticket: Buffer.from('t') }), { code: 'EST_REFUSED' });
      answer = { body: '', status: 404 };
      assert.deepEqual(await clientOf(url).csrattrs(), []);
    });
  });

  it('a client says what is wrong with its options, its server, and how long it waited', async () => {
    const trust = holder.issued.authorities;
    for (const bad of [
      { url: 'http://x' },
      { url: 'x' },
      { url: 'https://u:p@x' },
      { url: 'https://x', label: 'a/b' },
    ]) {
      assert.throws(() => createEstClient({ trust, ...bad }), { code: 'EST_BAD_OPTIONS' });
    }
    assert.throws(() => createEstClient({ url: 'https://x', trust: '' }), { code: 'EST_BAD_OPTIONS' });
    const { port, close } = await listening();
    await close();
    await assert.rejects(clientOf(`https://127.0.0.1:${port}`).cacerts(), {
      ...{ code: 'EST_UNREACHABLE', detail: { reason: 'ECONNREFUSED' } },
    });
    // It listens, and says nothing.
    const silent = createPlain(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    open.push(() => silent.close());
    const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    await assert.rejects(clientOf(url, { timeout: 50 }).cacerts(), { code: 'EST_TIMEOUT' });
    const stop = new AbortController();
    const asked = clientOf(url).cacerts({ signal: stop.signal });
    stop.abort(new Error('enough'));
    await assert.rejects(asked, { message: 'enough' });
    await assert.rejects(clientOf(url).cacerts({ signal: stop.signal }), { message: 'enough' });
  });

  it('a port that is taken is told, and so is a services authority that is missing', async () => {
    const { port } = await listening();
    await assert.rejects(listening({ port }), {
      code: 'EST_LISTEN',
      detail: { field: 'port', value: port, reason: 'EADDRINUSE' },
    });
    await assert.rejects(listening({ host: '192.0.2.1' }), { code: 'EST_LISTEN' });
    await assert.rejects(listening({ port: 70_000 }), { code: 'EST_BAD_OPTIONS' });
    await assert.rejects(listening({ names: [] }), { code: 'EST_BAD_OPTIONS' });
  });

  it('bodies that are too large, torn off or never end, and peers that speak no TLS, do not harm it', async () => {
    const listener = await listening({ requestTimeout: 200, handshakeTimeout: 200 });
    const { port, url } = listener;
    const secure = async (): Promise<TLSSocket> => {
      const socket = connect({ host: '127.0.0.1', port, ca: holder.issued.authorities });
      open.push(() => socket.destroy());
      await once(socket, 'secureConnect');
      return socket;
    };
    const head = (length: number): string =>
      `POST /.well-known/est/${NAMESPACE}/simpleenroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/pkcs10\r\nAuthorization: Basic ${Buffer.from(`${MAC}:t`).toString('base64')}\r\nContent-Length: ${length}\r\n\r\n`;
    const big = await secure();
    big.on('error', () => undefined);
    big.write(head(1 << 20) + 'A'.repeat(EST_BODY_MOST + 100));
    const [said] = (await once(big, 'data')) as [Buffer];
    assert.match(said.toString(), /^HTTP\/1.1 413 /);
    const torn = await secure();
    torn.write(`${head(1000)}AAAA`);
    torn.destroy();
    const slow = await secure();
    slow.on('error', () => undefined).resume();
    slow.write(`${head(1000)}AAAA`);
    const plain = connectPlain(port, '127.0.0.1');
    plain.on('error', () => undefined).resume();
    plain.write('GET / HTTP/1.1\r\n\r\n');
    const mute = connectPlain(port, '127.0.0.1');
    mute.on('error', () => undefined).resume();
    await Promise.all([slow, plain, mute].map((socket) => once(socket, 'close')));
    assert.ok((await clientOf(url).cacerts()).length > 0, 'it is still there');
  });
});
