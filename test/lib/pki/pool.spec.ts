import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { MintOrder } from '../../../lib/pki/authority/mint.ts';
import { MintPool } from '../../../lib/pki/authority/pool.ts';
import { distinguishedName } from '../../../lib/pki/certificate/names.ts';
import { csrOf } from './support.ts';

const NOW = Date.UTC(2026, 10, 22);
const terms = (name: string) =>
  ({
    signature: 'ecdsa-sha256',
    issuer: distinguishedName(name),
    issuerKeyId: new Uint8Array(20),
    purposes: [],
  }) as const;

describe('pki: the pool of workers', () => {
  const pools: MintPool[] = [];
  const make = (...args: ConstructorParameters<typeof MintPool>): MintPool => {
    const pool = new MintPool(...args);
    pools.push(pool);
    return pool;
  };
  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close();
  });
  const order = async (): Promise<MintOrder> => ({
    ...{ csr: await csrOf(), keys: 'P-256', serial: Uint8Array.of(1), notBefore: NOW, notAfter: NOW + 1000 },
    ...{ subject: distinguishedName('x'), alternativeNames: null },
  });

  it('signs with the issuer that is named, as it is now', async () => {
    const pool = make({ workers: 2 });
    const pairs = [1, 2, 3].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
    const [first, second, third] = pairs as [(typeof pairs)[0], (typeof pairs)[0], (typeof pairs)[0]];
    pool.setIssuer('a', terms('a'), first.privateKey);
    pool.setIssuer('b', terms('b'), second.privateKey);
    const one = await order();
    const many = await Promise.all(Array.from({ length: 200 }, (_, i) => pool.mint(i % 2 === 0 ? 'a' : 'b', one)));
    for (const [i, { der }] of many.entries()) {
      const certificate = new X509Certificate(der);
      assert.equal(certificate.issuer, i % 2 === 0 ? 'CN=a' : 'CN=b');
      assert.ok(certificate.verify((i % 2 === 0 ? first : second).publicKey));
    }
    assert.equal(pool.running, 2);
    pool.setIssuer('a', terms('a'), third.privateKey);
    const again = await Promise.all(Array.from({ length: 50 }, () => pool.mint('a', one)));
    assert.ok(again.every(({ der }) => new X509Certificate(der).verify(third.publicKey)));
  });

  it('knows no issuer that it was not told of', async () => {
    await assert.rejects(make({ workers: 1 }).mint('nobody', await order()), { code: 'WORKER_LOST' });
  });

  it('ends its threads when there is nothing to do, and starts them again', async () => {
    const pool = make({ workers: 1, idleMs: 1 });
    pool.setIssuer('a', terms('a'), generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    for (let i = 0; i < 2; i++) {
      await pool.mint('a', await order());
      while (pool.running > 0) await new Promise((resolve) => setImmediate(resolve));
    }
  });

  it('fails what waits when it is closed, and takes nothing after', async () => {
    const pool = make({ workers: 1 });
    pool.setIssuer('a', terms('a'), generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    const one = await order();
    const waiting = Array.from({ length: 200 }, () => pool.mint('a', one));
    const settled = Promise.allSettled(waiting);
    await Promise.resolve();
    await pool.close();
    for (const result of await settled) {
      assert.equal(result.status === 'rejected' && (result.reason as { code: string }).code, 'AUTHORITY_CLOSED');
    }
    await assert.rejects(pool.mint('a', one), { code: 'AUTHORITY_CLOSED' });
  });
});
