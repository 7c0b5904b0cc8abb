import assert from 'node:assert/strict';
import { MAC, NAMESPACE, PLAIN_MAC } from './support.ts';
import { DAY, HOUR, type Holder, NOW, type TrustWorld, trustWorld } from './trust-support.ts';

describe('registry: what trust asks of it', function () {
  this.timeout(20_000);
  let here: TrustWorld;
  let holder: Holder;
  beforeEach(async () => {
    here = await trustWorld();
    holder = await here.holder();
  });
  afterEach(() => here?.close());

  it('a device is revoked with every certificate that is not over, in one step, and nobody else', async () => {
    const other = await here.holder('246f28aabb10');
    here.clock.now += 6 * DAY;
    const renewed = await here.renewal(holder);
    await here.authority.markLive(renewed.issued.serial);
    const pending = await here.renewal(holder);
    // The first one is over by now.
    here.clock.now += DAY + HOUR;
    const topics: string[] = [];
    here.registry.subscribe(({ topic }) => topics.push(topic));
    const serials = await here.registry.revokeDevice(NAMESPACE, PLAIN_MAC, 1, here.clock.now, { actor: 'somebody' });
    assert.deepEqual(serials.toSorted(), [renewed.issued.serial, pending.issued.serial].toSorted());
    const states = (await here.registry.certificatesOf(NAMESPACE, PLAIN_MAC)).map(({ serial, state, reason }) => [
      serial === holder.issued.serial ? 'first' : 'later',
      ...[state, reason],
    ]);
    assert.deepEqual(states.toSorted(), [
      ['first', 'superseded', undefined],
      ['later', 'revoked', 1],
      ['later', 'revoked', 1],
    ]);
    assert.equal((await here.registry.device(holder.id))?.state, 'revoked');
    assert.equal((await here.registry.certificate(other.issued.serial))?.state, 'live');
    assert.deepEqual(topics.toSorted(), ['certificate.revoked', 'certificate.revoked', 'device.state']);
    const audited = (await here.registry.auditLog()).items.slice(0, 3);
    assert.deepEqual([...new Set(audited.map(({ actor, at }) => `${actor} ${at}`))], [`somebody ${here.clock.now}`]);
    assert.deepEqual(await here.registry.revokeDevice(NAMESPACE, PLAIN_MAC, 1, here.clock.now), [], 'it is done');
    assert.equal((await here.registry.verifyAudit()).holds, true);
  });

  it('one that is retired, or that nobody has registered, loses its certificates all the same', async () => {
    await here.registry.setState(holder.id, 'retired');
    assert.deepEqual(await here.authority.revokeDevice(NAMESPACE, MAC), [holder.issued.serial]);
    assert.equal((await here.registry.device(holder.id))?.state, 'retired');
    const { csr } = await here.holder('246f28aabb10');
    const stray = await here.authority.issueDevice({ namespace: NAMESPACE, mac: '246f28aabb10', csr, renew: true });
    const { id } =
      (await here.registry.device({ namespace: NAMESPACE, mac: '246f28aabb10' })) ?? assert.fail('it is gone');
    await here.registry.setState(id, 'retired');
    await here.registry.removeDevice(id);
    assert.ok((await here.authority.revokeDevice(NAMESPACE, '246f28aabb10')).includes(stray.serial));
    assert.deepEqual(await here.authority.revokeDevice(NAMESPACE, '001122334455'), []);
  });

  it('a reason that is none, and a time that is none, change nothing', async () => {
    await assert.rejects(here.authority.revokeDevice(NAMESPACE, MAC, 7), { code: 'CERTIFICATE_STATE' });
    await assert.rejects(here.registry.revokeDevice(NAMESPACE, PLAIN_MAC, 7, NOW), { code: 'BAD_CERTIFICATE' });
    await assert.rejects(here.registry.revokeDevice(NAMESPACE, PLAIN_MAC, 1, Number.NaN), { code: 'BAD_CERTIFICATE' });
    assert.equal((await here.registry.certificate(holder.issued.serial))?.state, 'live');
  });

  it('renewals are known as such, and those that are over can be left out', async () => {
    const renewed = await here.renewal(holder);
    const all = await here.registry.certificatesOf(NAMESPACE, PLAIN_MAC);
    assert.deepEqual(all.map(({ serial, renewal }) => [serial === renewed.issued.serial, renewal]).toSorted(), [
      [false, undefined],
      [true, true],
    ]);
    assert.deepEqual(await here.registry.certificatesOf(NAMESPACE, PLAIN_MAC, holder.issued.notAfter + 1), []);
    assert.equal((await here.registry.certificatesOf(NAMESPACE, PLAIN_MAC, holder.issued.notAfter)).length, 2);
  });

  it('lists what is revoked by kind, packed', async () => {
    await here.authority.revoke(holder.issued.serial, 4);
    const { serial } = await here.authority.issuer(NAMESPACE);
    await here.authority.revoke(serial, 2);
    const { serials, facts } = await here.registry.revokedList(NAMESPACE, 'device', NOW);
    assert.equal(Buffer.from(serials).toString('hex'), holder.issued.serial);
    assert.deepEqual([...facts], [4, NOW, holder.issued.notAfter]);
    const own = await here.registry.revokedList('keyway', 'intermediate', NOW);
    assert.equal(Buffer.from(own.serials).toString('hex'), serial);
    assert.equal((await here.registry.revokedList('keyway', 'service', NOW)).serials.length, 0);
    const late = await here.registry.revokedList(NAMESPACE, 'device', holder.issued.notAfter + 1);
    assert.deepEqual([late.serials.length, late.facts.length], [0, 0]);
  });
});
