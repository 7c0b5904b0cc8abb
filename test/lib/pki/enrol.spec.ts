import assert from 'node:assert/strict';
import fc from 'fast-check';
import { KeywayError } from '../../../lib/errors/index.ts';
import { parseCertificate, toPem } from '../../../lib/pki/index.ts';
import { createEnrolment, createTicket, createToken, type Enrol, type EnrolRequest } from '../../../lib/pki/node.ts';
import { MemoryStore } from './memory-store.ts';
import { csrOf, MAC, NAMESPACE, PLAIN_MAC, type World, world } from './support.ts';

const PATH = `/api/v1/namespaces/${NAMESPACE}/devices/${PLAIN_MAC}/certificate`;
const MINUTE = 60_000;

describe('pki: the enrolment service', () => {
  let here: World;
  let enrol: Enrol;
  let now = Date.UTC(2026, 10, 22);
  let csr: Uint8Array;

  before(async () => {
    here = await world({ clock: () => now });
    csr = await csrOf();
  });
  after(() => here.close());
  beforeEach(() => {
    enrol = createEnrolment({ authority: here.authority, store: here.store });
    here.store.newest = 0;
    for (const [serial, { record }] of here.store.certificates)
      if (record.device !== null) here.store.certificates.delete(serial);
  });

  const ticket = async (options: { replace?: boolean } = {}) =>
    (await createTicket(here.store, { namespace: NAMESPACE, mac: MAC }, now, options)).ticket;
  const token = async (...scopes: ('mint' | 'replace')[]) =>
    (await createToken(here.store, { namespace: NAMESPACE, scopes })).token;
  const request = (secret: string | undefined, more: Partial<EnrolRequest> & { type?: string } = {}): EnrolRequest => ({
    method: 'POST',
    path: PATH,
    body: Buffer.from(JSON.stringify({ csr: toPem('CERTIFICATE REQUEST', csr) })),
    headers: {
      'content-type': more.type ?? 'application/json; charset=utf-8',
      ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
    },
    ...more,
  });
  const ask = async (...args: Parameters<typeof request>) => {
    const response = await enrol(request(...args));
    return { ...response, json: (response.body === '' ? {} : JSON.parse(response.body)) as Record<string, string> };
  };

  it('gives a certificate for a ticket, once', async () => {
    const secret = await ticket();
    const first = await ask(secret);
    assert.equal(first.status, 201, first.body);
    assert.equal(parseCertificate(first.json.certificate as string).commonName, `${NAMESPACE}:${PLAIN_MAC}`);
    assert.equal(first.json.state, 'pending');
    assert.equal(first.headers['Cache-Control'], 'no-store');
    const second = await ask(secret);
    assert.equal(second.status, 401);
    assert.equal(second.json.code, 'ENROL_UNAUTHORISED');
    assert.equal(second.headers['WWW-Authenticate'], 'Bearer realm="keyway"');
  });

  it('gives one certificate to a hundred that race with one ticket', async () => {
    const secret = await ticket();
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(secret)));
    assert.equal(answers.filter(({ status }) => status === 201).length, 1);
    assert.equal(answers.filter(({ status }) => status === 401).length, 99);
  });

  it('takes the five spellings of the MAC, and every form of the request', async () => {
    for (const mac of [
      '24:6f:28:aa:bb:0c',
      '24-6F-28-AA-BB-0C',
      '246f.28aa.bb0c',
      '246F28AABB0C',
      '24%3A6f%3A28%3Aaa%3Abb%3A0c',
    ]) {
      const path = PATH.replace(PLAIN_MAC, mac);
      assert.equal((await ask(await ticket(), { path })).status, 201, mac);
    }
    const base64 = Buffer.from(csr).toString('base64');
    const forms: [string, Uint8Array | string][] = [
      ['application/json', JSON.stringify({ csr: base64 })],
      ['application/pkcs10', csr],
      ['application/pkcs10', `${base64}\n`],
      ['application/x-pem-file', toPem('CERTIFICATE REQUEST', csr)],
      ['text/plain', toPem('CERTIFICATE REQUEST', csr)],
    ];
    for (const [type, body] of forms) {
      const answer = await ask(await ticket(), { type, body: typeof body === 'string' ? Buffer.from(body) : body });
      assert.equal(answer.status, 201, `${type}: ${answer.body}`);
    }
  });

  it('takes a ticket for its device, in its time, and no other', async () => {
    const secret = await ticket();
    const elsewhere = [PATH.replace(PLAIN_MAC, '246f28aabb0d'), PATH.replace(NAMESPACE, 'other')];
    for (const path of elsewhere) assert.equal((await ask(secret, { path })).status, 401);
    assert.equal((await ask(secret)).status, 201, 'and it is not used up by that');
    const old = await ticket();
    now += 5 * MINUTE;
    assert.equal((await ask(old)).status, 401);
    const good = await ticket();
    const wrong = `${good.slice(0, -1)}${good.endsWith('A') ? 'B' : 'A'}`;
    for (const bad of [undefined, '', 'x', wrong, 'kwt_', `${await ticket()}x`]) {
      assert.equal((await ask(bad)).status, 401, String(bad));
    }
    const basic = await enrol({ ...request(await ticket()), headers: { authorization: `Basic ${await ticket()}` } });
    assert.equal(basic.status, 401);
  });

  it('leaves a ticket good when the request cannot be read', async () => {
    const secret = await ticket();
    const bad: [number, Partial<EnrolRequest> & { type?: string }][] = [
      [400, { body: Buffer.from('{') }],
      [400, { body: Buffer.from('null') }],
      [400, { body: Buffer.from('{"csr": 5}') }],
      [400, { body: Buffer.from(JSON.stringify({ csr: 'AAAA', replace: 'yes' })) }],
      [400, { body: Buffer.from(JSON.stringify({ csr: 'AAAA' })) }],
      [400, { body: Buffer.of(0xff, 0xfe) }],
      [400, { body: csr.subarray(0, 100), type: 'application/pkcs10' }],
      [413, { body: new Uint8Array(65537) }],
      [413, { body: new Uint8Array(20000).fill(0x30), type: 'application/pkcs10' }],
      [415, { type: 'application/xml' }],
      [405, { method: 'GET' }],
      [400, { path: PATH.replace(PLAIN_MAC, '24:6f') }],
      [400, { path: PATH.replace(PLAIN_MAC, '%zz') }],
      [400, { path: PATH.replace(NAMESPACE, 'a%2Fb') }],
      [404, { path: `${PATH}/x` }],
      [404, { path: '/' }],
    ];
    for (const [status, more] of bad) {
      const answer = await ask(secret, more);
      assert.equal(answer.status, status, `${JSON.stringify({ ...more, body: 0 })} ${answer.body}`);
      assert.equal(answer.headers['Content-Type'], 'application/problem+json');
      assert.match(answer.json.code as string, /^[A-Z_]+$/);
    }
    assert.equal((await ask(secret)).status, 201);
  });

  it('takes a token for its namespace, within its scopes, until it is over or revoked', async () => {
    const [plain, replacing] = [await token('mint'), await token('mint', 'replace')];
    const first = await ask(plain);
    assert.equal(first.status, 201);
    assert.equal(first.json.confirm, undefined, 'the token itself confirms');
    assert.equal((await ask(plain, { path: PATH.replace(NAMESPACE, 'other') })).status, 403);
    const live = { path: `${PATH}/${first.json.serial}/live`, body: new Uint8Array(0) };
    assert.equal((await ask(plain, live)).status, 204);
    assert.equal((await ask(plain)).status, 409, 'the device holds a live one');
    const body = Buffer.from(JSON.stringify({ csr: toPem('CERTIFICATE REQUEST', csr), replace: true }));
    assert.equal((await ask(plain, { body })).status, 403);
    const second = await ask(replacing, { body });
    assert.equal(second.status, 201, second.body);
    assert.equal((await ask(plain, { ...live, path: `${PATH}/${second.json.serial}/live` })).status, 204);
    assert.equal(here.store.certificates.get(first.json.serial as string)?.record.state, 'revoked');
    for (const [hash, record] of here.store.tokens) here.store.tokens.set(hash, { ...record, revokedAt: now });
    assert.equal((await ask(plain)).status, 401);
    const { token: short } = await createToken(here.store, { namespace: NAMESPACE, expiresAt: now + 5 });
    now += 5;
    assert.equal((await ask(short)).status, 401);
  });

  it('takes no token of another kind, and none for a certificate of another device', async () => {
    const secret = await token('mint');
    const [[hash, record] = assert.fail('none is kept')] = [...here.store.tokens].slice(-1);
    here.store.tokens.set(hash, { ...record, kind: 'api-key' });
    assert.equal((await ask(secret)).status, 401);
    here.store.tokens.set(hash, record);
    const { json } = await ask(secret);
    const elsewhere = PATH.replace(PLAIN_MAC, '246f28aabb0d');
    const answer = await ask(secret, { path: `${elsewhere}/${json.serial}/live`, body: new Uint8Array(0) });
    assert.deepEqual([answer.status, answer.json.code], [404, 'CERTIFICATE_UNKNOWN']);
    assert.equal(here.store.certificates.get(json.serial as string)?.record.state, 'pending');
  });

  it('refuses a key that is another device’s, without saying whose', async () => {
    assert.equal((await ask(await token('mint'))).status, 201);
    const answer = await ask(await token('mint'), { path: PATH.replace(PLAIN_MAC, '246f28aabb0d') });
    assert.deepEqual([answer.status, answer.json.code], [409, 'KEY_IN_USE']);
    assert.ok(!answer.body.includes(PLAIN_MAC));
  });

  it('replaces only with a ticket that says so', async () => {
    const first = await ask(await ticket());
    await here.authority.markLive(first.json.serial as string);
    const body = Buffer.from(JSON.stringify({ csr: toPem('CERTIFICATE REQUEST', csr), replace: true }));
    const plain = await ticket();
    assert.equal((await ask(plain, { body })).status, 403);
    assert.equal((await ask(plain.replace('kwt_', 'kwr_'), { body })).status, 401);
    assert.equal((await ask(await ticket({ replace: true }), { body })).status, 201);
    assert.equal((await ask(await ticket({ replace: true }))).status, 409, 'the request must say it too');
  });

  it('confirms by the ticket of the answer, for that certificate alone', async () => {
    const [one, two] = [await ask(await ticket()), await ask(await ticket())];
    const live = (serial: unknown) => ({ path: `${PATH}/${serial}/live`, body: new Uint8Array(0) });
    assert.equal((await ask(one.json.confirm, live(two.json.serial))).status, 401);
    assert.equal((await ask(await ticket(), live(one.json.serial))).status, 401);
    assert.equal((await ask(one.json.confirm)).status, 401, 'it mints nothing');
    assert.equal((await ask(one.json.confirm, live(one.json.serial))).status, 204);
    assert.equal((await ask(one.json.confirm, live(one.json.serial))).status, 401);
    assert.equal(here.store.certificates.get(one.json.serial as string)?.record.state, 'live');
    assert.equal((await ask(two.json.confirm, live(two.json.serial))).status, 409, 'it was superseded meanwhile');
  });

  it('keeps hashes, never a ticket or token', async () => {
    const secrets = [await ticket(), await token('mint')];
    const kept = JSON.stringify([...here.store.tickets, ...here.store.tokens]);
    for (const secret of secrets) assert.ok(!kept.includes(secret.slice(8)));
    assert.match(secrets.join(), /^kwt_[\w-]{43},kwn_[\w-]{43}$/);
  });

  it('takes serial and name from the registry, and refuses a device that is not in it', async () => {
    await here.authority.changeSettings(NAMESPACE, { alternativeNames: ['uri:urn:serial:{serial}'] });
    enrol = createEnrolment({
      authority: here.authority,
      store: here.store,
      deviceOf: async (_, mac) => (mac === PLAIN_MAC ? { serial: 'S-1', name: null } : undefined),
    });
    const answer = await ask(await token('mint'));
    assert.deepEqual(parseCertificate(answer.json.certificate as string).alternativeNames, [
      { kind: 'uri', value: 'urn:serial:S-1' },
    ]);
    assert.equal((await ask(await token('mint'), { path: PATH.replace(PLAIN_MAC, '246f28aabb0d') })).status, 404);
  });

  it('redeems nothing while the clock is behind', async () => {
    const secret = await ticket();
    here.store.newest = now + 1;
    const answer = await ask(secret);
    assert.deepEqual([answer.status, answer.json.code], [503, 'CLOCK_BEHIND']);
    here.store.newest = now;
    assert.equal((await ask(secret)).status, 201);
  });

  it('says nothing of what is within when something fails there', async () => {
    const failing = new MemoryStore();
    failing.redeemTicket = () => Promise.reject(new Error('/var/lib/secret path'));
    const broken = createEnrolment({ authority: here.authority, store: failing });
    const known = new MemoryStore();
    known.redeemTicket = () => Promise.reject(new KeywayError('KEYSTORE_WRONG_KEY', '/var/lib/secret key'));
    const closed = await createEnrolment({ authority: here.authority, store: known })(request(await ticket()));
    assert.deepEqual([closed.status, closed.body.includes('secret')], [503, false]);
    const answer = await broken(request(await ticket()));
    assert.equal(answer.status, 500);
    assert.deepEqual(JSON.parse(answer.body), {
      type: 'about:blank',
      title: 'Internal error',
      status: 500,
      code: 'INTERNAL',
    });
  });

  it('answers whatever it is asked', async () => {
    const secret = await token('mint');
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.constant(PATH), fc.webPath(), fc.string()),
        fc.oneof(fc.constant('POST'), fc.string()),
        fc.uint8Array({ maxLength: 400 }),
        fc.constantFrom('application/json', 'application/pkcs10', 'text/plain', ''),
        async (path, method, body, type) => {
          const { status } = await enrol(request(secret, { path, method, body, type }));
          assert.ok(status >= 400 && status < 500, String(status));
        },
      ),
    );
  });
});
