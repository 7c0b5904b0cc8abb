import assert from 'node:assert/strict';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { createCsr, parseCertificate } from '../../../lib/pki/index.ts';
import { Authority, type AuthorityOptions, createTicket, nodePki } from '../../../lib/pki/node.ts';
import { openSqliteRegistry, type Registry } from '../../../lib/registry/index.ts';
import {
  credentialSeal,
  type Keystore,
  type KeystoreOptions,
  makeKeyFile,
  openKeystore,
} from '../../../lib/vault/index.ts';
import { csrOf, MAC, NAMESPACE, PASSPHRASE, scratch } from './support.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const DAY = 86_400_000;

interface Open {
  readonly registry: Registry;
  readonly keystore: Keystore;
  readonly authority: Authority;
}

describe('pki: the authority on a registry', () => {
  let folder = '';
  let remove: (() => Promise<void>) | undefined;
  let now = NOW;
  const key = (name: string) => ({ file: join(folder, name) });

  beforeEach(async () => {
    ({ folder, remove } = await scratch());
    now = NOW;
    await makeKeyFile(key('old').file);
    await makeKeyFile(key('new').file);
  });
  afterEach(() => remove?.());

  /** Opens the registry, works with it, and closes it whatever comes of that. */
  async function use<T>(
    options: KeystoreOptions,
    work: (open: Open) => Promise<T>,
    more: AuthorityOptions = {},
  ): Promise<T> {
    const keystore = await openKeystore(options);
    try {
      const clock = { now: () => now };
      const text = new TextDecoder();
      const registry = await openSqliteRegistry({
        path: join(folder, 'registry.sqlite'),
        clock,
        keystore: {
          seal: (purpose, bytes, owner) => keystore.seal(purpose, bytes, text.decode(owner)),
          unseal: (purpose, bytes, owner) => keystore.unseal(purpose, bytes, text.decode(owner)),
        },
      });
      try {
        const authority = new Authority(registry, keystore, { ...more, clock: clock.now });
        try {
          return await work({ registry, keystore, authority });
        } finally {
          await authority.close();
        }
      } finally {
        await registry.close();
      }
    } finally {
      keystore.close();
    }
  }

  const begin = async ({ authority }: Open): Promise<void> => {
    await authority.createRoot({ passphrase: PASSPHRASE });
    await authority.createNamespace(NAMESPACE, { brokerHost: 'broker.example.com' }, { passphrase: PASSPHRASE });
    await authority.createServices({ passphrase: PASSPHRASE });
  };
  const device = async (more: object = {}) => ({ namespace: NAMESPACE, mac: MAC, csr: await csrOf(), ...more });

  it('a keystore’s key is changed: everything sealed goes over to the new one', async () => {
    const secret = Buffer.from('a password of a device');
    let id = '';
    await use({ source: key('old') }, async (open) => {
      await begin(open);
      const { registry, keystore } = open;
      for (let i = 0; i < 3; i++) {
        ({ id } = await registry.addDevice({ namespace: NAMESPACE, name: `gateway ${i}` }));
        const { purpose, owner } = credentialSeal(id, 'mqtt-basic');
        await registry.putCredential({ device: id, kind: 'mqtt-basic', sealed: keystore.seal(purpose, secret, owner) });
      }
    });
    await assert.rejects(use({ source: key('new') }, begin), { code: 'KEYSTORE_WRONG_KEY' });
    await use({ source: key('new'), previous: [key('old')] }, async ({ registry, authority }) => {
      // The root, its list, the services, the namespace, the audit log; three credentials.
      assert.deepEqual(await authority.rewrap(registry), { changed: 8, same: 0, failed: [] });
      assert.deepEqual(await authority.rewrap(registry), { changed: 0, same: 8, failed: [] });
    });
    await use({ source: key('new') }, async ({ registry, keystore, authority }) => {
      await authority.issueDevice(await device());
      await authority.createNamespace('second', {}, { passphrase: PASSPHRASE });
      assert.equal((await registry.verifyAudit()).holds, true);
      const { purpose, owner } = credentialSeal(id, 'mqtt-basic');
      const { sealed } = (await registry.credential(id, 'mqtt-basic')) ?? assert.fail('it is gone');
      assert.deepEqual(keystore.unseal(purpose, sealed, owner), secret);
    });
    await assert.rejects(
      use({ source: key('old') }, async () => undefined),
      { code: 'KEYSTORE_WRONG_KEY' },
    );
  });

  it('what does not open when a key is changed is named, and the rest goes over', async () => {
    await use({ source: key('old') }, async (open) => {
      await begin(open);
      const damaged = (await open.registry.keyRecord('ca.services')) as Uint8Array;
      await open.registry.putKeyRecord('ca.namespace.gone', damaged);
      const { id } = await open.registry.addDevice({ namespace: NAMESPACE, id: 'gateway', name: 'gateway' });
      await open.registry.putCredential({ device: id, kind: 'scbk', sealed: Uint8Array.of(1, 2, 3) });
    });
    const both = { source: key('new'), previous: [key('old')] };
    assert.deepEqual(await use(both, ({ authority, registry }) => authority.rewrap(registry)), {
      changed: 5,
      same: 0,
      failed: [
        { record: 'ca.namespace.gone', code: 'KEYSTORE_DAMAGED' },
        { record: 'gateway scbk', code: 'KEYSTORE_DAMAGED' },
      ],
    });
  });

  it('a key is one device’s: a second device is refused, the same one not', async () => {
    await use({ source: key('old') }, async (open) => {
      await begin(open);
      const { authority, registry } = open;
      const request = await createCsr(nodePki, 'a');
      const again = await createCsr(nodePki, 'b', request.key);
      const first = await authority.issueDevice(await device({ csr: request.der }));
      const other = await device({ csr: again.der, mac: '24:6f:28:aa:bb:0d' });
      await assert.rejects(authority.issueDevice(other), { code: 'KEY_IN_USE' });
      await authority.createNamespace('second', {}, { passphrase: PASSPHRASE });
      await assert.rejects(authority.issueDevice({ ...other, namespace: 'second' }), { code: 'KEY_IN_USE' });
      const second = await authority.issueDevice(await device({ csr: again.der }));
      await authority.markLive(second.serial);
      assert.equal((await registry.certificate(first.serial))?.state, 'revoked');
      await authority.revoke(second.serial, 1);
      await assert.rejects(authority.issueDevice(await device({ csr: request.der })), { code: 'KEY_IN_USE' });
      await authority.issueDevice(await device());
    });
  });

  it('nothing is issued or redeemed while the clock is behind, and all goes on after', async () => {
    await use({ source: key('old') }, async (open) => {
      await begin(open);
      const { authority, registry } = open;
      const { ticket } = await createTicket(registry, { namespace: NAMESPACE, mac: MAC }, await authority.time());
      assert.match(ticket, /^kwt_/);
      now = NOW - DAY;
      await assert.rejects(authority.issueDevice(await device()), { code: 'CLOCK_BEHIND' });
      await assert.rejects(authority.time(), { code: 'CLOCK_BEHIND' });
      await assert.rejects(registry.redeemTicket('00'.repeat(32)), { code: 'CLOCK_BEHIND' });
      await assert.rejects(authority.createNamespace('b', {}, { passphrase: PASSPHRASE }), { code: 'CLOCK_BEHIND' });
      assert.deepEqual(await registry.certificatesOf(NAMESPACE, '246f28aabb0c'), []);
      now = NOW + 1;
      const issued = await authority.issueDevice(await device());
      assert.equal(parseCertificate(issued.der).notBefore, NOW - 300_000);
    });
  });

  it('a pending certificate whose time is over does not go live', async () => {
    await use({ source: key('old') }, async (open) => {
      await begin(open);
      const { authority, registry } = open;
      const late = await authority.issueDevice(await device());
      now = late.notAfter;
      await assert.rejects(authority.markLive(late.serial), { code: 'CERTIFICATE_STATE' });
      assert.equal((await registry.certificate(late.serial))?.state, 'pending');
      const next = await authority.issueDevice(await device());
      await authority.markLive(next.serial);
      // What is live stays so when that is said again, also later.
      now = next.notAfter + DAY;
      await authority.markLive(next.serial);
    });
  });

  it('a namespace of 51 characters fills the 64 of a common name', async () => {
    await use({ source: key('old') }, async (open) => {
      await begin(open);
      const longest = 'n'.repeat(51);
      await open.authority.createNamespace(longest, {}, { passphrase: PASSPHRASE });
      for (const mac of [
        '24:6F:28:AA:BB:0E',
        '24-6f-28-aa-bb-0f',
        '246f.28aa.bb10',
        '246F28AABB11',
        '24:6f:28:AA:bb:12',
      ]) {
        const { der } = await open.authority.issueDevice(await device({ namespace: longest, mac }));
        const { commonName } = parseCertificate(der);
        assert.equal(commonName, `${longest}:${mac.replace(/[:.-]/g, '').toLowerCase()}`);
        assert.equal(commonName.length, 64);
      }
      const created = open.authority.createNamespace('n'.repeat(52), {}, { passphrase: PASSPHRASE });
      await assert.rejects(created, { code: 'BAD_NAMESPACE' });
    });
  });

  it('shows no key of an authority when it is looked into, nor when it fails', async () => {
    const marks: string[] = [];
    await use(
      { source: key('old') },
      async (open) => {
        await begin(open);
        const { registry, keystore, authority } = open;
        await authority.issueDevice(await device());
        for (const name of ['ca.namespace.plant-7', 'ca.services']) {
          const record = keystore.unseal('authority', (await registry.keyRecord(name)) as Uint8Array, name);
          // The private number of a P-256 key in PKCS#8 (RFC 5915).
          const at = record.indexOf(Buffer.from('0201010420', 'hex')) + 5;
          assert.ok(at > 5);
          const scalar = record.subarray(at, at + 32);
          assert.equal(scalar.length, 32);
          marks.push(
            scalar.toString('hex'),
            scalar.toString('base64').slice(0, 40),
            [...scalar].slice(0, 8).join(', '),
          );
        }
        const errors: unknown[] = [];
        await registry.putKeyRecord('ca.namespace.second', (await registry.keyRecord('ca.services')) as Uint8Array);
        await registry.putNamespace({ name: 'second', settings: {} });
        for (const wrong of [
          () => authority.issueDevice({ namespace: 'second', mac: MAC, csr: new Uint8Array(5) }),
          () => authority.createNamespace('third', {}, { passphrase: Buffer.from('wrong but long enough') }),
          async () =>
            authority.importNamespace('fourth', {
              certificates: '',
              key: keystore.unseal('authority', (await registry.keyRecord('ca.services')) as Uint8Array, 'ca.services'),
            }),
        ]) {
          await wrong().then(
            () => assert.fail('it went well'),
            (error: unknown) => errors.push(error),
          );
        }
        const { entries } = { entries: (await registry.auditLog({}, { limit: 1000 })).items };
        const shown = [authority, keystore, await authority.state(), errors, entries].map((one) =>
          inspect(one, { depth: 20, showHidden: true, maxArrayLength: 10_000, maxStringLength: null }),
        );
        const text = [...shown, JSON.stringify([authority, keystore, errors, entries])].join('\n');
        for (const mark of marks) assert.ok(!text.includes(mark), 'a key is shown');
      },
      { pool: { workers: 1 } },
    );
  });
});
