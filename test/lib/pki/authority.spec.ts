import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { loadMaterial, openKey } from '../../../lib/pki/authority/material.ts';
import { encryptPrivateKey } from '../../../lib/pki/authority/passphrase.ts';
import { parseCertificate, parsePem, toPem } from '../../../lib/pki/index.ts';
import { Authority } from '../../../lib/pki/node.ts';
import { MemoryStore } from './memory-store.ts';
import {
  csrOf,
  MAC,
  NAMESPACE,
  openssl,
  PASSPHRASE,
  PLAIN_MAC,
  put,
  scratch,
  testKeystore,
  type World,
  world,
} from './support.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 22, 12, 0, 0, 500);

describe('pki: the authority', () => {
  const open: World[] = [];
  const make = async (...args: Parameters<typeof world>): Promise<World> => {
    const made = await world(...args);
    open.push(made);
    return made;
  };
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
  });

  const device = async (more: object = {}) => ({ namespace: NAMESPACE, mac: MAC, csr: await csrOf(), ...more });

  it('issues through root and intermediate what X.509 says it must', async () => {
    const { authority, store } = await make({
      clock: () => NOW,
      crlBaseUrl: 'http://crl.example.com/',
      organisation: 'Example',
    });
    const issued = await authority.issueDevice(await device());
    const leaf = parseCertificate(issued.pem);
    assert.equal(leaf.subjectText, `CN=${NAMESPACE}:${PLAIN_MAC}`);
    assert.equal(leaf.serial, issued.serial);
    assert.match(issued.serial, /^[0-9a-f]{32}$/);
    assert.deepEqual(leaf.alternativeNames, [{ kind: 'dns', value: 'broker.example.com' }]);
    assert.deepEqual(leaf.purposes, ['clientAuth']);
    assert.deepEqual(leaf.keyUsage, ['digitalSignature']);
    assert.equal(leaf.authority, null);
    assert.deepEqual(leaf.crlUrls, [`http://crl.example.com/crl/${NAMESPACE}.crl`]);
    assert.equal(leaf.notBefore, Date.UTC(2026, 10, 22, 11, 55));
    assert.equal(leaf.notAfter, Date.UTC(2026, 10, 29, 12));
    const [intermediate, root] = parsePem(issued.authorities).map(({ bytes }) => parseCertificate(bytes));
    assert.ok(intermediate && root);
    assert.equal(leaf.authorityKeyId, intermediate.keyId);
    assert.equal(intermediate.authorityKeyId, root.keyId);
    assert.deepEqual(intermediate.authority, { pathLength: 0 });
    assert.deepEqual(intermediate.keyUsage, ['keyCertSign', 'cRLSign']);
    assert.deepEqual(intermediate.crlUrls, ['http://crl.example.com/root.crl']);
    assert.deepEqual([intermediate.purposes, root.purposes], [['clientAuth'], null]);
    const { services } = await authority.state();
    assert.deepEqual(services?.purposes, ['serverAuth']);
    for (const { der } of [leaf, intermediate, root]) {
      // Basic constraints and key usage, each marked as critical: RFC 5280 §4.2.1.9, §4.2.1.3.
      for (const extension of ['0603551d130101ff', '0603551d0f0101ff']) {
        assert.ok(Buffer.from(der).includes(Buffer.from(extension, 'hex')), extension);
      }
    }
    assert.equal(issued.chain, issued.pem + toPem('CERTIFICATE', intermediate.der));
    const [x, y, z] = [leaf, intermediate, root].map(({ der }) => new X509Certificate(der)) as [
      X509Certificate,
      X509Certificate,
      X509Certificate,
    ];
    assert.ok(
      x.checkIssued(y) && x.verify(y.publicKey) && y.checkIssued(z) && y.verify(z.publicKey) && z.verify(z.publicKey),
    );
    const kept = await store.certificate(issued.serial);
    assert.deepEqual(
      { ...kept, der: 0 },
      {
        ...{ serial: issued.serial, namespace: NAMESPACE, device: PLAIN_MAC, kind: 'device', state: 'pending' },
        ...{ notBefore: leaf.notBefore, notAfter: leaf.notAfter, der: 0, publicKeyHash: issued.publicKeyHash },
      },
    );
    assert.deepEqual(kept?.der, leaf.der);
  });

  it('takes subject and names from its caller alone, whatever the CSR asks for', async () => {
    const { authority } = await make();
    const { folder, remove } = await scratch();
    try {
      const config = await put(
        folder,
        'req.cnf',
        '[req]\ndistinguished_name=dn\nreq_extensions=ext\nprompt=no\n[dn]\nCN=keyway:admin\nO=Evil\n[ext]\nbasicConstraints=critical,CA:TRUE\nsubjectAltName=DNS:evil.example.com\nextendedKeyUsage=serverAuth\n',
      );
      const out = `${folder}/csr.pem`;
      await openssl([
        'req',
        '-new',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        `${folder}/key.pem`,
        '-config',
        config,
        '-out',
        out,
      ]);
      const leaf = parseCertificate(
        (await authority.issueDevice(await device({ csr: await readFile(out, 'utf8') }))).der,
      );
      assert.equal(leaf.subjectText, `CN=${NAMESPACE}:${PLAIN_MAC}`);
      assert.deepEqual(leaf.alternativeNames, [{ kind: 'dns', value: 'broker.example.com' }]);
      assert.equal(leaf.authority, null);
      assert.deepEqual(leaf.purposes, ['clientAuth']);
      assert.ok(!Buffer.from(leaf.der).includes('vil'));
    } finally {
      await remove();
    }
  });

  it('draws 128-bit serial numbers that do not repeat', async () => {
    const { authority } = await make();
    const csrs = await Promise.all(Array.from({ length: 300 }, () => csrOf()));
    const requests = csrs.map((csr, i) => ({ namespace: NAMESPACE, mac: (0x240000000000 + i).toString(16), csr }));
    const settled = await authority.issueDevices(requests);
    const serials = settled.map((one) =>
      one.status === 'fulfilled' ? one.value.serial : assert.fail(String(one.reason)),
    );
    assert.equal(new Set(serials).size, 300);
    const ones = serials
      .join('')
      .replace(/./g, (digit) => Number.parseInt(digit, 16).toString(2).replaceAll('0', '')).length;
    assert.ok(Math.abs(ones - 300 * 64) < 1000, `${ones} of ${300 * 128} bits are set`);
  });

  it('needs an explicit replace where a device holds a live one, which it revokes when the new one is live', async () => {
    const { authority, store } = await make();
    const state = async (serial: string) => (await store.certificate(serial))?.state;
    const first = await authority.issueDevice(await device());
    await authority.markLive(first.serial);
    await authority.markLive(first.serial);
    await assert.rejects(authority.issueDevice(await device()), { code: 'DEVICE_HAS_LIVE' });
    const second = await authority.issueDevice(await device({ replace: true }));
    assert.equal(await state(first.serial), 'live', 'until the chip has the new one');
    const third = await authority.issueDevice(await device({ replace: true }));
    await authority.markLive(third.serial);
    assert.deepEqual(await Promise.all([first, second, third].map(({ serial }) => state(serial))), [
      'revoked',
      'revoked',
      'live',
    ]);
    await assert.rejects(authority.markLive(second.serial), { code: 'CERTIFICATE_STATE' });
    await assert.rejects(authority.markLive('00'.repeat(16)), { code: 'CERTIFICATE_UNKNOWN' });
    await assert.rejects(authority.revoke(third.serial, 8), { code: 'CERTIFICATE_STATE' });
    assert.deepEqual(await authority.revokeDevice(NAMESPACE, MAC, 1), [third.serial]);
    assert.equal((await store.certificate(third.serial))?.reason, 1);
    await authority.issueDevice(await device());
  });

  it('revokes of a device what is not over, whichever way it came', async () => {
    let now = NOW;
    const { authority, store } = await make({ clock: () => now });
    const over = await authority.issueDevice(await device());
    now = over.notAfter;
    const [live, pending] = [await authority.issueDevice(await device()), await authority.issueDevice(await device())];
    await store.markLive(live.serial);
    assert.deepEqual((await authority.revokeDevice(NAMESPACE, MAC)).sort(), [live.serial, pending.serial].sort());
    assert.equal((await store.certificate(over.serial))?.state, 'pending');
  });

  it('refuses while the clock is behind the newest record', async () => {
    let now = NOW;
    const { authority, store } = await make({ clock: () => now });
    store.newest = NOW + 1;
    await assert.rejects(authority.issueDevice(await device()), { code: 'CLOCK_BEHIND' });
    await assert.rejects(authority.createNamespace('other', {}, { passphrase: PASSPHRASE }), { code: 'CLOCK_BEHIND' });
    await assert.rejects(authority.time(), { code: 'CLOCK_BEHIND' });
    assert.equal(store.certificates.size, 3, 'nothing was issued');
    now = NOW + 1;
    await authority.issueDevice(await device());
  });

  it('refuses a bad request before anything is kept', async () => {
    const { authority, store } = await make();
    const before = store.certificates.size;
    const bad: [string, object][] = [
      ['BAD_MAC', { mac: '24:6f' }],
      ['BAD_NAMESPACE', { namespace: 'a/b' }],
      ['BAD_NAMESPACE', { namespace: 'keyway' }],
      ['NAMESPACE_UNKNOWN', { namespace: 'nowhere' }],
      ['BAD_CSR', { csr: Uint8Array.of(5, 0) }],
      ['CSR_TOO_LARGE', { csr: new Uint8Array(10 << 20) }],
      ['BAD_PEM', { csr: 'text' }],
      ['BAD_CSR', { csr: undefined }],
      ['BAD_CSR', { csr: { length: 1 << 30 } }],
    ];
    for (const [code, more] of bad) await assert.rejects(authority.issueDevice(await device(more)), { code }, code);
    assert.equal(store.certificates.size, before);
  });

  it('follows the settings of a namespace, and their changes', async () => {
    const { authority } = await make({ clock: () => NOW });
    await authority.changeSettings(NAMESPACE, {
      validityHours: 24,
      alternativeNames: ['dns:{broker}', 'uri:urn:dev:mac:{mac}', 'uri:urn:serial:{serial}'],
      brokerHost: '10.0.0.9',
      crlBaseUrl: 'https://other.example.com/x',
    });
    const leaf = parseCertificate((await authority.issueDevice(await device({ serial: 'S 7' }))).der);
    assert.equal(leaf.notAfter, Date.UTC(2026, 10, 23, 12));
    assert.deepEqual(leaf.alternativeNames, [
      { kind: 'ip', value: '10.0.0.9' },
      { kind: 'uri', value: `urn:dev:mac:${PLAIN_MAC}` },
      { kind: 'uri', value: 'urn:serial:S%207' },
    ]);
    assert.deepEqual(leaf.crlUrls, [`https://other.example.com/x/crl/${NAMESPACE}.crl`]);
    await assert.rejects(authority.changeSettings(NAMESPACE, { validityHours: -1 }), { code: 'BAD_SETTINGS' });
    await assert.rejects(authority.changeSettings('nowhere', {}), { code: 'NAMESPACE_UNKNOWN' });
    await assert.rejects(authority.createNamespace(NAMESPACE, {}, { passphrase: PASSPHRASE }), {
      code: 'NAMESPACE_EXISTS',
    });
  });

  it('takes no device certificate beyond its issuer’s end, and none after it', async () => {
    let now = NOW;
    const store = new MemoryStore();
    const keystore = await testKeystore(true);
    const authority = new Authority(store, keystore, { clock: () => now });
    try {
      await authority.createRoot();
      await authority.createNamespace(NAMESPACE);
      const { root, demo } = await authority.state();
      assert.ok(demo && root !== null && root.notAfter <= NOW + 30 * DAY, 'a demonstration lives 30 days');
      now = NOW + 29 * DAY;
      assert.equal((await authority.issueDevice(await device())).notAfter, root.notAfter);
      for (const time of [root.notAfter, NOW + 30 * DAY, root.notBefore - 1]) {
        now = time;
        await assert.rejects(authority.issueDevice(await device()), { code: 'ISSUER_EXPIRED' });
      }
      const real = await testKeystore();
      try {
        const refusing = new Authority(store, real);
        await assert.rejects(refusing.state(), { code: 'KEYSTORE_DEMO' });
      } finally {
        real.close();
      }
    } finally {
      await authority.close();
      keystore.close();
    }
  });

  it('keeps its root behind a passphrase, which can be taken out and put back', async () => {
    const { authority, store } = await make();
    await assert.rejects(authority.createRoot({ passphrase: PASSPHRASE }), { code: 'AUTHORITY_EXISTS' });
    for (const passphrase of [Buffer.from('wrong but long enough'), undefined]) {
      await assert.rejects(authority.createNamespace('b', {}, passphrase === undefined ? {} : { passphrase }), {
        code: 'BAD_PASSPHRASE',
      });
    }
    await assert.rejects(
      authority.takeOutRoot(Buffer.from('wrong but long enough'), async () => assert.fail('it was given')),
      { code: 'BAD_PASSPHRASE' },
    );
    const full = async () => {
      throw new Error('disk full');
    };
    await assert.rejects(authority.takeOutRoot(PASSPHRASE, full), /disk full/);
    assert.equal((await authority.state()).rootKey, true, 'what was not kept is not gone');
    let out = new Uint8Array(0) as Uint8Array;
    await authority.takeOutRoot(PASSPHRASE, async (key) => {
      out = key;
    });
    assert.equal((await authority.state()).rootKey, false);
    await assert.rejects(authority.createNamespace('b', {}, { passphrase: PASSPHRASE }), { code: 'ROOT_OUT' });
    await assert.rejects(authority.takeOutRoot(PASSPHRASE, full), { code: 'ROOT_OUT' });
    await authority.issueDevice(await device());
    createPrivateKey({ key: Buffer.from(out), format: 'der', type: 'pkcs8', passphrase: PASSPHRASE });
    const strange = new Uint8Array(
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'der' }),
    );
    const wrong = await encryptPrivateKey(strange, PASSPHRASE);
    await assert.rejects(authority.putRootBack(wrong, PASSPHRASE), { code: 'BAD_IMPORT' });
    const dear = out.slice();
    dear[Buffer.from(out).indexOf(Buffer.from('020104020120', 'hex')) + 2] = 0x7f;
    const timed = async (bytes: Uint8Array, passphrase: Uint8Array): Promise<number> => {
      const start = performance.now();
      await assert.rejects(authority.putRootBack(bytes, passphrase), { code: 'BAD_PASSPHRASE' });
      return performance.now() - start;
    };
    for (const bad of [new Uint8Array(0), out.subarray(0, 50)]) await timed(bad, PASSPHRASE);
    const guess = await timed(out, Buffer.from('wrong but long enough'));
    assert.ok((await timed(dear, PASSPHRASE)) < guess, 'what asks for more work than a guess is not tried');
    await authority.putRootBack(out, PASSPHRASE);
    await authority.createNamespace('b', {}, { passphrase: PASSPHRASE });
    assert.equal(store.namespaces.has('b'), true);
  });

  it('makes a namespace whose making was interrupted, or that the registry has alone', async () => {
    const { authority, store } = await make();
    store.namespaces.delete(NAMESPACE);
    await store.putNamespace({ name: 'alone', settings: {} });
    for (const name of [NAMESPACE, 'alone']) {
      await authority.createNamespace(name, {}, { passphrase: PASSPHRASE });
      await authority.issueDevice(await device({ namespace: name }));
    }
  });

  it('overwrites what it opened a key from', async () => {
    const { store, keystore } = await make();
    const material = (await loadMaterial(store, keystore, 'ca.services')) ?? assert.fail('there is none');
    assert.ok(material.key?.some((byte) => byte !== 0));
    assert.equal((await openKey(material)).asymmetricKeyType, 'ec');
    assert.ok(material.key?.every((byte) => byte === 0));
    const root = (await loadMaterial(store, keystore, 'ca.root')) ?? assert.fail('there is none');
    await assert.rejects(openKey(root), { code: 'BAD_PASSPHRASE' });
    assert.ok(root.key?.every((byte) => byte === 0));
  });

  it('keeps no key in clear', async () => {
    const { store } = await make();
    assert.deepEqual([...store.keys.keys()].sort(), ['ca.namespace.plant-7', 'ca.root', 'ca.root.crl', 'ca.services']);
    const head = Buffer.from('3041020100301306072a8648ce3d0201', 'hex');
    for (const [name, record] of store.keys) {
      const bytes = Buffer.from(record);
      assert.ok(!bytes.includes(head) && !bytes.includes(head.toString('base64').slice(4, 16)), name);
      assert.ok(!bytes.includes('certificate'), name);
    }
  });

  it('does not open a record that was put in another’s place', async () => {
    const { store, keystore } = await make();
    store.keys.set('ca.namespace.plant-7', store.keys.get('ca.services') as Uint8Array);
    const again = new Authority(store, keystore);
    await assert.rejects(again.issueDevice(await device()), { code: 'KEYSTORE_DAMAGED' });
  });

  it('issues for our own services, which are no clients', async () => {
    const { authority, store } = await make({ clock: () => NOW });
    const names = ['Broker.Example.com', '127.0.0.1', '::1', '*.example.com'];
    const issued = await authority.issueService({ names, csr: await csrOf() });
    const leaf = parseCertificate(issued.der);
    assert.deepEqual(leaf.purposes, ['serverAuth']);
    assert.deepEqual(
      leaf.alternativeNames.map(({ value }) => value),
      ['broker.example.com', '127.0.0.1', '0:0:0:0:0:0:0:1', '*.example.com'],
    );
    assert.equal(leaf.commonName, 'broker.example.com');
    assert.equal((await store.certificate(issued.serial))?.kind, 'service');
    assert.equal(issued.state, 'live');
    for (const bad of [
      [],
      ['a b'],
      ['a', 'b', 'c'].flatMap((one) => Array.from({ length: 9 }, (_, i) => `${one}${i}.de`)),
    ]) {
      await assert.rejects(authority.issueService({ names: bad, csr: issued.pem }), { code: 'BAD_NAME' });
    }
    await assert.rejects(authority.createServices({ passphrase: PASSPHRASE }), { code: 'AUTHORITY_EXISTS' });
  });

  it('makes no namespace without a root', async () => {
    const keystore = await testKeystore();
    try {
      const authority = new Authority(new MemoryStore(), keystore);
      await assert.rejects(authority.createNamespace('a'), { code: 'AUTHORITY_MISSING' });
      await assert.rejects(authority.createRoot(), { code: 'BAD_PASSPHRASE' });
      await assert.rejects(authority.createRoot({ passphrase: Buffer.from('short') }), { code: 'BAD_PASSPHRASE' });
      await assert.rejects(authority.createRoot({ passphrase: PASSPHRASE, validityDays: 0 }), { code: 'BAD_SETTINGS' });
      assert.deepEqual(await authority.state(), { demo: false, root: null, rootKey: false, services: null });
    } finally {
      keystore.close();
    }
  });

  it('gives the same with workers, an error for each that fails, and ends them', async () => {
    const { authority } = await make({ pool: { workers: 2 } });
    const forged = await csrOf();
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
    const good = await Promise.all(Array.from({ length: 100 }, () => csrOf()));
    const requests = good.map((csr, i) => ({
      namespace: NAMESPACE,
      mac: (0x240000000000 + i).toString(16),
      csr: i === 7 ? forged : i === 8 ? Uint8Array.of(5, 0) : csr,
    }));
    const settled = await authority.issueDevices(requests);
    for (const [i, one] of settled.entries()) {
      if (one.status === 'fulfilled') {
        assert.equal(parseCertificate(one.value.der).commonName, `${NAMESPACE}:${requests[i]?.mac}`);
        const [intermediate] = parsePem(one.value.authorities);
        assert.ok(
          new X509Certificate(one.value.der).verify(new X509Certificate(intermediate?.bytes as Uint8Array).publicKey),
        );
      } else assert.equal((one.reason as { code: string }).code, i === 7 ? 'CSR_SIGNATURE' : 'BAD_CSR');
    }
    assert.deepEqual(
      settled.map(({ status }, i) => (status === 'rejected' ? i : -1)).filter((i) => i >= 0),
      [7, 8],
    );
    const late = authority.issueDevice(await device());
    const ended = authority.close();
    await assert.rejects(late, { code: 'AUTHORITY_CLOSED' });
    await ended;
  });
});
