import assert from 'node:assert/strict';
import type { Judge } from '../../../lib/endpoint/index.ts';
import { Bench, cutOf, FakeJudge, type Ground, ground, MAC, NAMESPACE, OTHER_MAC, PREFIX } from './support.ts';
import { DAY, HOUR, type Trust, trust } from './trust.ts';

const WILL = { topic: `${PREFIX}gone`, payload: Buffer.from('gone'), qos: 0, retain: false } as const;

describe('endpoint: who is cut off', () => {
  describe('by the registry', () => {
    let all: Trust;
    let bench: Bench<Judge> | undefined;
    beforeEach(async () => {
      all = await trust();
    });
    afterEach(async () => {
      await bench?.close();
      await all?.close();
    });

    it('now: all of a revoked device, older serial numbers too, and nobody else', async () => {
      bench = await all.bench({ cutNow: true, limits: { sessionsPerDevice: 4 } });
      const older = all.device;
      const newer = await all.mint(MAC, { renew: true, live: false });
      const sessions = [
        await (await bench.raw(older)).in({ clientId: 'a', will: WILL }),
        await (await bench.raw(older)).as(5).in({ clientId: 'b' }),
      ];
      const waiting = await bench.raw(older);
      waiting.write([0x10, 0x10]);
      const bystander = await (await bench.raw(all.other)).in();
      const elsewhere = await all.mint(MAC, { namespace: 'plant-8' });
      const namesake = await (await bench.raw(elsewhere)).in();
      await all.authority.revokeDevice(NAMESPACE, MAC, 1);
      for (const { closed } of [...sessions, waiting]) await closed;
      assert.deepEqual(
        new Set(bench.told.all('cut').map(({ code, by, mac }) => `${code} ${by} ${mac}`)),
        new Set([`CERT_REVOKED now ${MAC}`]),
      );
      assert.equal((await sessions[1]?.next('disconnect'))?.reasonCode, 0x87);
      assert.deepEqual(
        bench.told.all('offline').map(({ mac, reason }) => [mac, reason]),
        [[MAC, 'cut']],
      );
      assert.equal(bench.told.all('message').length, 0, 'the will of a revoked device was believed');
      for (const raw of [bystander, namesake]) {
        raw.send({ cmd: 'pingreq' });
        await raw.next('pingresp');
      }
      const again = await bench.raw(newer);
      again.connect();
      await again.closed;
      assert.equal(again.bytes, 0);
      await bench.endpoint.close();
      const log = await all.log('endpoint.cut');
      assert.equal(log.length, 3);
      assert.ok(
        log.every(
          ({ namespace, detail, subject }) =>
            namespace === NAMESPACE && detail.device === MAC && subject === older.serial,
        ),
      );
    });

    it('a session of a superseded serial number goes when its renewal comes in', async () => {
      bench = await all.bench({ cutNow: true, limits: { sessionsPerDevice: 4 } });
      const renewed = await all.mint(MAC, { renew: true, live: false });
      const old = await (await bench.raw(all.device)).in({ clientId: 'old' });
      await (await bench.raw(renewed)).in({ clientId: 'new' });
      await old.closed;
      assert.deepEqual(bench.told.all('cut').map(cutOf), [
        { by: 'now', code: 'CERT_SUPERSEDED', serial: all.device.serial },
      ]);
      assert.deepEqual(
        bench.endpoint.sessions().map(({ serial }) => serial),
        [renewed.serial],
      );
      assert.deepEqual(bench.told.all('offline'), []);
    });

    it('at the cadence, and not before', async () => {
      bench = await all.bench({ manual: true });
      const raw = await (await bench.raw(all.device)).in();
      const other = await (await bench.raw(all.other)).in();
      await bench.clock.advance(30_000);
      await all.authority.revokeDevice(NAMESPACE, MAC);
      await bench.clock.advance(28_000);
      raw.send({ cmd: 'pingreq' });
      await raw.next('pingresp');
      await bench.clock.advance(2_000);
      await raw.closed;
      assert.deepEqual(bench.told.all('cut').map(cutOf), [
        { by: 'cadence', code: 'CERT_REVOKED', serial: all.device.serial },
      ]);
      other.send({ cmd: 'pingreq' });
      await other.next('pingresp');
    });

    it('at its notAfter; with the setting only at its next disconnect', async () => {
      const strict = await all.bench({ manual: true });
      bench = await all.bench({ manual: true, cutAtExpiry: false });
      try {
        const cut = await (await strict.raw(all.device)).as(5).in({ will: WILL });
        const kept = await (await bench.raw(all.device)).in();
        all.ahead = 7 * DAY - HOUR;
        await strict.clock.advance(2_000);
        cut.send({ cmd: 'pingreq' });
        await cut.next('pingresp');
        all.ahead = 7 * DAY + HOUR;
        await strict.clock.advance(2_000);
        await cut.closed;
        assert.deepEqual(strict.told.all('cut').map(cutOf), [
          { by: 'expiry', code: 'CERT_EXPIRED', serial: all.device.serial },
        ]);
        assert.equal(strict.told.all('offline')[0]?.reason, 'expired');
        assert.equal(strict.told.all('message').length, 1);
        await bench.clock.advance(120_000);
        kept.send({ cmd: 'pingreq' });
        await kept.next('pingresp');
        kept.socket.destroy();
        await bench.told.until('offline');
        const back = await bench.raw(all.device);
        back.connect();
        await back.closed;
        assert.equal(back.bytes, 0);
      } finally {
        await strict.close();
      }
    });
  });

  describe('by the judge', () => {
    let all: Ground;
    let bench: Bench | undefined;
    before(async () => {
      all = await ground();
    });
    after(() => all?.close());
    afterEach(() => bench?.close());

    it('whom the judge cannot judge stays, and is judged again at the next cadence', async () => {
      const judge = new FakeJudge();
      bench = await new Bench(all, judge, { manual: true, cadenceMs: 5_000 }).open();
      const raw = await (await bench.raw(all.device)).in();
      judge.failure = new Error('busy');
      await bench.clock.advance(6_000);
      assert.equal(bench.told.all('trouble').length, 1);
      raw.send({ cmd: 'pingreq' });
      await raw.next('pingresp');
      judge.failure = undefined;
      judge.refused.set(all.device.serial, 'CERT_DEVICE_STATE');
      await bench.clock.advance(6_000);
      await raw.closed;
      assert.deepEqual(bench.told.all('cut').map(cutOf), [
        { by: 'cadence', code: 'CERT_DEVICE_STATE', serial: all.device.serial },
      ]);
    });

    it('cut while the judge still thinks of it at CONNECT', async () => {
      const judge = new FakeJudge();
      bench = await new Bench(all, judge, { cutNow: true }).open();
      const raw = await bench.raw(all.device);
      raw.write([0x10]);
      while (judge.calls < 1) await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      const gate = Promise.withResolvers<void>();
      judge.gate = gate.promise;
      const connect = Buffer.from([0x0e, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, 2, 0x61, 0x62]);
      raw.write(connect);
      while (judge.calls < 2) await new Promise((resolve) => setImmediate(resolve));
      judge.order({ namespace: NAMESPACE, mac: MAC, serials: [all.device.serial], reason: 'revoked' });
      gate.resolve();
      await raw.closed;
      assert.equal(raw.bytes, 0);
      assert.deepEqual(bench.endpoint.sessions(), []);
      assert.equal(bench.told.all('cut').length, 1);
      assert.deepEqual(bench.told.all('online'), []);
    });

    it('revoked between what the judge said and what is made of it: nobody knows of the connection yet', async () => {
      const judge = new FakeJudge();
      const { certificate } = FakeJudge.prototype;
      judge.certificate = async (der) => {
        const verdict = await certificate.call(judge, der);
        judge.revoked.add(all.device.serial);
        return verdict;
      };
      bench = await new Bench(all, judge, { cutNow: true }).open();
      const raw = await bench.raw(all.device);
      raw.connect();
      await raw.closed;
      assert.equal(raw.bytes, 0);
      assert.deepEqual(
        bench.told.all('refused').map(({ code, at, serial }) => [code, at, serial]),
        [['CERT_REVOKED', 'handshake', all.device.serial]],
      );
    });

    it('by hand: all connections of one device; it may come back', async () => {
      bench = await new Bench(all, new FakeJudge()).open();
      const raw = await (await bench.raw(all.device)).in({ will: WILL });
      await (await bench.raw(all.other)).in();
      assert.equal(bench.endpoint.cut({ namespace: NAMESPACE, mac: '24:6F:28:AA:BB:0C' }, 'a lesson'), 1);
      assert.equal(bench.endpoint.cut({ namespace: 'other', mac: MAC }, 'nobody'), 0);
      await raw.closed;
      const [cut] = bench.told.all('cut');
      assert.deepEqual([cut?.by, cut?.code, cut?.reason], ['request', 'CUT_REQUESTED', 'a lesson']);
      assert.equal(bench.told.all('message').length, 1);
      await (await bench.raw(all.device)).in();
      assert.deepEqual(
        bench.endpoint.sessions().map(({ mac }) => mac),
        [OTHER_MAC, MAC],
      );
    });

    it('by hand, once it is revoked: its will is not believed', async () => {
      const judge = new FakeJudge();
      bench = await new Bench(all, judge).open();
      const raw = await (await bench.raw(all.device)).in({ will: WILL });
      judge.revoked.add(all.device.serial);
      assert.equal(bench.endpoint.cut({ namespace: NAMESPACE, mac: MAC }, 'revoked'), 1);
      await raw.closed;
      assert.deepEqual(bench.told.all('message'), []);
    });

    it('a renewal is told to the judge when it has its session, and not at the handshake', async () => {
      const judge = new FakeJudge();
      judge.renewals.add(all.device.serial);
      bench = await new Bench(all, judge).open();
      const raw = await bench.raw(all.device);
      assert.deepEqual(judge.usedSerials, []);
      await raw.in();
      raw.send({ cmd: 'pingreq' });
      await raw.next('pingresp');
      assert.deepEqual(judge.usedSerials, [all.device.serial]);
    });

    it('a renewal that cannot go live has no session', async () => {
      const judge = new FakeJudge();
      judge.renewals.add(all.device.serial);
      judge.used = () => Promise.reject(Object.assign(new Error('revoked'), { code: 'CERTIFICATE_STATE' }));
      bench = await new Bench(all, judge).open();
      const raw = await (await bench.raw(all.device)).in();
      await raw.closed;
      assert.deepEqual(bench.told.codes, ['JUDGE_FAILED']);
      assert.deepEqual(bench.endpoint.sessions(), []);
    });

    it('thousands that are due at once are judged a few at a time, each once a cadence', async () => {
      const judge = new FakeJudge();
      bench = await new Bench(all, judge, { manual: true, limits: { sessionsPerDevice: 16 } }).open();
      for (let i = 0; i < 16; i++) await (await bench.raw(all.device)).in({ clientId: `client ${i}` });
      for (let i = 0; i < 16; i++) await (await bench.raw(all.other)).in({ clientId: `client ${i}` });
      const before = judge.calls;
      const gate = Promise.withResolvers<void>();
      judge.gate = gate.promise;
      await bench.clock.advance(61_000);
      assert.equal(judge.calls - before, 16);
      gate.resolve();
      await bench.clock.advance(1_000);
      assert.equal(judge.calls - before, 32);
      await bench.clock.advance(30_000);
      assert.equal(judge.calls - before, 32);
    });
  });
});
