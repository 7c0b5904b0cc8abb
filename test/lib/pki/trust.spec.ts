import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { keepMaterial, loadMaterial, type Material, openKey, ROOT } from '../../../lib/pki/authority/material.ts';
import { alternativeNames, distinguishedName } from '../../../lib/pki/certificate/names.ts';
import { CertificateTemplate } from '../../../lib/pki/certificate/template.ts';
import { OID } from '../../../lib/pki/der/oids.ts';
import { oid, sequence, setOf, utf8String } from '../../../lib/pki/der/writer.ts';
import { parseCertificate } from '../../../lib/pki/index.ts';
import {
  type Admitted,
  type Cut,
  createJudge,
  createRefusals,
  type JudgeRequest,
  type Verdict,
} from '../../../lib/pki/node.ts';
import { MAC, NAMESPACE, PASSPHRASE, PLAIN_MAC } from './support.ts';
import { DAY, HOUR, type Holder, NOW, requestFor, type TrustWorld, trustWorld } from './trust-support.ts';

const ENDPOINT: JudgeRequest = { use: 'endpoint' };
const EST: JudgeRequest = { use: 'est' };
const OTHER = '246f28aabb10';

const code = (verdict: Verdict): string => (verdict.ok ? 'ok' : verdict.code);

interface Forged {
  readonly key: KeyObject;
  /** A Name, DER; its own for one that signs itself. */
  readonly issuer: Uint8Array;
  readonly commonName?: string;
  readonly purposes?: readonly string[];
  readonly serial?: string;
  readonly notBefore?: number;
  readonly notAfter?: number;
}

/** A certificate that no authority of ours has made. */
async function forged(options: Forged): Promise<Uint8Array> {
  const { key, issuer, commonName = `${NAMESPACE}:${PLAIN_MAC}`, purposes = [OID.clientAuth] } = options;
  const template = new CertificateTemplate({ signature: 'ecdsa-sha256', issuer, issuerKeyId: null, purposes });
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const tbs = template.tbs({
    serial: Buffer.from(options.serial ?? '5a'.repeat(16), 'hex'),
    notBefore: options.notBefore ?? NOW - HOUR,
    notAfter: options.notAfter ?? NOW + DAY,
    subject: distinguishedName(commonName),
    spki: own.publicKey.export({ type: 'spki', format: 'der' }),
    keyId: new Uint8Array(20),
    alternativeNames: alternativeNames([{ kind: 'dns', value: 'broker.example.com' }]),
  });
  return template.certificate(tbs, sign('sha256', tbs, key));
}

async function materialOf({ registry, keystore }: TrustWorld, name: string): Promise<Material> {
  return (await loadMaterial(registry, keystore, name)) ?? assert.fail(`there is no ${name}`);
}

const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

describe('trust: who is let in', function () {
  this.timeout(20_000);
  let here: TrustWorld;
  let holder: Holder;
  beforeEach(async () => {
    here = await trustWorld();
    holder = await here.holder();
  });
  afterEach(() => here?.close());

  const judged = (der: Uint8Array | undefined, request = ENDPOINT): Promise<Verdict> =>
    here.judge.certificate(der, request);
  const expectAdmitted = async (der: Uint8Array, request = ENDPOINT): Promise<Admitted> => {
    const verdict = await judged(der, request);
    assert.ok(verdict.ok, verdict.ok ? '' : verdict.text);
    return verdict;
  };

  it('a device with its live certificate, and says who it is', async () => {
    const { namespace, mac, serial, notAfter, renewal, grace } = await expectAdmitted(holder.issued.der);
    assert.deepEqual(
      { namespace, mac, serial, notAfter, renewal, grace },
      {
        ...{ namespace: NAMESPACE, mac: PLAIN_MAC, serial: holder.issued.serial, notAfter: holder.issued.notAfter },
        ...{ renewal: false, grace: false },
      },
    );
  });

  it('nobody without a certificate, or with what is none', async () => {
    assert.equal(code(await judged(undefined)), 'CERT_MISSING');
    assert.equal(code(await judged(new Uint8Array(0))), 'CERT_MISSING');
    assert.equal(code(await judged(Uint8Array.of(0x30, 3, 2, 1, 1))), 'CERT_UNREADABLE');
    assert.equal(code(await judged(holder.issued.der.subarray(0, -1))), 'CERT_UNREADABLE');
  });

  it('nobody of an authority that is not ours, whatever else is wrong with it', async () => {
    const elsewhere = await trustWorld();
    try {
      const stranger = await elsewhere.holder();
      // Its intermediate has the same name.
      const verdict = await judged(stranger.issued.der);
      assert.equal(code(verdict), 'CERT_FORGED');
      assert.equal(!verdict.ok && verdict.mac, PLAIN_MAC, 'the audit log can say who it claimed to be');
      here.clock.now += 60 * DAY;
      assert.equal(code(await judged(stranger.issued.der)), 'CERT_FORGED', 'expired and foreign');
    } finally {
      await elsewhere.close();
    }
    const other = distinguishedName('Somebody else');
    assert.equal(code(await judged(await forged({ key: newKey(), issuer: other }))), 'CERT_FOREIGN');
    const over = { notBefore: NOW - 2 * DAY, notAfter: NOW - DAY };
    assert.equal(code(await judged(await forged({ key: newKey(), issuer: other, ...over }))), 'CERT_FOREIGN');
    const key = newKey();
    const issuer = distinguishedName(`${NAMESPACE}:${PLAIN_MAC}`);
    const self = new CertificateTemplate({
      ...{ signature: 'ecdsa-sha256', issuer, issuerKeyId: null, purposes: [OID.clientAuth] },
    });
    const tbs = self.tbs({
      ...{ serial: new Uint8Array(16).fill(7), notBefore: NOW - HOUR, notAfter: NOW + DAY, subject: issuer },
      spki: createPublicKey(key).export({ type: 'spki', format: 'der' }),
      ...{ keyId: new Uint8Array(20), alternativeNames: null },
    });
    assert.equal(code(await judged(self.certificate(tbs, sign('sha256', tbs, key)))), 'CERT_SELF_SIGNED');
  });

  it('nobody, and says so in few words, whose certificate says a lot', async () => {
    const long = 'x'.repeat(5000);
    const issuer = new Uint8Array(sequence(setOf(sequence(oid(OID.commonName), utf8String(long)))));
    const verdict = await judged(await forged({ key: newKey(), issuer, serial: '5a'.repeat(3000) }));
    assert.ok(!verdict.ok && verdict.text.length < 200 && (verdict.serial?.length ?? 0) < 100, JSON.stringify(verdict));
  });

  it('nobody whose name is of another namespace than the key that issued it', async () => {
    await here.authority.createNamespace('plant-8', {}, { passphrase: PASSPHRASE });
    const neighbour = await here.holder(OTHER, { namespace: 'plant-8' });
    await expectAdmitted(neighbour.issued.der);
    await expectAdmitted(neighbour.issued.der, { use: 'endpoint', namespace: 'plant-8' });
    const wrong = await judged(neighbour.issued.der, { use: 'endpoint', namespace: NAMESPACE });
    assert.equal(code(wrong), 'CERT_OTHER_NAMESPACE');
    // The key of one namespace signs a name of the other: only who holds that key can.
    const material = await materialOf(here, 'ca.namespace.plant-8');
    const key = await openKey(material);
    const cross = await forged({ key, issuer: material.certificate.subject });
    assert.equal(code(await judged(cross)), 'CERT_NAMESPACE');
    const nameless = await forged({ key, issuer: material.certificate.subject, commonName: 'gateway' });
    assert.equal(code(await judged(nameless)), 'CERT_NAMESPACE');
    const unknown = await forged({ key, issuer: material.certificate.subject, commonName: `plant-8:${OTHER}` });
    assert.equal(code(await judged(unknown)), 'CERT_UNKNOWN', 'signed with our key, and in no registry');
    const { serial } = neighbour.issued;
    const twin = await forged({ key, issuer: material.certificate.subject, commonName: `plant-8:${OTHER}`, serial });
    assert.equal(code(await judged(twin)), 'CERT_DIFFERS');
    const purposes = [OID.serverAuth];
    const server = await forged({
      key,
      issuer: material.certificate.subject,
      commonName: `plant-8:${OTHER}`,
      purposes,
    });
    assert.equal(code(await judged(server)), 'CERT_PURPOSE');
  });

  it('no service that poses as a device', async () => {
    const { csr } = await requestFor('x');
    const service = await here.authority.issueService({ names: ['broker.example.com'], csr });
    assert.equal(code(await judged(service.der)), 'CERT_PURPOSE');
  });

  it('nobody before or after the dates, without grace at the endpoint', async () => {
    here.clock.now = holder.issued.notAfter - 1;
    await expectAdmitted(holder.issued.der);
    here.clock.now = holder.issued.notAfter;
    const verdict = await judged(holder.issued.der);
    assert.equal(code(verdict), 'CERT_EXPIRED');
    assert.match(verdict.ok ? '' : verdict.text, /2026-11-29T12:00:00/);
  });

  it('nobody before its time, by a clock that nobody can turn back below the newest record', async () => {
    const late = await here.holder(OTHER);
    here.clock.now = late.issued.notBefore - 1000;
    // The newest record says that it is later than this clock does.
    await expectAdmitted(late.issued.der);
    here.clock.now = NOW + 8 * DAY;
    await here.registry.audit({ action: 'test.later' });
    assert.equal(code(await judged(holder.issued.der)), 'CERT_EXPIRED');
    here.clock.now = NOW;
    assert.equal(code(await judged(holder.issued.der)), 'CERT_EXPIRED', 'a clock that is behind lets nobody in');
    await here.registry.acceptClock();
    await expectAdmitted(holder.issued.der);
    const fresh = await trustWorld();
    try {
      const own = await fresh.holder();
      const { serial, namespace, mac, notAfter, publicKeyHash } = own.issued;
      const ca = await materialOf(fresh, `ca.namespace.${namespace}`);
      const notBefore = NOW + HOUR;
      const der = await forged({
        ...{ key: await openKey(ca), issuer: ca.certificate.subject, serial: 'ab'.repeat(16) },
        ...{ notBefore, notAfter },
      });
      const record = { namespace, device: mac, kind: 'device', state: 'live', notBefore, notAfter } as const;
      await fresh.registry.revoke(serial, 0, NOW);
      await fresh.registry.addCertificate({ ...record, serial: 'ab'.repeat(16), der, publicKeyHash });
      assert.equal(code(await fresh.judge.certificate(der, ENDPOINT)), 'CERT_NOT_YET_VALID');
      fresh.clock.now = notBefore;
      assert.equal(code(await fresh.judge.certificate(der, ENDPOINT)), 'ok');
    } finally {
      await fresh.close();
    }
  });

  it('nobody whose certificate is revoked, at once, also when it is over too', async () => {
    await expectAdmitted(holder.issued.der);
    await here.authority.revoke(holder.issued.serial, 1);
    assert.equal(here.judge.isRevoked(holder.issued.serial), true);
    assert.equal(code(await judged(holder.issued.der)), 'CERT_REVOKED');
    here.clock.now = holder.issued.notAfter + 1;
    assert.equal(code(await judged(holder.issued.der)), 'CERT_REVOKED', 'expired and revoked');
    assert.equal(code(await judged(holder.issued.der, EST)), 'CERT_REVOKED');
  });

  it('nobody that was revoked before the judge began', async () => {
    await here.authority.revoke(holder.issued.serial, 1);
    const later = createJudge({ store: here.registry, authority: here.authority, clock: () => here.clock.now });
    try {
      await later.ready;
      assert.equal(later.isRevoked(holder.issued.serial), true);
      assert.equal(later.isRevoked('00'.repeat(16)), false);
      assert.equal(code(await later.certificate(holder.issued.der, ENDPOINT)), 'CERT_REVOKED');
    } finally {
      later.close();
    }
  });

  it('nobody with a certificate that was minted, and never confirmed', async () => {
    const pending = await here.holder(OTHER, { live: false });
    assert.equal(code(await judged(pending.issued.der)), 'CERT_PENDING');
    await here.authority.markLive(pending.issued.serial);
    await expectAdmitted(pending.issued.der);
  });

  it('a renewal by its first use, and from then on no longer what it was made from', async () => {
    const renewed = await here.renewal(holder);
    await expectAdmitted(holder.issued.der);
    const verdict = await expectAdmitted(renewed.issued.der);
    assert.equal(verdict.renewal, true);
    await expectAdmitted(holder.issued.der, EST);
    await here.judge.used(verdict);
    assert.equal(code(await judged(holder.issued.der)), 'CERT_SUPERSEDED');
    assert.equal(code(await judged(holder.issued.der, EST)), 'CERT_SUPERSEDED');
    assert.equal((await expectAdmitted(renewed.issued.der)).renewal, false);
    await here.judge.used(verdict);
    assert.equal(here.judge.isRevoked(holder.issued.serial), false, 'it is no entry of a list');
  });

  it('the old one at most 24 h after a renewal that nobody has used', async () => {
    const renewed = await here.renewal(holder);
    here.clock.now += 24 * HOUR;
    await expectAdmitted(holder.issued.der);
    here.clock.now += 1000;
    for (const request of [ENDPOINT, EST]) {
      assert.equal(code(await judged(holder.issued.der, request)), 'CERT_SUPERSEDED');
    }
    await expectAdmitted(renewed.issued.der);
  });

  it('no certificate of a device that is revoked, retired or gone, and a new one after it was flashed again', async () => {
    const cuts: Cut[] = [];
    here.judge.onCut((cut) => cuts.push(cut));
    const renewed = await here.renewal(holder);
    const pending = await here.renewal(holder);
    const serials = await here.authority.revokeDevice(NAMESPACE, MAC, 1);
    const all = [holder, renewed, pending].map(({ issued }) => issued);
    assert.deepEqual(serials.toSorted(), all.map(({ serial }) => serial).toSorted());
    for (const { der } of all) assert.equal(code(await judged(der)), 'CERT_REVOKED');
    assert.deepEqual(
      cuts.map(({ reason, serials: which }) => [reason, which?.length ?? null]),
      [
        ['revoked', 1],
        ['revoked', 1],
        ['revoked', 1],
        ['revoked', null],
      ],
    );
    assert.equal((await here.registry.device(holder.id))?.state, 'revoked');
    await here.registry.setState(holder.id, 'flashing');
    const again = await here.holder();
    await expectAdmitted(again.issued.der);
    assert.equal(code(await judged(holder.issued.der)), 'CERT_REVOKED');
    await here.registry.setState(holder.id, 'retired');
    assert.equal(code(await judged(again.issued.der)), 'CERT_DEVICE_STATE');
    await here.registry.removeDevice(holder.id);
    assert.equal(code(await judged(again.issued.der)), 'CERT_DEVICE_UNKNOWN');
    assert.deepEqual(
      cuts.slice(4).map(({ reason }) => reason),
      ['retired', 'removed'],
    );
  });

  it('a device again that was revoked, once it is registered anew and minted for', async () => {
    await here.authority.revokeDevice(NAMESPACE, MAC);
    await here.registry.setState(holder.id, 'retired');
    await here.registry.removeDevice(holder.id);
    const again = await here.holder();
    await expectAdmitted(again.issued.der);
  });

  it('tells whose sessions end when a certificate is superseded, and nothing after it is closed', async () => {
    const cuts: Cut[] = [];
    const stop = here.judge.onCut((cut) => cuts.push(cut));
    const renewed = await here.renewal(holder);
    await here.judge.used(await expectAdmitted(renewed.issued.der));
    assert.deepEqual(cuts, [
      { namespace: NAMESPACE, mac: PLAIN_MAC, serials: [holder.issued.serial], reason: 'superseded' },
    ]);
    stop();
    await here.authority.revoke(renewed.issued.serial);
    assert.equal(cuts.length, 1);
  });

  it('whose serial number came into the registry after it was asked for', async () => {
    const { der, serial, namespace, mac, notBefore, notAfter, publicKeyHash } = holder.issued;
    const elsewhere = await trustWorld();
    try {
      await elsewhere.registry.addDevice({ namespace, mac });
      // The same authority, in a registry that does not know the certificate yet.
      for (const name of ['ca.root', `ca.namespace.${namespace}`]) {
        const material = await materialOf(here, name);
        const key = name === ROOT ? null : await openKey(material);
        await keepMaterial(elsewhere.registry, elsewhere.keystore, name, { ...material, key });
      }
      await elsewhere.authority.changeSettings(NAMESPACE, {});
      assert.equal(code(await elsewhere.judge.certificate(der, ENDPOINT)), 'CERT_UNKNOWN');
      const record = { serial, namespace, device: mac, kind: 'device', state: 'live', notBefore, notAfter } as const;
      await elsewhere.registry.addCertificate({ ...record, der, publicKeyHash });
      assert.equal(code(await elsewhere.judge.certificate(der, ENDPOINT)), 'ok');
    } finally {
      await elsewhere.close();
    }
  });

  it('nobody of an authority that was revoked itself', async () => {
    await expectAdmitted(holder.issued.der);
    const { serial } = await here.authority.issuer(NAMESPACE);
    await here.authority.revoke(serial, 2);
    assert.equal(code(await judged(holder.issued.der)), 'CERT_ISSUER');
  });

  it('remembers at most so many devices, and judges each the same', async () => {
    const small = createJudge({
      ...{ store: here.registry, authority: here.authority, clock: () => here.clock.now },
      remember: 2,
    });
    try {
      const others = [holder];
      for (let i = 1; i < 4; i++) others.push(await here.holder(`2400000000${i}0`));
      for (let round = 0; round < 2; round++) {
        for (const { issued } of others) assert.equal(code(await small.certificate(issued.der, ENDPOINT)), 'ok');
      }
      await here.authority.revoke(holder.issued.serial);
      assert.equal(code(await small.certificate(holder.issued.der, ENDPOINT)), 'CERT_REVOKED');
    } finally {
      small.close();
    }
  });

  it('nobody while the registry cannot be asked', async () => {
    await here.registry.close();
    await assert.rejects(judged(holder.issued.der), { code: 'REGISTRY_CLOSED' });
  });

  describe('by EST, in a period of grace', () => {
    const wait = (ms: number): void => {
      here.clock.now = holder.issued.notAfter + ms;
    };

    it('a device that awaits its set-up, for 30 days, with its newest certificate', async () => {
      wait(29 * DAY);
      assert.equal((await expectAdmitted(holder.issued.der, EST)).grace, true);
      assert.equal(code(await judged(holder.issued.der)), 'CERT_EXPIRED', 'the endpoint stays strict');
      wait(30 * DAY);
      assert.equal(code(await judged(holder.issued.der, EST)), 'CERT_EXPIRED');
    });

    it('only once', async () => {
      wait(DAY);
      await expectAdmitted(holder.issued.der, EST);
      const renewed = await here.renewal(holder);
      const verdict = await judged(holder.issued.der, EST);
      assert.equal(code(verdict), 'CERT_EXPIRED');
      assert.match(verdict.ok ? '' : verdict.text, /newer/);
      await expectAdmitted(renewed.issued.der);
    });

    it('no device that was set up', async () => {
      await here.registry.setState(holder.id, 'online');
      wait(1000);
      assert.equal(code(await judged(holder.issued.der, EST)), 'CERT_EXPIRED');
    });

    it('any device where the namespace says so', async () => {
      await here.authority.changeSettings(NAMESPACE, { graceHours: 2 });
      await here.registry.setState(holder.id, 'online');
      wait(HOUR);
      assert.equal((await expectAdmitted(holder.issued.der, EST)).grace, true);
      wait(3 * HOUR);
      assert.equal(code(await judged(holder.issued.der, EST)), 'CERT_EXPIRED');
    });

    it('no device that is revoked', async () => {
      wait(HOUR);
      await here.authority.revokeDevice(NAMESPACE, MAC);
      assert.equal(code(await judged(holder.issued.der, EST)), 'CERT_DEVICE_STATE');
    });
  });
});

describe('trust: refusals in the audit log', () => {
  interface Entry {
    readonly action: string;
    readonly detail?: Readonly<Record<string, unknown>>;
  }
  const collected = (perMinute?: number) => {
    const entries: Entry[] = [];
    const clock = { now: NOW };
    const store = { audit: async (entry: Entry) => void entries.push(entry) };
    const refusals = createRefusals({
      store,
      clock: () => clock.now,
      ...(perMinute === undefined ? {} : { perMinute }),
    });
    return { entries, clock, refusals };
  };
  const refusal = (source: string) => ({
    ...{ action: 'endpoint.refused', actor: 'keyway-endpoint', source, code: 'CERT_EXPIRED', text: 'It ended.' },
  });

  it('one that comes again and again is one entry a minute, with how often it came', async () => {
    const { entries, clock, refusals } = collected();
    for (let i = 0; i < 50; i++) refusals.write(refusal('10.0.0.1'));
    refusals.write(refusal('10.0.0.2'));
    assert.equal(entries.length, 2);
    clock.now += 60_000;
    refusals.write(refusal('10.0.0.1'));
    assert.deepEqual(entries.at(-1)?.detail, { code: 'CERT_EXPIRED', text: 'It ended.', repeated: 49 });
    await refusals.settled();
  });

  it('many that differ cannot fill the disk', () => {
    const { entries, clock, refusals } = collected(10);
    for (let i = 0; i < 100; i++) refusals.write(refusal(`10.0.0.${i}`));
    assert.equal(entries.length, 10);
    clock.now += 60_000;
    refusals.write(refusal('10.1.0.1'));
    assert.equal(entries.at(-1)?.detail?.leftOut, 90);
  });

  it('an entry that cannot be written stops nobody', async () => {
    const errors: unknown[] = [];
    const store = { audit: () => Promise.reject(new Error('the disk is full')) };
    const refusals = createRefusals({ store, onError: (error) => errors.push(error) });
    refusals.write(refusal('10.0.0.1'));
    await refusals.settled();
    assert.equal(errors.length, 1);
  });
});

describe('trust: certificates of ours', () => {
  it('can be read as what they are', async () => {
    const here = await trustWorld();
    try {
      const { issued } = await here.holder();
      assert.deepEqual(parseCertificate(issued.der).crlUrls, [`http://crl.example.com/crl/${NAMESPACE}.crl`]);
    } finally {
      await here.close();
    }
  });
});
