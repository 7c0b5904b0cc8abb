import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { attributesIn } from '../../lib/pki/est/attributes.ts';
import { certsIn } from '../../lib/pki/est/pkcs7.ts';
import { parseCertificate, parsePem, toPem } from '../../lib/pki/index.ts';
import { createTicket, type EstListener, listenEst } from '../../lib/pki/node.ts';
import { NAMESPACE, openssl, put } from '../lib/pki/support.ts';
import { type Holder, type TrustWorld, trustWorld } from '../lib/pki/trust-support.ts';

/** Says what is missing; on a machine that must have all, fails. */
function leftOut(what: string): void {
  if (process.env.KEYWAY_PEERS === 'required') throw new Error(`${what}, and KEYWAY_PEERS is "required"`);
  console.log(`    left out: ${what}`);
}

/** What curl got: its status, the type, and the body. */
const curl = (args: readonly string[], stdin = ''): Promise<{ status: number; type: string; body: string }> =>
  new Promise((resolve, reject) => {
    const format = ['--silent', '--show-error', '--max-time', '20', '--write-out', '\n%{http_code} %{content_type}'];
    const child = execFile('curl', [...format, ...args], { timeout: 30_000 }, (error, out, err) => {
      if (error !== null) return void reject(new Error(`curl: ${err}`, { cause: error }));
      const end = out.lastIndexOf('\n');
      const [status, ...type] = out.slice(end + 1).split(' ');
      resolve({ status: Number(status), type: type.join(' '), body: out.slice(0, end) });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(stdin);
  });

describe('peers: curl and openssl on every path of EST', function () {
  this.timeout(60_000);
  let here: TrustWorld;
  let listener: EstListener | undefined;
  let holder: Holder;
  const file: Record<string, string> = {};
  const asDer = (name: string): string => join(here.folder, name);

  before(async function () {
    const missing = await Promise.all([curl(['--version']), openssl(['version'])]).then(
      () => undefined,
      (error: Error) => (/ENOENT/.test(String(error.cause)) ? 'curl or openssl not found' : undefined),
    );
    if (missing !== undefined) {
      leftOut(missing);
      this.skip();
    }
    here = await trustWorld({ now: Date.now() });
    holder = await here.holder();
    const { judge, authority, registry: store, clock } = here;
    listener = await listenEst({ judge, authority, store, clock: () => clock.now, port: 0 });
    const blocks = parsePem(holder.issued.authorities);
    file.root = await put(here.folder, 'root.pem', toPem('CERTIFICATE', blocks.at(-1)?.bytes ?? new Uint8Array(0)));
    file.chain = await put(here.folder, 'device.pem', holder.issued.chain);
    file.key = await put(here.folder, 'device.key', holder.pem);
  });
  after(async () => {
    await listener?.close();
    await here?.close();
  });

  const url = (operation: string): string => `${listener?.url}/${NAMESPACE}/${operation}`;
  const trusted = (): string[] => ['--cacert', file.root ?? ''];
  const csrOf = async (subject: string): Promise<string> => {
    const key = asDer(`${Math.random()}.key`);
    await openssl(['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key]);
    return await openssl(['req', '-new', '-key', key, '-subj', subject, '-outform', 'PEM']);
  };
  /** The body that RFC 7030 wants, of a PEM. */
  const bodyOf = (pem: string): string => /REQUEST-----\n([\s\S]*?)-----END/.exec(pem)?.[1] ?? '';
  const post = (body: string, ...more: string[]) =>
    curl([...trusted(), '-H', 'Content-Type: application/pkcs10', '--data-binary', '@-', ...more], body);
  /** What openssl reads out of an answer. */
  const printed = async (body: string): Promise<string> => {
    const path = await put(here.folder, 'answer.p7', Buffer.from(body, 'base64'));
    return await openssl(['pkcs7', '-inform', 'DER', '-in', path, '-print_certs', '-noout']);
  };

  it('cacerts: the chain, as openssl reads it', async () => {
    const { status, type, body } = await curl([...trusted(), url('cacerts')]);
    assert.deepEqual([status, type], [200, 'application/pkcs7-mime']);
    assert.equal((await printed(body)).match(/subject=/g)?.length, 2);
  });

  it('csrattrs', async () => {
    const { status, type, body } = await curl([...trusted(), url('csrattrs')]);
    assert.deepEqual([status, type], [200, 'application/csrattrs']);
    assert.equal(attributesIn(Buffer.from(body, 'base64')).length, 3);
  });

  it('simpleenroll: challenged, then with a ticket, and never twice', async () => {
    const mac = '246f28aabb10';
    await here.registry.addDevice({ namespace: NAMESPACE, mac });
    const { ticket } = await createTicket(here.registry, { namespace: NAMESPACE, mac }, here.clock.now);
    const body = bodyOf(await csrOf('/CN=anything'));
    assert.equal((await post(body, url('simpleenroll'))).status, 401);
    const user = await put(here.folder, 'user', `user = "${mac}:${ticket}"\n`);
    const got = await post(body, '--basic', '--config', user, url('simpleenroll'));
    assert.equal(got.status, 200, got.body);
    assert.match(await printed(got.body), new RegExp(`CN = ${NAMESPACE}:${mac}`));
    assert.equal((await post(body, '--basic', '--config', user, url('simpleenroll'))).status, 401);
  });

  it('simplereenroll: with the device’s certificate; openssl verifies what comes', async () => {
    const identity = ['--cert', file.chain ?? '', '--key', file.key ?? ''];
    const body = bodyOf(await csrOf(`/CN=${NAMESPACE}:${holder.mac}`));
    assert.match(body, /\n./, 'in lines of 64');
    assert.equal((await post(body, url('simplereenroll'))).status, 403, 'without a certificate');
    const { status, type, body: answer } = await post(body, ...identity, url('simplereenroll'));
    assert.deepEqual([status, type], [200, 'application/pkcs7-mime; smime-type=certs-only']);
    const [der] = certsIn(Buffer.from(answer, 'base64'));
    const leaf = await put(here.folder, 'leaf.pem', toPem('CERTIFICATE', der ?? new Uint8Array(0)));
    const [middle] = parsePem(holder.issued.authorities);
    const between = await put(here.folder, 'middle.pem', toPem('CERTIFICATE', middle?.bytes ?? new Uint8Array(0)));
    const files = ['-CAfile', file.root ?? '', '-untrusted', between, leaf];
    assert.match(await openssl(['verify', '-x509_strict', '-purpose', 'sslclient', ...files]), /OK/);
    assert.equal(parseCertificate(der ?? new Uint8Array(0)).commonName, `${NAMESPACE}:${holder.mac}`);
  });

  it('what is wrong gets a plain status', async () => {
    const identity = ['--cert', file.chain ?? '', '--key', file.key ?? ''];
    const good = bodyOf(await csrOf(`/CN=${NAMESPACE}:${holder.mac}`));
    const cases: [number, string, string[]][] = [
      [403, good, [...identity, `${listener?.url}/nowhere/simplereenroll`]],
      [404, good, [...identity, url('serverkeygen')]],
      [400, '%%%', [...identity, url('simplereenroll')]],
      [413, 'A'.repeat(100_000), [...identity, url('simplereenroll')]],
      [400, bodyOf(await csrOf('/CN=plant-7:001122334455')), [...identity, url('simplereenroll')]],
    ];
    for (const [status, body, args] of cases) assert.equal((await post(body, ...args)).status, status, args.at(-1));
    const json = ['-H', 'Content-Type: application/json', '--data-binary', '@-', ...identity, url('simplereenroll')];
    assert.equal((await curl([...trusted(), ...json], good)).status, 415);
    assert.equal((await curl([...trusted(), '-X', 'DELETE', url('cacerts')])).status, 405);
  });
});
