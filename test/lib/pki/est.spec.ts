import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { OID } from '../../../lib/pki/der/oids.ts';
import { bitString, explicit, integer, oid, sequence, setOf, tlv } from '../../../lib/pki/der/writer.ts';
import { attributesIn } from '../../../lib/pki/est/attributes.ts';
import { certsIn, certsOnly } from '../../../lib/pki/est/pkcs7.ts';
import { createCsr, parseCertificate, parseCsr, parsePem } from '../../../lib/pki/index.ts';
import {
  createEst,
  createTicket,
  EST_BODY_MOST,
  type Est,
  type EstEvent,
  type EstRequest,
  type EstResponse,
  nodePki,
} from '../../../lib/pki/node.ts';
import { MAC, NAMESPACE, PASSPHRASE, PLAIN_MAC } from './support.ts';
import { DAY, HOUR, type Holder, NOW, requestFor, type TrustWorld, trustWorld } from './trust-support.ts';

const NAME = `${NAMESPACE}:${PLAIN_MAC}`;
const base64 = (bytes: Uint8Array): Buffer => Buffer.from(Buffer.from(bytes).toString('base64'));

describe('est: the service', function () {
  this.timeout(20_000);
  let here: TrustWorld;
  let est: Est;
  let events: EstEvent[] = [];
  beforeEach(async () => {
    here = await trustWorld();
    events = [];
    est = serving();
  });
  afterEach(() => here?.close());

  const serving = (namespaces?: readonly string[]): Est =>
    createEst({
      ...{ judge: here.judge, authority: here.authority, store: here.registry, clock: () => here.clock.now },
      onEvent: (event) => events.push(event),
      ...(namespaces === undefined ? {} : { namespaces }),
    });
  const ask = (operation: string, more: Partial<EstRequest> = {}): Promise<EstResponse> =>
    est({
      ...{ method: 'POST', path: `/.well-known/est/${NAMESPACE}/${operation}`, source: '192.0.2.7' },
      ...{ headers: { 'content-type': 'application/pkcs10' }, body: new Uint8Array(0), certificate: undefined },
      ...more,
    });
  const get = (operation: string, more: Partial<EstRequest> = {}): Promise<EstResponse> =>
    ask(operation, { method: 'GET', headers: {}, ...more });
  const basic = (user: string, ticket: string): EstRequest['headers'] => ({
    'content-type': 'application/pkcs10',
    authorization: `Basic ${Buffer.from(`${user}:${ticket}`).toString('base64')}`,
  });
  const ticketFor = async (mac: string, replace = false): Promise<string> =>
    (await createTicket(here.registry, { namespace: NAMESPACE, mac }, here.clock.now, { replace })).ticket;
  /** The certificate in an answer. */
  const certificateIn = (answer: EstResponse): Uint8Array => {
    assert.equal(answer.status, 200, answer.body);
    const [der, more] = certsIn(Buffer.from(answer.body, 'base64'));
    assert.ok(der !== undefined && more === undefined);
    return der;
  };
  /** It was refused with this status, which says nothing; the audit log has the code. */
  const expectRefused = async (answer: EstResponse, status: number, code: string): Promise<void> => {
    assert.equal(answer.status, status);
    assert.ok(!answer.body.includes(code) && answer.body.length < 40, answer.body);
    const last = events.at(-1);
    assert.deepEqual([last?.topic, last?.code], [status >= 500 ? 'est.failed' : 'est.refused', code], last?.text);
    const [action, outcome] = status >= 500 ? ['est.failed', 'failed'] : ['est.refused', 'denied'];
    const entries = await here.audited(action);
    const found = entries.find(({ detail }) => detail.code === code);
    assert.deepEqual([found?.outcome, found?.actor, found?.source], [outcome, 'keyway-est', '192.0.2.7'], code);
  };
  const renewalOf = async (holder: Holder, more: Partial<EstRequest> = {}): Promise<EstResponse> =>
    ask('simplereenroll', {
      certificate: holder.issued.der,
      body: base64((await requestFor(NAME)).csr),
      ...more,
    });

  describe('cacerts and csrattrs', () => {
    it('give the namespace’s authorities, as one line and one line feed', async () => {
      const answer = await get('cacerts');
      assert.equal(answer.headers['Content-Type'], 'application/pkcs7-mime');
      assert.match(answer.body, /^[A-Za-z0-9+/]+=*\n$/);
      const expected = parsePem(await here.authority.authorities(NAMESPACE)).map(({ bytes }) => bytes);
      assert.deepEqual(certsIn(Buffer.from(answer.body, 'base64')), expected);
      assert.deepEqual(
        (await get('', { path: '/.well-known/est/cacerts' })).body,
        answer.body,
        'there is one namespace',
      );
    });

    it('ask for a key on P-256', async () => {
      const answer = await get('csrattrs');
      assert.equal(answer.headers['Content-Type'], 'application/csrattrs');
      const wanted = [OID.ecPublicKey, OID.p256, OID.ecdsaSha256];
      assert.deepEqual(attributesIn(Buffer.from(answer.body, 'base64')), wanted);
    });

    it('are not there for a wrong label, path, or method', async () => {
      for (const path of ['/', '/.well-known/est', '/.well-known/est/', '/.well-known/est/a/b/cacerts', '/x/cacerts']) {
        await expectRefused(await get('', { path }), 404, 'EST_NOT_FOUND');
      }
      await expectRefused(await get('', { path: '/.well-known/est/nowhere/cacerts' }), 404, 'NAMESPACE_UNKNOWN');
      await expectRefused(await get('', { path: '/.well-known/est/keyway/cacerts' }), 404, 'EST_NOT_FOUND');
      for (const path of ['serverkeygen', 'fullcmc', 'cacerts/', '%63acerts'].map(
        (end) => `/.well-known/est/${NAMESPACE}/${end}`,
      )) {
        await expectRefused(await get('', { path }), 404, 'EST_NOT_FOUND');
      }
      await expectRefused(await ask('cacerts'), 405, 'EST_METHOD');
      const answer = await get('simpleenroll');
      await expectRefused(answer, 405, 'EST_METHOD');
      assert.equal(answer.headers.Allow, 'POST');
      est = serving(['elsewhere']);
      await expectRefused(await get('cacerts'), 404, 'EST_NOT_FOUND');
      await here.authority.createNamespace('plant-8', {}, { passphrase: PASSPHRASE });
      est = serving();
      await expectRefused(await get('', { path: '/.well-known/est/cacerts' }), 404, 'EST_NOT_FOUND');
    });
  });

  describe('simpleenroll', () => {
    let csr: Uint8Array;
    beforeEach(async () => {
      csr = (await requestFor('whatever it asks for')).csr;
      await here.registry.addDevice({ namespace: NAMESPACE, mac: PLAIN_MAC });
    });

    it('gives a certificate for a ticket, once; it goes live by its first use', async () => {
      const ticket = await ticketFor(MAC);
      const answer = await ask('simpleenroll', { headers: basic(MAC, ticket), body: base64(csr) });
      const der = certificateIn(answer);
      assert.equal(answer.headers['Content-Type'], 'application/pkcs7-mime; smime-type=certs-only');
      assert.equal(parseCertificate(der).commonName, NAME, 'the registry’s name, whatever was asked for');
      const verdict = await here.judge.certificate(der, { use: 'endpoint' });
      assert.ok(verdict.ok && verdict.renewal);
      await here.judge.used(verdict);
      assert.equal((await here.registry.certificate(verdict.serial))?.state, 'live');
      assert.deepEqual(
        events.map(({ topic, mac }) => [topic, mac]),
        [['est.enrolled', PLAIN_MAC]],
      );
      const again = await ask('simpleenroll', { headers: basic(MAC, ticket), body: base64(csr) });
      await expectRefused(again, 401, 'EST_UNAUTHORISED');
    });

    it('challenges who brings no ticket, and writes nothing down', async () => {
      const answer = await ask('simpleenroll', { body: base64(csr) });
      assert.deepEqual([answer.status, answer.headers['WWW-Authenticate']], [401, 'Basic realm="keyway"']);
      assert.deepEqual([events, await here.audited('est.refused')], [[], []]);
    });

    it('takes the MAC in any spelling, and with its namespace; also without a label', async () => {
      for (const [i, user] of [
        '24-6F-28-AA-BB-0C',
        '246f.28aa.bb0c',
        PLAIN_MAC,
        NAME,
        `${NAMESPACE}:${MAC}`,
      ].entries()) {
        const path = i % 2 === 0 ? `/.well-known/est/${NAMESPACE}/simpleenroll` : '/.well-known/est/simpleenroll';
        const own = (await requestFor('x')).csr;
        certificateIn(await ask('', { path, headers: basic(user, await ticketFor(MAC)), body: base64(own) }));
      }
    });

    it('refuses a ticket of another device or namespace, of a token’s kind, or that is over', async () => {
      const other = '246f28aabb10';
      await here.registry.addDevice({ namespace: NAMESPACE, mac: other });
      const late = await ticketFor(MAC);
      const wrong = [
        basic(MAC, await ticketFor(other)),
        basic(MAC, 'kwn_'.padEnd(47, 'a')),
        basic(MAC, ''),
        basic('', late),
      ];
      const odd = ['Basic', 'Basic ====', 'Bearer x', `Basic ${'A'.repeat(5000)}`].map((authorization) => ({
        ...{ 'content-type': 'application/pkcs10', authorization },
      }));
      for (const headers of [...wrong, ...odd]) {
        await expectRefused(await ask('simpleenroll', { headers, body: base64(csr) }), 401, 'EST_UNAUTHORISED');
      }
      const elsewhere = basic(`plant-8:${MAC}`, late);
      await expectRefused(await ask('simpleenroll', { headers: elsewhere, body: base64(csr) }), 404, 'EST_NOT_FOUND');
      here.clock.now += HOUR;
      await expectRefused(
        await ask('simpleenroll', { headers: basic(MAC, late), body: base64(csr) }),
        401,
        'EST_UNAUTHORISED',
      );
    });

    it('leaves the ticket good where the request cannot be granted', async () => {
      const headers = basic(MAC, await ticketFor(MAC));
      const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const spki = rsa.publicKey.export({ type: 'spki', format: 'der' });
      const info = sequence(integer(0), sequence(), new Uint8Array(spki), tlv(0xa0));
      const algorithm = sequence(oid(OID.rsaSha256), Uint8Array.of(5, 0));
      const big = sequence(info, algorithm, bitString(sign('sha256', info, rsa.privateKey)));
      await expectRefused(await ask('simpleenroll', { headers, body: base64(big) }), 400, 'CSR_KEY_REFUSED');
      const broken = csr.slice();
      broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
      await expectRefused(await ask('simpleenroll', { headers, body: base64(broken) }), 400, 'CSR_SIGNATURE');
      await expectRefused(await ask('simpleenroll', { headers, body: Buffer.from('?') }), 400, 'EST_BAD_REQUEST');
      certificateIn(await ask('simpleenroll', { headers, body: base64(csr) }));
    });

    it('replaces a live certificate only where the ticket says so, and at once', async () => {
      const holder = await here.holder();
      const plain = await ask('simpleenroll', { headers: basic(MAC, await ticketFor(MAC)), body: base64(csr) });
      await expectRefused(plain, 403, 'DEVICE_HAS_LIVE');
      const ticket = await ticketFor(MAC, true);
      const der = certificateIn(await ask('simpleenroll', { headers: basic(MAC, ticket), body: base64(csr) }));
      assert.equal(here.judge.isRevoked(holder.issued.serial), true);
      assert.equal((await here.judge.certificate(der, { use: 'endpoint' })).ok, true);
    });

    it('refuses a device that is not registered', async () => {
      const ticket = await ticketFor('24:00:00:00:00:01');
      const answer = await ask('simpleenroll', { headers: basic('24:00:00:00:00:01', ticket), body: base64(csr) });
      await expectRefused(answer, 403, 'CERT_DEVICE_UNKNOWN');
    });

    it('with a clock that is behind gives nothing, and leaves the ticket good', async () => {
      const headers = basic(MAC, await ticketFor(MAC));
      here.clock.now -= DAY;
      const answer = await ask('simpleenroll', { headers, body: base64(csr) });
      await expectRefused(answer, 503, 'CLOCK_BEHIND');
      assert.equal(answer.headers['Retry-After'], '60');
      here.clock.now += DAY;
      certificateIn(await ask('simpleenroll', { headers, body: base64(csr) }));
    });
  });

  describe('simplereenroll', () => {
    let holder: Holder;
    beforeEach(async () => {
      holder = await here.holder();
    });

    it('renews a live certificate, for a new key', async () => {
      here.clock.now += 18 * HOUR;
      const der = certificateIn(await renewalOf(holder));
      const { commonName, notAfter, serial } = parseCertificate(der);
      assert.deepEqual([commonName, notAfter], [NAME, NOW + 18 * HOUR + 7 * DAY]);
      assert.equal((await here.registry.certificate(serial))?.state, 'pending');
      assert.equal((await here.registry.certificate(holder.issued.serial))?.state, 'live');
      const [told] = events;
      assert.deepEqual([told?.topic, told?.previous, told?.serial], ['est.reenrolled', holder.issued.serial, serial]);
    });

    it('takes the body whatever its line ends and its Content-Transfer-Encoding', async () => {
      const { csr } = await requestFor(NAME);
      const line = base64(csr).toString();
      const broken = line.replace(/.{64}/g, '$&\r\n');
      for (const body of [`${line}\n`, `${broken}\r\n`, line.replace(/.{64}/g, '$&\n')]) {
        const headers = {
          'content-type': 'application/PKCS10; charset=utf-8',
          'content-transfer-encoding': '8bit',
        };
        certificateIn(await renewalOf(holder, { body: Buffer.from(body), headers }));
      }
    });

    it('gives a lost answer again to who holds its key, and no second certificate', async () => {
      const body = base64((await requestFor(NAME)).csr);
      const first = certificateIn(await renewalOf(holder, { body }));
      assert.deepEqual(certificateIn(await renewalOf(holder, { body })), first);
      const { info } = parseCsr(Buffer.from(body.toString(), 'base64'));
      const signature = sign('sha256', Buffer.from('something else'), holder.key);
      const forged = sequence(info, sequence(oid(OID.ecdsaSha256)), bitString(signature));
      await expectRefused(await renewalOf(holder, { body: base64(forged) }), 400, 'CSR_SIGNATURE');
    });

    it('counts as the first use of a renewal', async () => {
      const second = await here.renewal(holder);
      certificateIn(await renewalOf(second));
      assert.equal((await here.registry.certificate(second.issued.serial))?.state, 'live');
      await expectRefused(await renewalOf(holder), 403, 'CERT_SUPERSEDED');
    });

    it('demands a new key, unless the namespace does without', async () => {
      const same = base64((await requestFor(NAME, holder.key)).csr);
      await expectRefused(await renewalOf(holder, { body: same }), 400, 'EST_REKEY');
      await here.authority.changeSettings(NAMESPACE, { rekey: 'allowed' });
      certificateIn(await renewalOf(holder, { body: same }));
    });

    it('refuses a key of another device', async () => {
      const other = await here.holder('24:6f:28:aa:bb:10');
      const body = base64((await requestFor(NAME, other.key)).csr);
      await expectRefused(await renewalOf(holder, { body }), 403, 'KEY_IN_USE');
    });

    it('refuses another subject than the certificate’s', async () => {
      for (const name of [`${NAMESPACE}:246f28aabb10`, `plant-8:${PLAIN_MAC}`, 'x']) {
        await expectRefused(
          await renewalOf(holder, { body: base64((await requestFor(name)).csr) }),
          400,
          'EST_SUBJECT',
        );
      }
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const pair = (text: string) => setOf(sequence(oid(OID.commonName), tlv(0x0c, Buffer.from(text))));
      const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
      for (const subject of [sequence(), sequence(pair(NAME), pair(NAME)), sequence(pair('x'), pair(NAME))]) {
        const info = sequence(integer(0), subject, new Uint8Array(spki), tlv(0xa0));
        const csr = sequence(info, sequence(oid(OID.ecdsaSha256)), bitString(sign('sha256', info, privateKey)));
        await expectRefused(await renewalOf(holder, { body: base64(csr) }), 400, 'EST_SUBJECT');
      }
    });

    it('refuses whoever is not let in, and the audit log says why', async () => {
      await expectRefused(await ask('simplereenroll', { body: base64(holder.csr) }), 403, 'CERT_MISSING');
      await expectRefused(await renewalOf(holder, { certificate: Uint8Array.of(1) }), 403, 'CERT_UNREADABLE');
      const pending = await here.holder('24:6f:28:aa:bb:10', { live: false });
      await expectRefused(await renewalOf(pending), 403, 'CERT_PENDING');
      await here.authority.createNamespace('plant-8', {}, { passphrase: PASSPHRASE });
      await expectRefused(
        await renewalOf(holder, { path: '/.well-known/est/plant-8/simplereenroll' }),
        ...([403, 'CERT_OTHER_NAMESPACE'] as const),
      );
      est = serving(['plant-8']);
      await expectRefused(await renewalOf(holder, { path: '/.well-known/est/simplereenroll' }), 404, 'EST_NOT_FOUND');
      est = serving();
      await here.authority.revokeDevice(NAMESPACE, MAC, 1);
      await expectRefused(await renewalOf(holder), 403, 'CERT_REVOKED');
      const [entry] = await here.audited('est.refused');
      assert.deepEqual(
        [entry?.namespace, entry?.subject, entry?.detail.mac],
        [NAMESPACE, holder.issued.serial, PLAIN_MAC],
      );
    });

    it('refuses what is over, and grants one that awaits its set-up a renewal, once, whoever asks at the same time', async () => {
      here.clock.now = holder.issued.notAfter + DAY;
      const asked = await Promise.all([1, 2, 3].map(() => renewalOf(holder)));
      assert.deepEqual(asked.map(({ status }) => status).sort(), [200, 403, 403]);
      assert.equal(events.find(({ topic }) => topic === 'est.reenrolled')?.grace, true);
      await here.registry.setState(holder.id, 'online');
      await expectRefused(await renewalOf(holder), 403, 'CERT_EXPIRED');
    });

    describe('in grace, when its answer was lost,', () => {
      let body: Buffer;
      let first: Uint8Array;
      beforeEach(async () => {
        here.clock.now = holder.issued.notAfter + DAY;
        body = base64((await requestFor(NAME)).csr);
        first = certificateIn(await renewalOf(holder, { body }));
      });
      const renewals = async (): Promise<number> =>
        (await here.registry.certificatesOf(NAMESPACE, PLAIN_MAC)).filter(({ renewal }) => renewal === true).length;

      it('gives the same certificate to who asks with the same key, as often as it does', async () => {
        const again = await Promise.all([1, 2, 3].map(() => renewalOf(holder, { body })));
        for (const answer of again) assert.deepEqual(certificateIn(answer), first);
        assert.equal(events.at(-1)?.grace, true);
        assert.equal(await renewals(), 1);
      });

      it('refuses who asks with another one, or cannot show that the key is its own', async () => {
        await expectRefused(await renewalOf(holder), 403, 'CERT_EXPIRED');
        await expectRefused(await renewalOf(holder, { body: Buffer.from('?') }), 403, 'CERT_EXPIRED');
        const { info } = parseCsr(Buffer.from(body.toString(), 'base64'));
        const signature = sign('sha256', info, holder.key);
        const forged = sequence(info, sequence(oid(OID.ecdsaSha256)), bitString(signature));
        await expectRefused(await renewalOf(holder, { body: base64(forged) }), 400, 'CSR_SIGNATURE');
        assert.equal(await renewals(), 1);
        assert.deepEqual(certificateIn(await renewalOf(holder, { body })), first, 'the control');
      });

      it('refuses the old one once the new one was used, or is over itself', async () => {
        const verdict = await here.judge.certificate(first, { use: 'endpoint' });
        assert.ok(verdict.ok);
        const strict = { use: 'endpoint', newKey: () => verdict.record.publicKeyHash } as const;
        assert.equal(
          (await here.judge.certificate(holder.issued.der, strict)).ok,
          false,
          'the endpoint knows no grace',
        );
        here.clock.now = verdict.notAfter;
        await expectRefused(await renewalOf(holder, { body }), 403, 'CERT_EXPIRED');
        here.clock.now = holder.issued.notAfter + DAY;
        await here.registry.acceptClock();
        await here.judge.used(verdict);
        await expectRefused(await renewalOf(holder, { body }), 403, 'CERT_SUPERSEDED');
      });
    });

    it('ends a device’s renewals that it never uses', async () => {
      for (let i = 0; i < 8; i++) certificateIn(await renewalOf(holder));
      const answer = await renewalOf(holder);
      await expectRefused(answer, 429, 'EST_TOO_MANY');
      assert.equal(answer.headers['Retry-After'], '3600');
    });
  });

  describe('hostile bodies', () => {
    let holder: Holder;
    beforeEach(async () => {
      holder = await here.holder();
    });

    it('of the wrong type, empty, too large, raw DER, PEM, or broken are refused with their status', async () => {
      const { csr } = await requestFor(NAME);
      const bad: [number, string, Partial<EstRequest>][] = [
        [415, 'EST_MEDIA_TYPE', { headers: {} }],
        [415, 'EST_MEDIA_TYPE', { headers: { 'content-type': 'application/json' } }],
        [413, 'EST_TOO_LARGE', { body: Buffer.alloc(EST_BODY_MOST + 1, 0x41) }],
        [413, 'CSR_TOO_LARGE', { body: Buffer.alloc(EST_BODY_MOST, 0x41) }],
        [400, 'EST_BAD_REQUEST', { body: Buffer.alloc(0) }],
        [400, 'EST_BAD_REQUEST', { body: csr }],
        [400, 'EST_BAD_REQUEST', { body: Buffer.from((await createCsr(nodePki, NAME)).pem) }],
        [400, 'EST_BAD_REQUEST', { body: Buffer.from('%%%%') }],
        [400, 'BAD_CSR', { body: Buffer.from('AAAA') }],
        [400, 'BAD_CSR', { body: base64(holder.issued.der) }],
      ];
      for (const [status, code, more] of bad) await expectRefused(await renewalOf(holder, more), status, code);
      certificateIn(await renewalOf(holder));
    });

    it('never make it fail, and never hold it up', async () => {
      const { csr } = await requestFor(NAME);
      const mutated = fc.tuple(fc.nat({ max: csr.length - 1 }), fc.integer({ min: 0, max: 255 })).map(([at, byte]) => {
        const bytes = csr.slice();
        bytes[at] = byte;
        return base64(bytes);
      });
      const body = fc.oneof(
        mutated,
        fc.uint8Array({ maxLength: 300 }),
        fc.string().map((text) => Buffer.from(text)),
      );
      await fc.assert(
        fc.asyncProperty(body, async (bytes) => {
          const { status } = await renewalOf(holder, { body: bytes });
          assert.ok([200, 400, 403, 413, 429].includes(status), String(status));
        }),
        { numRuns: 60 },
      );
    });

    it('and paths and headers neither', async () => {
      const text = fc.oneof(fc.string(), fc.constantFrom('__proto__', '../../x', '%00', 'a'.repeat(5000)));
      await fc.assert(
        fc.asyncProperty(text, text, text, async (path, authorization, type) => {
          for (const full of [path, `/.well-known/est/${path}/simpleenroll`, `/.well-known/est/${NAMESPACE}/${path}`]) {
            const headers = { authorization, 'content-type': type };
            assert.ok((await ask('', { path: full, headers })).status < 500);
          }
        }),
        { numRuns: 60 },
      );
    });
  });

  it('what goes wrong within is 500 or 503, and tells the client nothing', async () => {
    const holder = await here.holder();
    const body = base64((await requestFor(NAME)).csr);
    await here.registry.close();
    const answer = await renewalOf(holder, { body });
    assert.deepEqual([answer.status, answer.body], [503, 'Not available\n']);
    assert.equal(events.at(-1)?.code, 'REGISTRY_CLOSED');
  });
});

describe('est: messages', () => {
  it('certificates alone are read back as they were written', () => {
    const one = sequence(integer(1));
    assert.deepEqual(certsIn(certsOnly([one, sequence(integer(2))])), [one, sequence(integer(2))]);
  });

  it('others are refused', () => {
    const code = { code: 'BAD_DER' };
    assert.throws(() => certsIn(sequence(oid(OID.pkcs7Data), explicit(0, sequence()))), code);
    assert.throws(() => certsIn(sequence(oid(OID.pkcs7SignedData), explicit(0, sequence(integer(1))))), code);
    assert.throws(() => certsIn(Uint8Array.of(0x30, 0)), code);
    assert.throws(() => attributesIn(sequence(integer(1))), code);
  });
});
