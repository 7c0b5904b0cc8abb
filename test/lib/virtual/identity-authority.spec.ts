import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { IDENTITY_LAYOUTS, identityRecipe } from '../../../lib/esp/index.ts';
import { OID } from '../../../lib/pki/der/oids.ts';
import { bitString, integer, NULL, oid, sequence, tlv } from '../../../lib/pki/der/writer.ts';
import { createIdentityKey, toPemBytes } from '../../../lib/pki/index.ts';
import { type DeviceRequest, type Issued, nodePki } from '../../../lib/pki/node.ts';
import { MAC, NAMESPACE, PASSPHRASE, PLAIN_MAC, type World, world } from '../pki/support.ts';
import { identityBench } from './identity-bench.ts';

/** A key and a request of the kind that old fleets have. */
function rsaIdentity(): { privateKey: Uint8Array; csr: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
  const info = sequence(integer(0), sequence(), spki, tlv(0xa0));
  return {
    privateKey: toPemBytes('PRIVATE KEY', new Uint8Array(privateKey.export({ type: 'pkcs8', format: 'der' }))),
    csr: sequence(info, sequence(oid(OID.rsaSha256), NULL), bitString(sign('sha256', info, privateKey))),
  };
}

describe('an identity of the authority, flashed and read by the chip', function () {
  this.timeout(30_000);
  const open: (() => unknown)[] = [];
  let here: World;
  before(async () => {
    here = await world({ crlBaseUrl: 'http://crl.example.com', organisation: 'Example & Söhne' });
  });
  after(() => here?.close());
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  /** From minting to what the chip says. */
  async function through(
    layout: (typeof IDENTITY_LAYOUTS)[number],
    { privateKey, csr }: { privateKey: Uint8Array; csr: Uint8Array },
    request: Partial<DeviceRequest> = {},
  ): Promise<{ issued: Issued; lines: string[] }> {
    const issued = await here.authority.issueDevice({ namespace: NAMESPACE, mac: MAC, csr, ...request });
    const text = Buffer.from(privateKey).toString();
    const secrets = (handle: string): Uint8Array => (handle === 'h:key' ? privateKey.slice() : assert.fail(handle));
    const { run } = identityBench(open, secrets, [text.slice(40, 80), text.slice(90, 120)]);
    const parts = {
      certificate: issued.chain,
      key: { handle: 'h:key' },
      ca: issued.authorities,
      extra: layout === 'gateway-esp' ? { brokerHost: 'broker.example.com' } : {},
    };
    const recipe = identityRecipe({ purpose: 'provisioning', layout, parts });
    const lines = await run(recipe, { layout });
    return { issued, lines };
  }

  for (const layout of IDENTITY_LAYOUTS) {
    it(`${layout}: found, with the name, the end and the authorities that it was issued with`, async () => {
      const key = await createIdentityKey(nodePki, { namespace: NAMESPACE, mac: MAC });
      const { issued, lines } = await through(layout, key);
      const end = new Date(issued.notAfter).toISOString().replace('T', ' ').replace('.000Z', ' UTC');
      const wanted = [
        `I scadable: identity found: CN=${NAMESPACE}:${PLAIN_MAC}, valid until ${end}`,
        `I scadable: authority: Keyway ${NAMESPACE}, Keyway root`,
      ];
      for (const line of wanted) assert.ok(lines.includes(line), lines.join('\n'));
      await here.authority.markLive(issued.serial);
      await here.authority.revoke(issued.serial);
    });
  }

  it('the longest name that a certificate holds', async () => {
    const namespace = 'n'.repeat(51);
    await here.authority.createNamespace(namespace, {}, { passphrase: PASSPHRASE });
    const key = await createIdentityKey(nodePki, { namespace, mac: MAC });
    const { lines } = await through('gateway-esp', key, { namespace });
    assert.ok(lines.join('\n').includes(`identity found: CN=${namespace}:${PLAIN_MAC},`), lines.join('\n'));
  });

  it('an RSA key, where the namespace takes one', async () => {
    await here.authority.createNamespace('old', { keys: 'P-256 or RSA' }, { passphrase: PASSPHRASE });
    for (const layout of IDENTITY_LAYOUTS) {
      const { lines } = await through(layout, rsaIdentity(), { namespace: 'old' });
      assert.ok(lines.join('\n').includes(`identity found: CN=old:${PLAIN_MAC},`), lines.join('\n'));
      for (const close of open.splice(0).reverse()) await close();
    }
  });

  it('not with the key of another certificate', async () => {
    const [mine, other] = await Promise.all(
      [0, 1].map(() => createIdentityKey(nodePki, { namespace: NAMESPACE, mac: MAC })),
    );
    assert.ok(mine && other);
    const { lines } = await through('scadable', { privateKey: other.privateKey, csr: mine.csr });
    assert.ok(
      lines.some((line) => /SCADABLE_ERR_NO_CERT \(scadable_certs\/key is not the key of the certificate\)/.test(line)),
      lines.join('\n'),
    );
  });
});
