import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePem, toPem } from '../../lib/pki/index.ts';
import { CrlPublisher } from '../../lib/pki/node.ts';
import { NAMESPACE, openssl, PASSPHRASE, put } from '../lib/pki/support.ts';
import { DAY, type Holder, type TrustWorld, trustWorld } from '../lib/pki/trust-support.ts';

/** Says what is missing; on a machine that must have all, fails. */
function leftOut(what: string): void {
  if (process.env.KEYWAY_PEERS === 'required') throw new Error(`${what}, and KEYWAY_PEERS is "required"`);
  console.log(`    left out: ${what}`);
}

const ROOT = 'keyway/root';

describe('peers: openssl and revocation lists of ours', function () {
  this.timeout(60_000);
  let here: TrustWorld;
  let publisher: CrlPublisher | undefined;
  let holder: Holder;
  let other: Holder;
  const file: Record<string, string> = {};

  before(async function () {
    if ((await openssl(['version']).catch(() => undefined)) === undefined) {
      leftOut('openssl not found');
      this.skip();
    }
    here = await trustWorld();
    holder = await here.holder();
    other = await here.holder('246f28aabb10');
    const { registry: store, authority, clock } = here;
    const path = join(here.folder, 'broker.crl.pem');
    publisher = new CrlPublisher({
      store,
      authority,
      clock: () => clock.now,
      files: [{ path, namespaces: [NAMESPACE] }],
    });
    await publisher.start();
    const [middle, root] = parsePem(holder.issued.authorities).map(({ bytes }) => toPem('CERTIFICATE', bytes));
    file.middle = await put(here.folder, 'middle.pem', middle ?? '');
    file.root = await put(here.folder, 'root.pem', root ?? '');
    const services = toPem('CERTIFICATE', (await authority.issuer('keyway')).der);
    file.all = await put(here.folder, 'all.pem', `${middle}${services}${root}`);
    file.broker = path;
  });
  after(async () => {
    await publisher?.close();
    await here?.close();
  });

  const printed = async (name: string): Promise<string> => {
    const path = await put(here.folder, 'list.der', publisher?.current(name).der ?? new Uint8Array(0));
    return await openssl(['crl', '-inform', 'DER', '-in', path, '-noout', '-text', '-CAfile', file.all ?? '']);
  };
  /** OK, or the numbers of its errors. */
  const verify = async ({ issued }: Holder, ...options: string[]): Promise<string> => {
    const leaf = await put(here.folder, 'leaf.pem', issued.pem);
    const time = ['-attime', String(here.clock.now / 1000)];
    const files = ['-x509_strict', '-CAfile', file.root ?? '', '-untrusted', file.middle ?? ''];
    const crl = ['-CRLfile', file.broker ?? ''];
    const said = await openssl(['verify', ...time, ...files, ...crl, ...options, leaf]).catch(String);
    const errors = [...said.matchAll(/^error (\d+) at (\d) depth/gm)].map((match) => `${match[1]}@${match[2]}`);
    return errors.length === 0 && /: OK/.test(said) ? 'OK' : errors.join(' ') || said;
  };

  it('reads and verifies each of them', async () => {
    for (const name of [NAMESPACE, 'keyway', ROOT]) {
      const text = await printed(name);
      assert.match(text, /verify OK/, name);
      assert.match(text, /Version 2[\s\S]*X509v3 CRL Number/, name);
      assert.match(text, /No Revoked Certificates/, name);
      assert.equal(/Issuing Distribution Point: critical/.test(text), name !== ROOT, name);
    }
  });

  it('takes whoever is not listed, and refuses whoever is, along the whole chain', async () => {
    for (const check of ['-crl_check', '-crl_check_all']) assert.equal(await verify(holder, check), 'OK', check);
    await here.authority.revoke(holder.issued.serial, 1);
    await publisher?.publish(NAMESPACE);
    for (const check of ['-crl_check', '-crl_check_all']) {
      assert.equal(await verify(holder, check), '23@0', check);
      assert.equal(await verify(other, check), 'OK', check);
    }
    const text = await printed(NAMESPACE);
    assert.match(text, new RegExp(`Serial Number: ${holder.issued.serial.replace(/^0+/, '')}`, 'i'));
    assert.match(text, /Revocation Date: Nov 22 12:00:00 2026 GMT/);
    assert.match(text, /X509v3 CRL Reason Code:\s+Key Compromise/);
  });

  it('the file of a broker is read as its lists, and is over after a day', async () => {
    assert.equal((await readFile(file.broker ?? '', 'utf8')).match(/BEGIN X509 CRL/g)?.length, 2);
    here.clock.now += DAY + 1000;
    assert.match(await verify(other, '-crl_check'), /^12@0/);
    await publisher?.publish(NAMESPACE);
    assert.equal(await verify(other, '-crl_check_all'), 'OK');
  });

  it('an authority on the root’s list takes all of its devices with it', async () => {
    const { serial } = await here.authority.issuer(NAMESPACE);
    await here.authority.revoke(serial, 2);
    await here.authority.renewRootCrl(PASSPHRASE);
    await publisher?.rootChanged();
    assert.equal(await verify(other, '-crl_check_all'), '23@1');
    assert.equal(await verify(other, '-crl_check'), 'OK', 'who looks at the leaf alone does not see it');
  });

  it('a long list is read whole', async () => {
    const count = 3000;
    const template = (await here.registry.certificate(other.issued.serial)) ?? assert.fail('it is gone');
    const serials = Array.from({ length: count }, (_, i) => (i + 1).toString(16).padStart(32, '0'));
    await Promise.all(
      serials.map((serial, i) =>
        here.registry.addCertificate({
          ...{ ...template, serial, device: null, kind: 'device', publicKeyHash: serial.repeat(2) },
          ...{ state: 'revoked', reason: i % 6, revokedAt: here.clock.now - i * 1000 },
        }),
      ),
    );
    await publisher?.close();
    const { registry: store, authority, clock } = here;
    publisher = new CrlPublisher({ store, authority, clock: () => clock.now });
    await publisher.start();
    const text = await printed(NAMESPACE);
    assert.match(text, /verify OK/);
    assert.equal(text.match(/Serial Number:/g)?.length, count + 1);
  });
});
