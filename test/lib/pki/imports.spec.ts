import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import forge from 'node-forge';
import { readPkcs12 } from '../../../lib/pki/authority/pkcs12.ts';
import { explicit, integer, NULL, octets, oid, sequence, unsigned } from '../../../lib/pki/der/writer.ts';
import { parseCertificate } from '../../../lib/pki/index.ts';
import { Authority } from '../../../lib/pki/node.ts';
import type { Keystore } from '../../../lib/vault/index.ts';
import { MemoryStore } from './memory-store.ts';
import { csrOf, MAC, NAMESPACE, openssl, PASSPHRASE, put, scratch, testKeystore } from './support.ts';

const CONFIG = `[req]
distinguished_name=dn
prompt=no
[dn]
CN=Old root
[root]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[issuer]
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign
subjectKeyIdentifier=hash
[server]
basicConstraints=critical,CA:TRUE
extendedKeyUsage=serverAuth
[leaf]
basicConstraints=CA:FALSE
[lists]
basicConstraints=critical,CA:TRUE
keyUsage=critical,cRLSign
[bare]
basicConstraints=critical,CA:TRUE
subjectKeyIdentifier=none
authorityKeyIdentifier=none
[strange]
basicConstraints=critical,CA:TRUE
1.2.3.4=critical,DER:0500
`;

/** openssl is part of every system that builds Node's; a machine without it leaves these tests out, and says so. */
describe('pki: import of authorities', function () {
  this.timeout(60_000);
  let folder = '';
  let remove: (() => Promise<void>) | undefined;
  let keystore: Keystore;
  const path = (name: string): string => join(folder, name);
  const text = (name: string): Promise<string> => readFile(path(name), 'utf8');
  const bytes = async (name: string): Promise<Uint8Array> => new Uint8Array(await readFile(path(name)));

  /** A certificate of `section`, signed by `by` or by itself. */
  const certificate = async (name: string, section: string, by?: string, kind = 'EC', days = '30'): Promise<void> => {
    const options =
      kind === 'EC' ? ['-pkeyopt', 'ec_paramgen_curve:P-256'] : ['-pkeyopt', `rsa_keygen_bits:${kind.slice(3)}`];
    await openssl(['genpkey', '-algorithm', kind.slice(0, 3).trim(), ...options, '-out', path(`${name}.key`)]);
    const common = ['-config', path('ca.cnf'), '-subj', `/CN=${name}`, '-key', path(`${name}.key`)];
    if (by === undefined) {
      await openssl([
        'req',
        '-x509',
        '-new',
        ...common,
        '-extensions',
        section,
        '-days',
        days,
        '-out',
        path(`${name}.pem`),
      ]);
      return;
    }
    await openssl(['req', '-new', ...common, '-out', path(`${name}.csr`)]);
    const signer = [
      '-CA',
      path(`${by}.pem`),
      '-CAkey',
      path(`${by}.key`),
      '-extfile',
      path('ca.cnf'),
      '-extensions',
      section,
    ];
    await openssl(['x509', '-req', '-in', path(`${name}.csr`), ...signer, '-days', days, '-out', path(`${name}.pem`)]);
  };

  before(async function () {
    await openssl(['version']).catch(() => {
      console.log('      left out: openssl is not installed');
      this.skip();
    });
    ({ folder, remove } = await scratch());
    keystore = await testKeystore();
    await put(folder, 'ca.cnf', CONFIG);
    await certificate('root', 'root');
    await certificate('issuer', 'issuer', 'root');
    await certificate('rsa', 'root', undefined, 'RSA2048');
    await openssl([
      'pkcs8',
      '-topk8',
      '-in',
      path('issuer.key'),
      '-out',
      path('issuer.enc'),
      '-passout',
      'pass:open sesame',
    ]);
    await openssl(['ec', '-in', path('issuer.key'), '-out', path('issuer.sec1')]);
    const chain = ['-certfile', path('root.pem'), '-in', path('issuer.pem'), '-inkey', path('issuer.key')];
    await openssl(['pkcs12', '-export', ...chain, '-passout', 'pass:open sesame', '-out', path('issuer.p12')]);
    const old = ['-legacy', '-in', path('rsa.pem'), '-inkey', path('rsa.key')];
    await openssl(['pkcs12', '-export', ...old, '-passout', 'pass:open sesame', '-out', path('rsa.p12')]);
    const bare = ['-keypbe', 'NONE', '-certpbe', 'NONE', '-nomac', '-in', path('rsa.pem'), '-inkey', path('rsa.key')];
    await openssl(['pkcs12', '-export', ...bare, '-passout', 'pass:', '-out', path('bare.p12')]);
  });
  after(async () => {
    keystore?.close();
    await remove?.();
  });

  const issue = async (authority: Authority) =>
    await authority.issueDevice({ namespace: NAMESPACE, mac: MAC, csr: await csrOf() });
  const verifies = async (issued: { pem: string; authorities: string }): Promise<void> => {
    const [leaf, ca] = [await put(folder, 'leaf.pem', issued.pem), await put(folder, 'all.pem', issued.authorities)];
    assert.match(await openssl(['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', ca, leaf]), /: OK/);
  };

  it('takes an intermediate with its root as PEM, with a key in every form', async () => {
    for (const [key, passphrase] of [['issuer.key'], ['issuer.sec1'], ['issuer.enc', 'open sesame']] as const) {
      const authority = new Authority(new MemoryStore(), keystore);
      const certificates = (await text('root.pem')) + (await text('issuer.pem'));
      const source = {
        certificates,
        key: await bytes(key),
        ...(passphrase && { passphrase: Buffer.from(passphrase) }),
      };
      assert.equal((await authority.importNamespace(NAMESPACE, source)).commonName, 'issuer');
      await verifies(await issue(authority));
    }
  });

  it('takes an intermediate as PKCS#12', async () => {
    const authority = new Authority(new MemoryStore(), keystore);
    const pkcs12 = await bytes('issuer.p12');
    for (const wrong of ['wrong', '']) {
      const source = { pkcs12, passphrase: Buffer.from(wrong) };
      await assert.rejects(authority.importNamespace(NAMESPACE, source), { code: 'BAD_PKCS12' });
    }
    await authority.importNamespace(NAMESPACE, { pkcs12, passphrase: Buffer.from('open sesame') });
    await verifies(await issue(authority));
  });

  it('takes an RSA root, from a file of old ciphers too, and signs intermediates with it', async () => {
    for (const [file, passphrase] of [
      ['rsa.p12', 'open sesame'],
      ['bare.p12', ''],
    ] as const) {
      const authority = new Authority(new MemoryStore(), keystore);
      const source = { pkcs12: await bytes(file), passphrase: Buffer.from(passphrase) };
      assert.equal((await authority.importRoot(source, { passphrase: PASSPHRASE })).key.name, 'RSA 2048');
      const made = await authority.createNamespace(NAMESPACE, {}, { passphrase: PASSPHRASE });
      assert.equal(made.signatureAlgorithm, 'RSA with SHA-256');
      await verifies(await issue(authority));
    }
  });

  it('issues with an RSA key for devices with RSA keys, where a namespace takes them', async () => {
    const authority = new Authority(new MemoryStore(), keystore);
    const source = { certificates: await text('rsa.pem'), key: await bytes('rsa.key') };
    await authority.importNamespace(NAMESPACE, source, { keys: 'P-256 or RSA' });
    await openssl([
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      path('d.key'),
      '-subj',
      '/CN=x',
      '-out',
      path('d.csr'),
    ]);
    const issued = await authority.issueDevice({ namespace: NAMESPACE, mac: MAC, csr: await text('d.csr') });
    const leaf = parseCertificate(issued.pem);
    assert.deepEqual([leaf.key.name, leaf.signatureAlgorithm], ['RSA 2048', 'RSA with SHA-256']);
    await verifies(issued);
    await authority.changeSettings(NAMESPACE, {});
    await assert.rejects(authority.issueDevice({ namespace: NAMESPACE, mac: MAC, csr: await text('d.csr') }), {
      code: 'CSR_KEY_REFUSED',
    });
  });

  it('refuses what may not issue, and keeps nothing of it', async () => {
    await certificate('leaf', 'leaf', 'root');
    await certificate('server', 'server', 'root');
    await certificate('strange', 'strange', 'root');
    await certificate('below', 'issuer', 'issuer');
    await certificate('small', 'root', undefined, 'RSA1024');
    await certificate('lists', 'lists', 'root');
    // Two roots of one name that nothing but their keys tells apart.
    await certificate('twin', 'bare');
    await certificate('child', 'bare', 'twin');
    await certificate('twin', 'bare');
    const store = new MemoryStore();
    const authority = new Authority(store, keystore);
    const all = (...names: string[]) =>
      Promise.all(names.map((name) => text(`${name}.pem`))).then((list) => list.join(''));
    const cases: [RegExp, string, string[]][] = [
      [/not the certificate of an authority/, 'leaf', ['leaf', 'root']],
      [/may not issue for clients/, 'server', ['server', 'root']],
      [/critical extensions that are not known here: 1\.2\.3\.4/, 'strange', ['strange', 'root']],
      [/lets 0 authorities follow/, 'below', ['below', 'issuer', 'root']],
      [/Nobody among the certificates signed/, 'issuer', ['issuer']],
      [/not the certificate of an authority/, 'lists', ['lists', 'root']],
      [/Nobody among the certificates signed/, 'child', ['child', 'twin']],
      [/belongs to none/, 'root', ['issuer']],
      [/RSA 1024/, 'small', ['small']],
    ];
    for (const [what, key, names] of cases) {
      const source = { certificates: await all(...names), key: await bytes(`${key}.key`) };
      await assert.rejects(
        authority.importNamespace(NAMESPACE, source),
        (error: { code: string; message: string }) => error.code === 'BAD_IMPORT' && what.test(error.message),
        String(what),
      );
    }
    const issuer = { certificates: await all('issuer', 'root'), key: await bytes('issuer.key') };
    await assert.rejects(authority.importRoot(issuer, { passphrase: PASSPHRASE }), { code: 'BAD_IMPORT' });
    await assert.rejects(authority.importNamespace(NAMESPACE, { ...issuer, key: await bytes('issuer.enc') }), {
      code: 'BAD_PASSPHRASE',
    });
    await assert.rejects(authority.importNamespace(NAMESPACE, { ...issuer, certificates: '' }), { code: 'BAD_IMPORT' });
    const later = new Authority(store, keystore, { clock: () => Date.now() + 31 * 86_400_000 });
    await assert.rejects(later.importNamespace(NAMESPACE, issuer), { code: 'BAD_IMPORT' });
    assert.deepEqual([store.keys.size, store.certificates.size, store.namespaces.size], [0, 0, 0]);
  });

  it('reads PKCS#12 whatever the passphrase, the digest and the rounds', async () => {
    const own = forge.pkcs5.pbkdf2;
    const passphrase = 'schlüssel–鍵';
    await put(folder, 'passphrase', passphrase);
    const chain = ['-in', path('issuer.pem'), '-inkey', path('issuer.key'), '-passout', `file:${path('passphrase')}`];
    for (const options of [[], ['-legacy'], ['-macalg', 'sha512'], ['-iter', '100000', '-maciter']]) {
      await openssl(['pkcs12', '-export', ...options, ...chain, '-out', path('odd.p12')]);
      const { key, certificates } = readPkcs12(await bytes('odd.p12'), Buffer.from(passphrase));
      assert.deepEqual([key.asymmetricKeyType, certificates.map(({ commonName }) => commonName)], ['ec', ['issuer']]);
      const wrong = await bytes('odd.p12');
      assert.throws(() => readPkcs12(wrong, Buffer.from('schlussel')), { code: 'BAD_PKCS12' });
    }
    assert.equal(forge.pkcs5.pbkdf2, own, 'others find forge as it is');
  });

  it('refuses hostile PKCS#12 files soon', async () => {
    const good = await bytes('issuer.p12');
    const pass = Buffer.from('open sesame');
    const broken = [
      new Uint8Array(1 << 20),
      Uint8Array.of(0x30, 0x80),
      new Uint8Array(0),
      good.subarray(0, 500),
      new Uint8Array(5000).fill(0x30),
    ];
    for (const bad of broken) assert.throws(() => readPkcs12(bad, pass), { code: 'BAD_PKCS12' });
    const data = (content: Uint8Array): Uint8Array =>
      sequence(oid('1.2.840.113549.1.7.1'), explicit(0, octets(content)));
    const salt = octets(new Uint8Array(8));
    const digest = sequence(sequence(oid('2.16.840.1.101.3.4.2.1'), NULL), octets(new Uint8Array(32)));
    const rounds = integer(0x7fffffff);
    const pbkdf2 = sequence(oid('1.2.840.113549.1.5.12'), sequence(salt, rounds));
    const encrypted = sequence(oid('1.2.840.113549.1.7.6'), explicit(0, sequence(integer(0), pbkdf2)));
    for (const slow of [
      sequence(integer(3), data(sequence()), sequence(digest, salt, rounds)),
      sequence(integer(3), data(sequence(encrypted))),
      sequence(integer(3), data(sequence()), sequence(digest, salt, unsigned(new Uint8Array(20).fill(1)))),
    ]) {
      assert.throws(
        () => readPkcs12(slow, pass),
        (error: { code: string; message: string }) => error.code === 'BAD_PKCS12' && /rounds/.test(error.message),
      );
    }
  });
});
