import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { distinguishedName } from '../../../lib/pki/certificate/names.ts';
import { type CrlFields, crlBody, crlEntries, crlOf, packRevoked } from '../../../lib/pki/crl/build.ts';
import { childrenOf, parseDer } from '../../../lib/pki/der/reader.ts';
import {
  type CrlDescription,
  type CrlEvent,
  type CrlFile,
  CrlPublisher,
  createCrlHandler,
  parseCrl,
} from '../../../lib/pki/node.ts';
import { NAMESPACE, PASSPHRASE } from './support.ts';
import { DAY, HOUR, NOW, type TrustWorld, trustWorld } from './trust-support.ts';

const ROOT = 'keyway/root';

describe('crl: what is written', () => {
  const fields: Omit<CrlFields, 'entries'> = {
    ...{ signature: 'ecdsa-sha256', issuer: distinguishedName('Test'), issuerKeyId: new Uint8Array(20).fill(9) },
    ...{ number: 5, thisUpdate: NOW, nextUpdate: NOW + DAY },
  };

  it('is read back as it was written, in strict DER', () => {
    const entry = fc.record({
      // Zeros in front, bits on top.
      serial: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
      reason: fc.constantFrom(0, 1, 2, 3, 4, 5, 9, 10),
      revokedAt: fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1000),
      notAfter: fc.constant(NOW),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), fc.integer({ min: 0, max: 2 ** 53 - 1 }), (records, number) => {
        const { der: entries, count } = crlEntries(packRevoked(records));
        const body = crlBody({ ...fields, number, entries, url: 'http://crl.example.com/a.crl' });
        parseDer(body);
        const read = parseCrl(crlOf(body, 'ecdsa-sha256', new Uint8Array(8)));
        assert.equal(count, records.length);
        assert.deepEqual(
          [...read.entries()],
          records.map(({ serial, reason, revokedAt }) => ({ serial, revokedAt, reason })),
        );
        assert.deepEqual([read.number, read.count], [number, records.length]);
      }),
      { numRuns: 100 },
    );
  });

  it('has no list of entries when there are none', () => {
    const body = crlBody({ ...fields, entries: crlEntries(packRevoked([])).der });
    const read = parseCrl(crlOf(body, 'ecdsa-sha256', new Uint8Array(8)));
    assert.deepEqual([read.count, read.distributionPoint, [...read.entries()]], [0, null, []]);
    assert.equal(childrenOf(parseDer(body)).length, 6, 'version, algorithm, issuer, two times, extensions');
  });

  it('torn lists are refused, whatever is torn', () => {
    const records = [{ serial: 'ab'.repeat(16), reason: 1, revokedAt: NOW, notAfter: NOW }];
    const good = crlOf(
      crlBody({ ...fields, entries: crlEntries(packRevoked(records)).der }),
      'ecdsa-sha256',
      new Uint8Array(70),
    );
    const parts = fc.nat({ max: good.length - 1 });
    fc.assert(
      fc.property(parts, fc.integer({ min: 0, max: 255 }), fc.boolean(), (at, byte, cut) => {
        const bytes = cut ? good.slice(0, at) : good.slice();
        if (!cut) bytes[at] = byte;
        try {
          void [...parseCrl(bytes).entries()];
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'BAD_CERTIFICATE');
        }
      }),
      { numRuns: 300 },
    );
    assert.throws(() => parseCrl('no PEM'), { code: 'BAD_PEM' });
  });
});

/** What runs later, when the test says so. */
class Later {
  #waiting: { readonly ms: number; readonly run: () => void }[] = [];
  readonly later = (ms: number, run: () => void): (() => void) => {
    const one = { ms, run };
    this.#waiting.push(one);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== one);
    };
  };
  /** Runs what waits for at most so long. @returns how long it would have waited */
  run(most: number): number[] {
    const due = this.#waiting.filter(({ ms }) => ms <= most);
    this.#waiting = this.#waiting.filter(({ ms }) => ms > most);
    for (const { run } of due) run();
    return due.map(({ ms }) => ms);
  }
}

describe('crl: lists of a registry', function () {
  this.timeout(20_000);
  let here: TrustWorld;
  let events: CrlEvent[] = [];
  let waiting: Later;
  const open: CrlPublisher[] = [];
  let heard: (() => void) | undefined;

  beforeEach(async () => {
    here = await trustWorld();
    events = [];
    waiting = new Later();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()));
    await here?.close();
  });

  const started = async (files: readonly CrlFile[] = []): Promise<CrlPublisher> => {
    const publisher = new CrlPublisher({
      ...{ store: here.registry, authority: here.authority, files, clock: () => here.clock.now },
      later: waiting.later,
      onEvent: (event) => {
        events.push(event);
        heard?.();
      },
    });
    open.push(publisher);
    await publisher.start();
    return publisher;
  };
  /** Waits for an event that is or will be told. */
  const event = (fits: (event: CrlEvent) => boolean): Promise<CrlEvent> =>
    new Promise((resolve) => {
      heard = () => {
        const found = events.find(fits);
        if (found === undefined) return;
        heard = undefined;
        resolve(found);
      };
      heard();
    });
  const listed = (publisher: CrlPublisher, name = NAMESPACE): CrlDescription => parseCrl(publisher.current(name).der);
  const serials = (list: CrlDescription): string[] => [...list.entries()].map(({ serial }) => serial);
  const signedBy = async (list: CrlDescription, namespace: string | null): Promise<boolean> => {
    const issuer = namespace === null ? (await here.authority.state()).root : await here.authority.issuer(namespace);
    assert.ok(issuer);
    assert.equal(list.authorityKeyId, issuer.keyId);
    assert.deepEqual(Buffer.from(list.issuer), Buffer.from(issuer.subject));
    const key = createPublicKey({ key: Buffer.from(issuer.key.spki), format: 'der', type: 'spki' });
    return verify('sha256', list.tbs, key, list.signature);
  };

  it('there is one of each namespace at start, with what was revoked before, and that of the root', async () => {
    const holder = await here.holder();
    await here.authority.revoke(holder.issued.serial, 1);
    const publisher = await started();
    const list = listed(publisher);
    assert.deepEqual([...list.entries()], [{ serial: holder.issued.serial, revokedAt: NOW, reason: 1 }]);
    assert.deepEqual([list.number, list.thisUpdate, list.nextUpdate], [1, NOW, NOW + DAY]);
    const url = Buffer.from(`http://crl.example.com/crl/${NAMESPACE}.crl`).toString('hex');
    assert.ok(list.distributionPoint?.endsWith(url), 'the name that certificates have');
    assert.equal(await signedBy(list, NAMESPACE), true);
    const root = listed(publisher, ROOT);
    assert.equal(await signedBy(root, null), true);
    assert.deepEqual([root.distributionPoint, root.nextUpdate], [null, NOW + 365 * DAY]);
    assert.equal(listed(publisher, 'keyway').count, 0, 'our own services');
    assert.throws(() => publisher.current('nowhere'), { code: 'CRL_UNKNOWN' });
    assert.throws(() => publisher.current('root'), { code: 'CRL_UNKNOWN' });
  });

  it('is made anew within a second of a revocation, once for many', async () => {
    const holders = [await here.holder(), await here.holder('246f28aabb10'), await here.holder('246f28aabb20')];
    const publisher = await started();
    for (const { issued } of holders) await here.authority.revoke(issued.serial, 4);
    const waited = waiting.run(1000);
    assert.equal(waited.length, 1);
    await event((one) => one.topic === 'crl.issued' && one.number === 2);
    assert.deepEqual(serials(listed(publisher)).toSorted(), holders.map(({ issued }) => issued.serial).toSorted());
    const again = await here.holder('246f28aabb30');
    await here.authority.revoke(again.issued.serial);
    waiting.run(1000);
    await event((one) => one.topic === 'crl.issued' && one.number === 3);
    assert.equal(listed(publisher).count, 4, 'those of before are still there');
    assert.deepEqual(
      events
        .filter((one) => one.topic === 'crl.issued' && one.namespace === NAMESPACE)
        .map((one) => 'cause' in one && one.cause),
      ['start', 'revocation', 'revocation'],
    );
  });

  it('is made anew at half-life, also after the machine has slept', async () => {
    const publisher = await started();
    here.clock.now += 12 * HOUR - 1000;
    waiting.run(60_000);
    assert.equal(listed(publisher).number, 1);
    here.clock.now += 1000;
    waiting.run(60_000);
    await event((one) => one.topic === 'crl.issued' && one.namespace === NAMESPACE && one.number === 2);
    assert.equal(listed(publisher).nextUpdate, NOW + 12 * HOUR + DAY);
  });

  it('drops an entry one list after its certificate’s end', async () => {
    const holder = await here.holder();
    await here.authority.revoke(holder.issued.serial);
    const publisher = await started();
    here.clock.now = holder.issued.notAfter - HOUR;
    await publisher.publish(NAMESPACE);
    here.clock.now = holder.issued.notAfter + HOUR;
    await publisher.publish(NAMESPACE);
    assert.equal(listed(publisher).count, 1, 'the first list after the end still has it');
    here.clock.now += HOUR;
    await publisher.publish(NAMESPACE);
    assert.equal(listed(publisher).count, 0);
  });

  it('lists every serial number of a device that is revoked, pending and superseded ones too', async () => {
    const holder = await here.holder();
    const renewed = await here.renewal(holder);
    await here.authority.markLive(renewed.issued.serial);
    const pending = await here.renewal(renewed);
    const publisher = await started();
    await here.authority.revokeDevice(NAMESPACE, holder.mac, 1);
    waiting.run(1000);
    await event((one) => one.topic === 'crl.issued' && one.number === 2);
    const all = [holder, renewed, pending].map(({ issued }) => issued.serial);
    assert.deepEqual(serials(listed(publisher)).toSorted(), all.toSorted());
  });

  it('numbers go on, whoever makes the list', async () => {
    const first = await started();
    await first.close();
    assert.equal(listed(await started()).number, 2);
  });

  it('lists services that were revoked in a list of their own', async () => {
    const csr = (await here.holder()).csr;
    const service = await here.authority.issueService({ names: ['broker.example.com'], csr });
    const publisher = await started();
    await here.authority.revoke(service.serial, 5);
    waiting.run(1000);
    await event((one) => one.topic === 'crl.issued' && one.namespace === 'keyway' && one.number === 2);
    assert.deepEqual(serials(listed(publisher, 'keyway')), [service.serial]);
    assert.equal(listed(publisher).number, 1, 'and those of devices stay as they are');
    assert.equal(await signedBy(listed(publisher, 'keyway'), 'keyway'), true);
  });

  it('the root lists an authority that was revoked, once it signs', async () => {
    const publisher = await started();
    const { serial } = await here.authority.issuer(NAMESPACE);
    await here.authority.revoke(serial, 2);
    assert.equal(listed(publisher, ROOT).count, 0);
    await assert.rejects(here.authority.renewRootCrl(), { code: 'BAD_PASSPHRASE' });
    await here.authority.renewRootCrl(PASSPHRASE);
    await publisher.rootChanged();
    assert.deepEqual([...listed(publisher, ROOT).entries()], [{ serial, revokedAt: NOW, reason: 2 }]);
  });

  it('says in time that the root’s list ends, and signs it itself only where it can', async () => {
    await started();
    here.clock.now += 340 * DAY;
    waiting.run(60_000);
    const told = await event((one) => one.topic === 'crl.failed' && one.namespace === ROOT);
    assert.equal(told.topic === 'crl.failed' && (told.error as { code?: string }).code, 'CRL_NO_ROOT_LIST');
  });

  it('an authority that was made without a root’s list is told of at once, and goes on', async () => {
    const { authority, registry: store, clock } = here;
    const older = {
      issueCrl: authority.issueCrl.bind(authority),
      rootCrl: async () => undefined,
      renewRootCrl: () => authority.renewRootCrl(),
    };
    const told: CrlEvent[] = [];
    const onEvent = (one: CrlEvent): void => void told.push(one);
    const publisher = new CrlPublisher({
      store,
      authority: older,
      clock: () => clock.now,
      later: waiting.later,
      onEvent,
    });
    open.push(publisher);
    await publisher.start();
    const failed = told.find((one) => one.topic === 'crl.failed');
    assert.equal(failed?.topic === 'crl.failed' && (failed.error as { code?: string }).code, 'CRL_NO_ROOT_LIST');
    assert.throws(() => publisher.current(ROOT), { code: 'CRL_UNKNOWN' });
    assert.equal(listed(publisher).number, 1);
  });

  it('a namespace that comes later gets its list', async () => {
    const publisher = await started();
    await here.authority.createNamespace('plant-8', {}, { passphrase: PASSPHRASE });
    waiting.run(1000);
    await event((one) => one.topic === 'crl.issued' && one.namespace === 'plant-8');
    assert.equal(listed(publisher, 'plant-8').number, 1);
  });

  it('with a clock that is behind no list is made, the one before stays, and it says why', async () => {
    const publisher = await started();
    here.clock.now = NOW - DAY;
    await assert.rejects(publisher.publish(NAMESPACE), { code: 'CRL_FAILED' });
    assert.equal(listed(publisher).number, 1);
    assert.ok(events.some((one) => one.topic === 'crl.failed'));
    here.clock.now = NOW + 1;
    assert.equal((await publisher.publish(NAMESPACE)).number, 2);
  });

  describe('in files', () => {
    const fileOf = (path: string, more: Partial<CrlFile> = {}): CrlFile => ({ path, namespaces: [NAMESPACE], ...more });

    it('a broker finds the namespace’s list and the root’s, whole, and hears of new ones', async () => {
      const path = join(here.folder, 'broker.crl.pem');
      const holder = await here.holder();
      await started([fileOf(path), fileOf(`${path}.alone`, { root: false })]);
      const read = async (from = path) => (await readFile(from, 'utf8')).split(/(?<=-----END X509 CRL-----\n)/);
      assert.deepEqual([(await read()).length, (await read(`${path}.alone`)).length], [2, 1]);
      assert.equal((await stat(path)).mode & 0o777, 0o644);
      await here.authority.revoke(holder.issued.serial);
      events = [];
      waiting.run(1000);
      await event((one) => one.topic === 'crl.written' && one.path === path);
      const [own, root] = await read();
      assert.deepEqual(serials(parseCrl(own ?? '')), [holder.issued.serial]);
      assert.equal(await signedBy(parseCrl(root ?? ''), null), true);
      assert.deepEqual(events.map(({ topic }) => topic).slice(0, 2), ['crl.issued', 'crl.written']);
      await event((one) => one.topic === 'crl.written' && one.path === `${path}.alone`);
      assert.ok(!(await readdir(here.folder)).some((name) => name.endsWith('.part')));
    });

    it('one that cannot be written stops nobody, and is written once it can be', async () => {
      const folder = join(here.folder, 'later');
      const path = join(folder, 'broker.crl.pem');
      const publisher = await started([fileOf(path)]);
      const told = await event((one) => one.topic === 'crl.failed');
      assert.equal(told.topic === 'crl.failed' && (told.error as { code?: string }).code, 'CRL_FILE_NOT_WRITABLE');
      assert.equal(listed(publisher).number, 1, 'it is served all the same');
      await mkdir(folder);
      await chmod(folder, 0o755);
      waiting.run(60_000);
      await event((one) => one.topic === 'crl.written');
      assert.equal(parseCrl(await readFile(path, 'utf8')).number, 1);
    });

    it('one that names a namespace that is not there is told of', async () => {
      const path = join(here.folder, 'nowhere.pem');
      await started([fileOf(path, { namespaces: [NAMESPACE, 'nowhere'] })]);
      const told = await event((one) => one.topic === 'crl.failed');
      assert.deepEqual(told.topic === 'crl.failed' && [told.namespace, told.path], ['nowhere', path]);
      assert.ok(!(await readdir(here.folder)).includes('nowhere.pem'));
    });

    it('a folder in the file’s place is left alone', async () => {
      const path = join(here.folder, 'taken');
      await mkdir(path);
      await writeFile(join(path, 'precious'), 'x');
      await started([fileOf(path)]);
      await event((one) => one.topic === 'crl.failed');
      assert.equal(await readFile(join(path, 'precious'), 'utf8'), 'x');
      assert.ok(!(await readdir(here.folder)).some((name) => name.endsWith('.part')));
    });
  });

  describe('over HTTP', () => {
    const get = (path: string, headers: Record<string, string> = {}, method = 'GET') => ({ method, path, headers });

    it('are served as DER, with what caches need', async () => {
      const publisher = await started();
      const handle = createCrlHandler(publisher, () => here.clock.now);
      const answer = handle(get(`/crl/${NAMESPACE}.crl`));
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.body, publisher.current(NAMESPACE).der);
      assert.equal(answer.headers['Content-Type'], 'application/pkix-crl');
      assert.match(answer.headers['Cache-Control'] ?? '', /^public, max-age=60/);
      const etag = answer.headers.ETag ?? '';
      for (const known of [etag, `"x", W/${etag}`, '*']) {
        const again = handle(get(`/crl/${NAMESPACE}.crl`, { 'if-none-match': known }));
        assert.deepEqual([again.status, again.body.length], [304, 0], known);
      }
      assert.equal(handle(get(`/crl/${NAMESPACE}.crl`, { 'if-none-match': '"x"' })).status, 200);
      const head = handle(get(`/crl/${NAMESPACE}.crl`, {}, 'HEAD'));
      assert.deepEqual([head.status, head.body.length], [200, 0]);
      assert.equal(head.headers['Content-Length'], String(answer.body.length));
      assert.equal(parseCrl(handle(get('/root.crl')).body).nextUpdate, NOW + 365 * DAY);
      assert.equal(handle(get('/services.crl')).status, 200);
    });

    it('nothing else is', async () => {
      const handle = createCrlHandler(await started());
      const paths = [
        '/',
        '/crl/nowhere.crl',
        '/crl/root.crl',
        '/crl/keyway/root.crl',
        '/crl/../root.crl',
        '/crl/a%2e.crl',
      ];
      for (const path of [...paths, '__proto__', 'constructor', `/crl/${'a'.repeat(60)}.crl`]) {
        assert.equal(handle(get(path)).status, 404, path);
      }
      const post = handle(get(`/crl/${NAMESPACE}.crl`, {}, 'POST'));
      assert.deepEqual([post.status, post.headers.Allow], [405, 'GET, HEAD']);
    });
  });
});
