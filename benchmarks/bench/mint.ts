/** How close the authority comes to what its cryptography costs, and what the threads add beside step-ca's. */
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { Issuer, type MintOrder } from '../../lib/pki/authority/mint.ts';
import { MintPool } from '../../lib/pki/authority/pool.ts';
import { alternativeNames, distinguishedName } from '../../lib/pki/certificate/names.ts';
import { createCsr, parseCsr } from '../../lib/pki/index.ts';
import { nodePki } from '../../lib/pki/node.ts';
import { atLeast, median, type Row, reported } from './report.ts';
import { startStepCa } from './step-ca.ts';

/** Bars of the measure table. */
const CORE_BAR = 0.7;
const POOL_BAR = 1.3;
/** Milliseconds of one round; rounds of the parts and of the whole take turns, so that a busy machine slows both. */
const ROUND_MS = 300;
const ROUNDS = 7;
const REQUESTS = 64;
const WARM_UP = 1000;
const POOLED = 6000;

/** Seconds that one call takes, over a round. */
function seconds(work: (i: number) => unknown): number {
  const start = performance.now();
  let calls = 0;
  for (; performance.now() - start < ROUND_MS; calls += 20) for (let i = 0; i < 20; i++) work(calls + i);
  return (performance.now() - start) / 1000 / calls;
}

interface Prepared {
  readonly orders: readonly MintOrder[];
  readonly issuer: Issuer;
  addTo(pool: MintPool): void;
}

async function prepare(): Promise<Prepared> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const terms = {
    signature: 'ecdsa-sha256',
    issuer: distinguishedName('Keyway benchmark'),
    issuerKeyId: new Uint8Array(20).fill(7),
    purposes: ['1.3.6.1.5.5.7.3.2'],
    crlUrl: 'http://crl.example.com/crl/benchmark.crl',
  } as const;
  const orders: MintOrder[] = [];
  const now = Math.floor(Date.now() / 1000) * 1000;
  for (let i = 0; i < REQUESTS; i++) {
    const { der } = await createCsr(nodePki, `device ${i}`);
    orders.push({
      ...{ csr: der, keys: 'P-256', serial: new Uint8Array(16).fill(i + 1) },
      ...{ notBefore: now - 300_000, notAfter: now + 7 * 86_400_000 },
      subject: distinguishedName(`benchmark:${(0x240000000000 + i).toString(16)}`),
      alternativeNames: alternativeNames([{ kind: 'dns', value: 'broker.example.com' }]),
    });
  }
  return {
    orders,
    issuer: new Issuer(terms, privateKey),
    addTo: (pool) => pool.setIssuer('benchmark', terms, privateKey),
  };
}

/**
 * mint_core: certificates a second on one thread, from a signing request as bytes to a certificate as bytes, times the
 * seconds that its three operations take alone: import of the public key, verification, signature. 1 would mean that
 * everything else costs nothing.
 */
export async function mintCore(): Promise<Row[]> {
  const { orders, issuer } = await prepare();
  const requests = orders.map(({ csr }) => parseCsr(csr as Uint8Array));
  const keys = requests.map(({ key }) => createPublicKey({ key: Buffer.from(key.spki), format: 'der', type: 'spki' }));
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spkis = requests.map(({ key }) => Buffer.from(key.spki));
  const of = <T>(list: readonly T[], i: number): T => list[i % REQUESTS] as T;
  const parts = {
    // A key that is imported anew is verified with once, as in the whole: its first use prepares it.
    verified: (i: number) => {
      const { info, signature } = of(requests, i);
      if (!verify('sha256', info, of(keys, i), signature)) throw new Error('a signature does not hold');
    },
    signed: (i: number) => sign('sha256', of(requests, i).info, privateKey),
    imported: (i: number) => createPublicKey({ key: of(spkis, i), format: 'der', type: 'spki' }),
  };
  const whole = (i: number) => issuer.mint(of(orders, i));
  const ratios: number[] = [];
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const crypto = seconds(parts.verified) + seconds(parts.signed) + seconds(parts.imported);
    const one = seconds(whole);
    ratios.push(crypto / one);
    rates.push(1 / one);
  }
  const value = median(ratios);
  const peer = 'verify + sign + import of the key, alone';
  return [
    atLeast('mint_core', value, 'ratio', CORE_BAR, peer),
    reported('mint_core_rate', median(rates), 'certificates/s, one thread', null),
  ];
}

/**
 * mint_pool: certificates a second with the pool ÷ with step-ca's authority, which signs the same requests on all
 * processors. Rounds take turns.
 */
export async function mintPool(): Promise<Row[]> {
  const { orders, addTo } = await prepare();
  const pool = new MintPool();
  const peer = await startStepCa(orders.map(({ csr }) => csr as Uint8Array));
  try {
    addTo(pool);
    const ours = async (count: number): Promise<number> => {
      const start = performance.now();
      await Promise.all(
        Array.from({ length: count }, (_, i) => pool.mint('benchmark', orders[i % REQUESTS] as MintOrder)),
      );
      return (1000 * count) / (performance.now() - start);
    };
    await ours(WARM_UP);
    if ('sign' in peer) await peer.sign(WARM_UP);
    const rates: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      rates.push(await ours(POOLED));
      if ('sign' in peer) theirs.push(POOLED / (await peer.sign(POOLED)));
    }
    const rate = reported('mint_pool_rate', median(rates), `certificates/s, ${pool.running} threads`, null);
    if ('missing' in peer) {
      const words = `step-ca's authority: missing (${peer.missing})`;
      return [{ measure: 'mint_pool', value: null, unit: 'ratio', bar: POOL_BAR, holds: null, peer: words }, rate];
    }
    const ratios = rates.map((one, i) => one / (theirs[i] ?? Number.NaN));
    const words = `step-ca's authority ${peer.version}, in memory, ${peer.processors} processors`;
    return [
      atLeast('mint_pool', median(ratios), 'ratio', POOL_BAR, words),
      rate,
      reported('step_ca_rate', median(theirs), 'certificates/s', words),
    ];
  } finally {
    if ('sign' in peer) await peer.close();
    await pool.close();
  }
}
