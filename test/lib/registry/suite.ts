import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AuthorityStore } from '../../../lib/pki/store.ts';
import type { Registry } from '../../../lib/registry/index.ts';
import { certificate, code, type FakeClock, failure, hash, heard, MAC, NAMESPACE, serialOf, T0 } from './support.ts';

/** What the suite needs of a kind of store: an empty registry with the namespace `plant`, and its clock. */
export interface Given {
  readonly registry: Registry;
  readonly clock: FakeClock;
  /** Closes and removes all of it. */
  done(): Promise<void>;
}

/** What every store must do. `open` is called before each test, its `done` after. */
export function registrySuite(name: string, open: () => Promise<Given>): void {
  describe(`the registry in ${name}`, () => {
    let registry: Registry;
    let clock: FakeClock;
    let done: Given['done'] | undefined;
    beforeEach(async () => {
      ({ registry, clock, done } = await open());
    });
    afterEach(async () => {
      await done?.();
      done = undefined;
    });

    const device = (fields: object = {}) => registry.addDevice({ namespace: NAMESPACE, mac: MAC, ...fields });

    describe('keeps devices', () => {
      it('with all that is known of them', async () => {
        await registry.putProfile({ namespace: NAMESPACE, name: 'gateway', settings: { ota: true } });
        const fields = {
          serial: 'SN 1',
          name: 'Pümpe',
          profile: 'gateway',
          labels: ['b', 'a', 'b'],
          reason: 'imported',
        };
        const made = await device({ ...fields, attributes: { site: 'north', depth: [1, { two: null }] } });
        assert.match(made.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        const { id } = made;
        assert.deepEqual(made, {
          id,
          namespace: NAMESPACE,
          mac: MAC,
          ...fields,
          labels: ['a', 'b'],
          attributes: { site: 'north', depth: [1, { two: null }] },
          state: 'registered',
          stateAt: T0,
          createdAt: T0,
          changedAt: T0,
        });
        assert.deepEqual(await registry.device(id), made);
        assert.deepEqual(await registry.device({ namespace: NAMESPACE, mac: MAC }), made);
        assert.deepEqual(await registry.device({ namespace: NAMESPACE, name: 'Pümpe' }), made);
        assert.deepEqual(await registry.device({ namespace: NAMESPACE, serial: 'SN 1' }), made);
        assert.equal(await registry.device({ namespace: 'other', mac: MAC }), undefined);
      });

      it('once each: MAC, name, serial number and id', async () => {
        const first = await device({ name: 'one', serial: 's1' });
        const again = (fields: object) => registry.addDevice({ namespace: NAMESPACE, ...fields });
        const taken = (field: string, value: string) => code('DEVICE_EXISTS', { field, value, device: first.id });
        await assert.rejects(again({ mac: MAC }), taken('mac', MAC));
        await assert.rejects(again({ name: 'one' }), taken('name', 'one'));
        await assert.rejects(again({ serial: 's1' }), taken('serial', 's1'));
        await assert.rejects(again({ id: first.id, name: 'two' }), taken('id', first.id));
        await registry.putNamespace({ name: 'elsewhere', settings: {} });
        await registry.addDevice({ namespace: 'elsewhere', mac: MAC, name: 'one', serial: 's1' });
        const second = await again({ name: 'two' });
        await assert.rejects(registry.updateDevice(second.id, { mac: MAC }), taken('mac', MAC));
        await assert.rejects(registry.updateDevice(second.id, { name: 'one' }), taken('name', 'one'));
        assert.deepEqual(await registry.device(second.id), second, 'a refused change left something');
      });

      it('of namespaces and profiles that exist', async () => {
        await assert.rejects(device({ namespace: 'nowhere' }), code('NAMESPACE_UNKNOWN'));
        await assert.rejects(device({ profile: 'none' }), code('PROFILE_UNKNOWN'));
        const made = await device();
        await assert.rejects(registry.updateDevice(made.id, { profile: 'none' }), code('PROFILE_UNKNOWN'));
      });

      for (const [what, fields, field] of [
        ['MAC with colons', { mac: 'a0:b1:c2:d3:e4:f5' }, 'mac'],
        ['MAC in upper case', { mac: 'A0B1C2D3E4F5' }, 'mac'],
        ['MAC that is no text', { mac: 5 }, 'mac'],
        ['nothing to know it by', { mac: null }, 'mac'],
        ['namespace with a slash', { namespace: 'a/b' }, 'namespace'],
        ['namespace of 52', { namespace: 'n'.repeat(52) }, 'namespace'],
        ['name with a control character', { name: 'a\u0007b' }, 'name'],
        ['name that turns direction', { name: 'a\u202eb' }, 'name'],
        ['name that is not composed', { name: 'e\u0301' }, 'name'],
        ['half a character', { name: '\ud800' }, 'name'],
        ['name of 129 bytes', { name: 'n'.repeat(129) }, 'name'],
        ['blank name', { name: ' ' }, 'name'],
        ['id with a blank', { id: 'a b' }, 'id'],
        ['33 labels', { labels: Array.from({ length: 33 }, (_, i) => `l${i}`) }, 'labels'],
        ['attributes that reach into objects', { attributes: JSON.parse('{"__proto__":1}') }, 'attributes'],
        ['attributes too deep', { attributes: { a: [[[[[[[[1]]]]]]]] } }, 'attributes'],
        ['attributes too large', { attributes: { a: 'x'.repeat(17_000) } }, 'attributes'],
        ['attributes that are no JSON', { attributes: { a: new Date(0) } }, 'attributes'],
      ] as const) {
        it(`but not one with a ${what}`, async () => {
          const expected = field === 'namespace' ? 'BAD_NAMESPACE' : 'BAD_DEVICE';
          await assert.rejects(device(fields), code(expected, { field }));
          assert.equal((await registry.devices()).items.length, 0);
        });
      }

      it('and changes what is asked, and no more', async () => {
        const made = await device({ name: 'one', labels: ['a'], attributes: { x: 1, y: 2 } });
        clock.time += 1000;
        const changed = await registry.updateDevice(made.id, {
          serial: 's',
          labels: ['b'],
          attributes: { y: null, z: 3 },
        });
        const expected = { ...made, serial: 's', labels: ['b'], attributes: { x: 1, z: 3 }, changedAt: T0 + 1000 };
        assert.deepEqual(changed, expected);
        assert.deepEqual(await registry.device(made.id), expected);
        assert.deepEqual((await registry.devices({ label: 'a' })).items, []);
        assert.deepEqual((await registry.devices({ label: 'b' })).items, [expected]);
        await assert.rejects(registry.updateDevice('nobody', {}), code('DEVICE_UNKNOWN'));
        await registry.updateDevice(made.id, { mac: null, serial: null });
        await assert.rejects(registry.updateDevice(made.id, { name: null }), code('BAD_DEVICE'));
        const large = { big: 'x'.repeat(9000) };
        await registry.updateDevice(made.id, { attributes: large });
        await assert.rejects(registry.updateDevice(made.id, { attributes: { more: large.big } }), code('BAD_DEVICE'));
      });

      it('and lists them by filter, page by page', async () => {
        for (let i = 0; i < 25; i++) {
          clock.time += 1;
          const labels = i % 2 === 0 ? ['even'] : [];
          await device({ mac: null, name: `Pump ${i}`, serial: `100%_${i}`, labels });
        }
        const names: (string | null)[] = [];
        let after: string | undefined;
        do {
          const page = await registry.devices({ label: 'even' }, { limit: 5, ...(after && { after }) });
          assert.ok(page.items.length <= 5);
          names.push(...page.items.map((one) => one.name));
          after = page.next ?? undefined;
        } while (after !== undefined);
        assert.deepEqual(
          names,
          Array.from({ length: 13 }, (_, i) => `Pump ${2 * i}`),
        );
        const count = async (filter: object) => (await registry.devices(filter)).items.length;
        assert.equal(await count({ search: 'pUMP 1' }), 11);
        assert.equal(await count({ search: '%_2' }), 6);
        assert.equal(await count({ search: '_1%' }), 0);
        assert.equal(await count({ states: ['online', 'offline'] }), 0);
        assert.equal(await count({ states: ['registered'], namespace: NAMESPACE }), 25);
        assert.equal(await count({ states: [] }), 0);
        assert.equal(await count({ namespace: 'other' }), 0);
        for (const limit of [0, 1001, 1.5, Number.NaN]) {
          await assert.rejects(registry.devices({}, { limit }), code('BAD_PAGE'));
        }
      });

      it('and removes only those that are registered or retired', async () => {
        const made = await device({ labels: ['a'] });
        await registry.putCredential({ device: made.id, kind: 'mqtt-basic', sealed: Uint8Array.of(1) });
        await registry.setState(made.id, 'flashing');
        await assert.rejects(registry.removeDevice(made.id), code('DEVICE_IN_USE'));
        await registry.setState(made.id, 'retired', { reason: 'scrapped' });
        await registry.removeDevice(made.id);
        assert.equal(await registry.device(made.id), undefined);
        assert.deepEqual((await registry.credentials()).items, []);
        await device();
      });
    });

    it('lets one of all who race for a name win, and nobody else', async function () {
      this.timeout(120_000);
      const [racers, names] = [100_000, 1_000];
      const winners = new Map<string, string>();
      let lost = 0;
      let next = 0;
      const racer = async (): Promise<void> => {
        while (next < racers) {
          const name = `name ${(next++ * 7919) % names}`;
          try {
            const made = await registry.addDevice({ namespace: NAMESPACE, name });
            assert.ok(!winners.has(name), `${name} was given twice`);
            winners.set(name, made.id);
          } catch (error) {
            code('DEVICE_EXISTS', { field: 'name', value: name })(error);
            lost += 1;
          }
        }
      };
      await Promise.all(Array.from({ length: 500 }, racer));
      assert.deepEqual([winners.size, lost], [names, racers - names]);
      assert.equal((await registry.countDevices()).registered, names);
      for (const [name, id] of [...winners].slice(0, 50)) {
        assert.equal((await registry.device({ namespace: NAMESPACE, name }))?.id, id);
      }
    });

    describe('keeps certificates', () => {
      const add = (number: number, fields: object = {}, options: object = {}) =>
        registry.addCertificate(certificate(number, fields), options);
      const stateOf = async (number: number) => (await registry.certificate(serialOf(number)))?.state;

      it('as they came', async () => {
        await add(1);
        assert.deepEqual(await registry.certificate(serialOf(1)), certificate(1));
        assert.deepEqual(await registry.certificatesOf(NAMESPACE, MAC), [certificate(1)]);
        assert.equal(await registry.certificate(serialOf(2)), undefined);
        await assert.rejects(add(1), code('SERIAL_TAKEN'));
        await assert.rejects(add(2, { serial: 'AB' }), code('BAD_CERTIFICATE', { field: 'serial' }));
      });

      it('pending, then live; a second one only as a replacement, which revokes the first', async () => {
        await add(1);
        await registry.markLive(serialOf(1));
        await registry.markLive(serialOf(1));
        await assert.rejects(add(2), code('DEVICE_HAS_LIVE', { serial: serialOf(1) }));
        await add(2, {}, { replace: true });
        assert.deepEqual([await stateOf(1), await stateOf(2)], ['live', 'pending']);
        clock.time += 5000;
        await registry.markLive(serialOf(2));
        assert.deepEqual([await stateOf(1), await stateOf(2)], ['revoked', 'live']);
        const first = await registry.certificate(serialOf(1));
        assert.deepEqual([first?.reason, first?.revokedAt], [4, T0 + 5000]);
        await assert.rejects(registry.markLive(serialOf(1)), code('CERTIFICATE_STATE'));
        await assert.rejects(registry.markLive(serialOf(9)), code('CERTIFICATE_UNKNOWN'));
      });

      it('and a key as one device’s own', async () => {
        const key = { publicKeyHash: hash('one key') };
        await add(1, key);
        for (const other of [{ device: '000000000001' }, { device: '000000000001', namespace: 'elsewhere' }]) {
          await assert.rejects(add(2, { ...key, ...other }), code('KEY_IN_USE', { serial: serialOf(1) }));
        }
        await add(2, { ...key, namespace: 'elsewhere' });
        await registry.revoke(serialOf(1), 5, T0);
        await add(3, key);
        await registry.revoke(serialOf(3), 1, T0);
        const error = await failure(add(4, key));
        assert.deepEqual([error.code, /compromised/.test(error.message)], ['KEY_IN_USE', true]);
        await add(5, { device: null, kind: 'service', state: 'live', namespace: 'keyway', publicKeyHash: hash('tls') });
        await add(6, { device: null, kind: 'service', state: 'live', namespace: 'keyway', publicKeyHash: hash('tls') });
        await assert.rejects(add(7, { publicKeyHash: hash('tls') }), code('KEY_IN_USE'));
        const racing = [8, 9].map((i) => add(i, { device: `00000000000${i}`, publicKeyHash: hash('raced') }));
        const won = (await Promise.allSettled(racing)).filter(({ status }) => status === 'fulfilled');
        assert.equal(won.length, 1);
      });

      it('and lets a renewed one be superseded, not revoked', async () => {
        await add(1, { state: 'live' });
        await add(2, { state: 'live' }, { renew: true });
        assert.deepEqual([await stateOf(1), await stateOf(2)], ['superseded', 'live']);
        assert.deepEqual(await registry.revokedSince(NAMESPACE, 0), []);
      });

      it('and never two live ones of a device, whoever is faster', async () => {
        await add(1);
        await add(2);
        await registry.markLive(serialOf(1));
        await assert.rejects(registry.markLive(serialOf(2)), code('DEVICE_HAS_LIVE'));
        const race = await Promise.allSettled([add(3, { state: 'live' }), add(4, { state: 'live' })]);
        assert.deepEqual(
          race.map(({ status }) => status),
          ['rejected', 'rejected'],
        );
        await add(5, { device: '000000000001', state: 'live' });
        await add(6, { device: null, kind: 'root', state: 'live', namespace: 'keyway' });
        await add(7, { device: null, kind: 'service', state: 'live', namespace: 'keyway' });
      });

      it('and revokes for good, with the first reason and time', async () => {
        await add(1);
        await registry.revoke(serialOf(1), 1, T0 + 10);
        await registry.revoke(serialOf(1), 4, T0 + 20);
        const revoked = await registry.certificate(serialOf(1));
        assert.deepEqual([revoked?.state, revoked?.reason, revoked?.revokedAt], ['revoked', 1, T0 + 10]);
        assert.deepEqual(await registry.revokedSince(NAMESPACE, certificate(1).notAfter), [revoked]);
        assert.deepEqual(await registry.revokedSince(NAMESPACE, certificate(1).notAfter + 1), []);
        assert.deepEqual(await registry.revokedSince('other', 0), []);
        await assert.rejects(registry.revoke(serialOf(2), 1, T0), code('CERTIFICATE_UNKNOWN'));
        await assert.rejects(registry.revoke(serialOf(1), 7, T0), code('BAD_CERTIFICATE'));
      });

      it('and lists those that end soon first', async () => {
        for (const n of [5, 3, 1, 2, 4]) await add(n, { device: serialOf(n).slice(-12), notAfter: T0 + n });
        const first = await registry.certificates({ endsBefore: T0 + 5 }, { limit: 3 });
        assert.deepEqual(
          first.items.map((one) => one.notAfter - T0),
          [1, 2, 3],
        );
        const second = await registry.certificates({ endsBefore: T0 + 5 }, { limit: 3, after: first.next ?? '' });
        assert.deepEqual([second.items.map((one) => one.notAfter - T0), second.next], [[4], null]);
        await assert.rejects(registry.certificates({}, { after: 'x' }), code('BAD_PAGE'));
      });

      it('and counts CRLs up, for each namespace', async () => {
        const numbers = await Promise.all(Array.from({ length: 20 }, () => registry.nextCrlNumber(NAMESPACE)));
        assert.deepEqual(
          numbers.toSorted((a, b) => a - b),
          Array.from({ length: 20 }, (_, i) => i + 1),
        );
        assert.equal(await registry.nextCrlNumber('keyway'), 1);
      });

      it('as the authority wants its store to do', async () => {
        const store: AuthorityStore = registry;
        assert.equal(await store.newestTime(), T0);
      });
    });

    describe('keeps secrets of others', () => {
      const code1 = { hash: hash('code'), namespace: NAMESPACE, prefix: 'PROV-', expiresAt: T0 + 1000 };

      it('tokens, as hashes', async () => {
        const token = await registry.addToken({
          kind: 'namespace',
          hash: hash('t'),
          namespace: NAMESPACE,
          scopes: ['mint'],
        });
        assert.deepEqual(await registry.token(hash('t')), token);
        assert.equal(await registry.token(hash('u')), undefined);
        const again = { kind: 'api-key', hash: hash('t'), namespace: NAMESPACE };
        await assert.rejects(registry.addToken(again), code('TOKEN_TAKEN'));
        clock.time += 1;
        assert.equal((await registry.revokeToken(token.id, 'lost')).revokedAt, T0 + 1);
        clock.time += 1;
        assert.deepEqual(await registry.revokeToken(token.id, 'again'), await registry.token(hash('t')));
        assert.equal((await registry.token(hash('t')))?.revokedAt, T0 + 1);
        assert.equal((await registry.tokens({ namespace: NAMESPACE })).items.length, 1);
        await assert.rejects(registry.revokeToken('nobody'), code('TOKEN_UNKNOWN'));
        await assert.rejects(registry.addToken({ ...again, hash: 'plain text' }), code('BAD_TOKEN', { field: 'hash' }));
      });

      it('credentials, sealed', async () => {
        const { id } = await device();
        await registry.putCredential({ device: id, kind: 'mqtt-basic', sealed: Uint8Array.of(1, 2) });
        await registry.putCredential({ device: id, kind: 'mqtt-basic', sealed: Uint8Array.of(3) });
        const kept = await registry.credential(id, 'mqtt-basic');
        assert.deepEqual(kept?.sealed, Uint8Array.of(3));
        await registry.rewrapCredential(kept.id, Uint8Array.of(4));
        assert.deepEqual((await registry.credentials()).items, [{ ...kept, sealed: Uint8Array.of(4) }]);
        await registry.removeCredential(id, 'mqtt-basic');
        await assert.rejects(registry.removeCredential(id, 'mqtt-basic'), code('CREDENTIAL_UNKNOWN'));
        await assert.rejects(registry.rewrapCredential(kept.id, Uint8Array.of(5)), code('CREDENTIAL_UNKNOWN'));
        const nobody = { device: 'nobody', kind: 'x', sealed: Uint8Array.of(1) };
        await assert.rejects(registry.putCredential(nobody), code('DEVICE_UNKNOWN'));
      });

      it('one-time codes: one of all who race for one wins', async () => {
        await registry.addCode(code1);
        await assert.rejects(registry.addCode(code1), code('TOKEN_TAKEN'));
        const use = (i: number) =>
          registry.redeemCode(code1.hash, { device: { mac: serialOf(i).slice(-12), name: `racer ${i}` } });
        const race = await Promise.allSettled(Array.from({ length: 200 }, (_, i) => use(i)));
        assert.equal(race.filter(({ status }) => status === 'fulfilled').length, 1);
        for (const one of race) if (one.status === 'rejected') code('CODE_SPENT')(one.reason);
        assert.equal((await registry.devices()).items.length, 1);
        assert.deepEqual(await registry.codes(NAMESPACE), []);
      });

      it('one-time codes: not used when the device is refused, bound, over, withdrawn', async () => {
        await device();
        await registry.addCode(code1);
        await assert.rejects(registry.redeemCode(code1.hash, { device: { mac: MAC } }), code('DEVICE_EXISTS'));
        assert.equal((await registry.codes(NAMESPACE))[0]?.uses, 0);
        clock.time += 1000;
        await assert.rejects(registry.redeemCode(code1.hash), code('CODE_EXPIRED'));
        const bound = { ...code1, hash: hash('bound'), mac: MAC, maxUses: 2, expiresAt: T0 + 9000 };
        await registry.addCode(bound);
        await assert.rejects(registry.redeemCode(bound.hash), code('CODE_UNKNOWN'));
        await assert.rejects(registry.redeemCode(bound.hash, { mac: '000000000001' }), code('CODE_UNKNOWN'));
        assert.equal((await registry.redeemCode(bound.hash, { mac: MAC })).code.uses, 1);
        await registry.voidCode(bound.hash);
        await registry.voidCode(bound.hash);
        await assert.rejects(registry.redeemCode(bound.hash, { mac: MAC }), code('CODE_VOID'));
        await assert.rejects(registry.voidCode(hash('none')), code('CODE_UNKNOWN'));
        await assert.rejects(registry.redeemCode(hash('none')), code('CODE_UNKNOWN'));
      });

      it('tickets: used once', async () => {
        const terms = { namespace: NAMESPACE, device: MAC, expiresAt: T0 + 300_000 };
        await registry.putTicket(hash('ticket'), terms);
        await assert.rejects(registry.putTicket(hash('ticket'), terms), code('TOKEN_TAKEN'));
        const race = await Promise.all(Array.from({ length: 50 }, () => registry.redeemTicket(hash('ticket'))));
        assert.deepEqual(
          race.filter((one) => one !== undefined),
          [{ namespace: NAMESPACE, device: MAC }],
        );
        await registry.putTicket(hash('late'), terms);
        assert.equal(await registry.redeemTicket(hash('late'), T0 + 300_000), undefined);
      });

      it('but redeems nothing while the clock is behind', async () => {
        await registry.addCode({ ...code1, expiresAt: T0 + 90_000 });
        clock.time += 60_000;
        await registry.audit({ action: 'test' });
        clock.time -= 30_000;
        assert.equal(await registry.newestTime(), T0 + 60_000);
        await assert.rejects(registry.redeemCode(code1.hash), code('CLOCK_BEHIND'));
        await assert.rejects(registry.redeemTicket(hash('x')), code('CLOCK_BEHIND'));
        await registry.acceptClock();
        await registry.redeemCode(code1.hash);
      });
    });

    it('keeps namespaces, profiles and key records', async () => {
      await registry.putNamespace({ name: 'a', settings: { days: 7 } });
      await registry.putNamespace({ name: 'a', settings: { days: 8 } });
      assert.deepEqual(await registry.namespace('a'), { name: 'a', settings: { days: 8 } });
      assert.deepEqual(
        (await registry.namespaces()).map(({ name: one }) => one),
        ['a', NAMESPACE],
      );
      await registry.putProfile({ namespace: 'a', name: 'p', settings: {} });
      assert.deepEqual(await registry.profiles('a'), [{ namespace: 'a', name: 'p', settings: {} }]);
      assert.deepEqual(await registry.profile('a', 'q'), undefined);
      await assert.rejects(registry.putProfile({ namespace: 'b', name: 'p', settings: {} }), code('NAMESPACE_UNKNOWN'));
      await assert.rejects(registry.putNamespace({ name: '..', settings: {} }), code('BAD_NAMESPACE'));
      await registry.putKeyRecord('authority/root', Uint8Array.of(1));
      await registry.putKeyRecord('authority/root', Uint8Array.of(2));
      assert.deepEqual(await registry.keyRecord('authority/root'), Uint8Array.of(2));
      assert.ok((await registry.keyNames()).includes('authority/root'));
      assert.equal(await registry.keyRecord('none'), undefined);
    });

    it('tells every change once it is kept, in order, and nothing that was refused', async () => {
      const events = heard(registry);
      const made = await device();
      await assert.rejects(device(), code('DEVICE_EXISTS'));
      await registry.setState(made.id, 'flashing', { reason: 'bench 1' });
      await registry.setState(made.id, 'awaiting-setup');
      await registry.setState(made.id, 'online');
      await registry.setState(made.id, 'online');
      await registry.setState(made.id, 'offline');
      await registry.addCertificate(certificate(1));
      await registry.revoke(serialOf(1), 1, T0);
      assert.deepEqual(
        events.map(({ topic, from, device: one }) => [topic, from, one?.state]),
        [
          ['device.added', undefined, 'registered'],
          ['device.state', 'registered', 'flashing'],
          ['device.state', 'flashing', 'awaiting-setup'],
          ['device.state', 'awaiting-setup', 'online'],
          ['device.state', 'online', 'offline'],
          ['certificate.pending', undefined, undefined],
          ['certificate.revoked', undefined, undefined],
        ],
      );
      assert.equal(events[1]?.device?.reason, 'bench 1');
    });

    it('goes on telling when one who listens fails', async () => {
      const warned = once(process, 'warning');
      registry.subscribe(() => {
        throw new Error('a listener of the test fails');
      });
      const events = heard(registry);
      await device();
      assert.deepEqual(
        events.map(({ topic }) => topic),
        ['device.added'],
      );
      assert.match(String((await warned)[0]), /a listener of the test fails/);
    });

    it('writes every change to an audit log whose chain holds', async () => {
      const by = { actor: 'ada', source: '127.0.0.1' };
      await registry.addDevice({ namespace: NAMESPACE, mac: MAC, id: 'one' }, by);
      await registry.audit(
        { action: 'flash.forced', subject: 'one', outcome: 'denied', detail: { flag: 'force' } },
        by,
      );
      await registry.setState('one', 'online');
      await registry.setState('one', 'offline');
      const { items } = await registry.auditLog({ subject: 'one' });
      assert.deepEqual(
        items.map(({ action, actor, outcome }) => [action, actor, outcome]),
        [
          ['device.state', 'keyway', 'ok'],
          ['flash.forced', 'ada', 'denied'],
          ['device.added', 'ada', 'ok'],
        ],
      );
      const page = await registry.auditLog({}, { limit: 2 });
      const rest = await registry.auditLog({}, { limit: 100, after: page.next ?? '' });
      const all = [...page.items, ...rest.items];
      assert.deepEqual(
        all.map(({ seq }) => seq),
        all.map((_, i) => all.length - i),
      );
      assert.deepEqual(await registry.verifyAudit(), { holds: true, entries: all.length });
      for (const bad of [{ action: 'No Word' }, { action: 'x', detail: { a: 'x'.repeat(5000) } }]) {
        await assert.rejects(registry.audit(bad), code('BAD_AUDIT'));
      }
      await assert.rejects(registry.audit({ action: 'x' }, { actor: 'a\nb' }), code('BAD_AUDIT'));
    });

    it('refuses everything once it is closed', async () => {
      const last = device();
      const closing = registry.close();
      await assert.rejects(device({ mac: '000000000001' }), code('REGISTRY_CLOSED'));
      assert.equal((await last).mac, MAC, 'what was asked before is finished');
      await closing;
      await registry.close();
      await assert.rejects(registry.device('x'), code('REGISTRY_CLOSED'));
    });
  });
}
