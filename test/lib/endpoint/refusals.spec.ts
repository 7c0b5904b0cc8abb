import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { Judge } from '../../../lib/endpoint/index.ts';
import { openssl, scratch } from '../pki/support.ts';
import { Bench, ground, type Identity, MAC, NAMESPACE, PREFIX } from './support.ts';
import { DAY, ELSEWHERE, HOUR, type Trust, trust } from './trust.ts';

describe('endpoint: who is let in', () => {
  let all: Trust;
  let bench: Bench<Judge>;
  beforeEach(async () => {
    all = await trust();
    bench = await all.bench();
  });
  afterEach(async () => {
    await bench?.close();
    await all?.close();
  });

  /** The positive control: another device comes in, before and after. */
  const letIn = async (who: Identity = all.other): Promise<void> => {
    const client = await bench.connect(who, { clientId: 'control' });
    await client.endAsync();
  };

  /** Refused without a byte, and nothing but the audit log says why. */
  async function refused(
    who: Identity | undefined,
    code: string,
    subject: string | null = who?.serial ?? null,
  ): Promise<void> {
    const before = (await all.log('endpoint.refused')).length;
    const told = bench.told.all('refused').length;
    const raw = await bench.raw(who);
    raw.connect();
    await raw.closed;
    assert.equal(raw.bytes, 0, 'the client was told something');
    await bench.told.until('refused', told + 1);
    await bench.endpoint.close();
    const log = (await all.log('endpoint.refused')).slice(before);
    assert.deepEqual(
      log.map(({ outcome, detail, subject: whose }) => [outcome, detail.code, whose]),
      [['denied', code, subject ?? '127.0.0.1']],
    );
    bench = await all.bench();
  }

  it('a device of ours comes in with 3.1.1 and 5, over TLS 1.2 and 1.3', async () => {
    for (const protocolVersion of [4, 5] as const) {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const client = await bench.connect(all.device, { protocolVersion, minVersion: version, maxVersion: version });
        await client.publishAsync(`${PREFIX}up`, version, { qos: 1 });
        await client.endAsync();
      }
    }
    assert.equal(bench.told.all('message').length, 4);
    assert.deepEqual(await all.log('endpoint.refused'), []);
  });

  it('no certificate', async () => {
    await letIn();
    await refused(undefined, 'CERT_MISSING');
    await letIn();
  });

  it('a self-signed one of the right name', async () => {
    const { folder, remove } = await scratch();
    try {
      const key = `${folder}/key.pem`;
      const cert = `${folder}/cert.pem`;
      await openssl([
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        key,
        '-out',
        cert,
        '-days',
        '7',
        '-subj',
        `/CN=${NAMESPACE}:${MAC}`,
        '-addext',
        'extendedKeyUsage=clientAuth',
      ]);
      const who = { ...all.device, key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
      const serial = (await openssl(['x509', '-in', cert, '-noout', '-serial']))
        .trim()
        .slice(7)
        .toLowerCase()
        .padStart(32, '0');
      await refused(who, 'CERT_SELF_SIGNED', serial);
      await letIn();
    } finally {
      await remove();
    }
  });

  it('of a foreign authority of the same name', async () => {
    const foreign = await ground();
    try {
      await letIn();
      await refused(foreign.device, 'CERT_FORGED');
      await letIn();
      // Over as well: what TLS says of the two is the same.
      all.ahead = 30 * DAY;
      await refused(foreign.device, 'CERT_FORGED');
    } finally {
      await foreign.close();
    }
  });

  it('of another namespace than is served here', async () => {
    const stranger = await all.mint(MAC, { namespace: ELSEWHERE });
    await letIn(stranger);
    await bench.close();
    bench = await all.bench({ namespace: NAMESPACE });
    const raw = await bench.raw(stranger);
    await raw.closed;
    const [refusal] = await bench.told.until('refused');
    assert.deepEqual(
      [refusal?.code, refusal?.at, refusal?.namespace],
      ['CERT_OTHER_NAMESPACE', 'handshake', ELSEWHERE],
    );
    await letIn();
  });

  it('a certificate of a service', async () => {
    await refused(all.service, 'CERT_PURPOSE');
    await letIn();
  });

  it('expired, and not a moment before', async () => {
    all.ahead = 7 * DAY - HOUR;
    await letIn(all.device);
    all.ahead = 7 * DAY + HOUR;
    await refused(all.device, 'CERT_EXPIRED');
  });

  it('not yet valid', async () => {
    const later = all.authorityAhead(2 * DAY);
    try {
      const early = await all.mint(MAC, { by: later });
      await refused(early, 'CERT_NOT_YET_VALID');
      all.ahead = 2 * DAY + HOUR;
      await letIn(early);
    } finally {
      await later.close();
    }
  });

  it('revoked; and revoked and expired', async () => {
    await letIn(all.device);
    await all.authority.revokeDevice(NAMESPACE, MAC);
    await refused(all.device, 'CERT_REVOKED');
    await letIn();
    all.ahead = 8 * DAY;
    await refused(all.device, 'CERT_REVOKED');
  });

  it('pending: nobody has confirmed it', async () => {
    const pending = await all.mint(MAC, { live: false });
    await refused(pending, 'CERT_PENDING');
    await all.authority.markLive(pending.serial);
    await letIn(pending);
  });

  it('a renewal comes in and supersedes what it was made from', async () => {
    await letIn(all.device);
    const renewed = await all.mint(MAC, { renew: true, live: false });
    await letIn(all.device);
    const live = new Promise<string | null>((resolve) => {
      const stop = all.registry.subscribe(({ topic, subject }) => {
        if (topic !== 'certificate.live') return;
        stop();
        resolve(subject);
      });
    });
    await letIn(renewed);
    assert.equal(await live, renewed.serial);
    await refused(all.device, 'CERT_SUPERSEDED');
    await letIn(renewed);
  });

  it('a device that is retired, or not in the registry', async () => {
    const device = await all.registry.device({ namespace: NAMESPACE, mac: MAC });
    await all.registry.setState(device?.id as string, 'retired');
    await refused(all.device, 'CERT_DEVICE_STATE');
    await letIn();
  });

  it('nobody while the registry cannot be asked, and then again', async () => {
    await bench.close();
    const judge: Judge = {
      certificate: () => Promise.reject(new Error('The disk is gone.')),
      isRevoked: () => false,
      used: () => Promise.resolve(),
      onCut: () => () => undefined,
    };
    const broken = await new Bench(all, judge).open();
    try {
      const raw = await broken.raw(all.device);
      await raw.closed;
      assert.equal((await broken.told.until('refused'))[0]?.code, 'JUDGE_FAILED');
      assert.equal((broken.told.all('trouble')[0] as { code?: string }).code, 'JUDGE_FAILED');
    } finally {
      await broken.close();
    }
    bench = await all.bench();
    await letIn();
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`a resumed session is judged like any other: ${version}`, async () => {
      /** Connects and keeps the ticket. */
      const session = async (who: Identity): Promise<Buffer> => {
        const raw = await bench.raw(who, { minVersion: version, maxVersion: version });
        const ticket = once(raw.socket, 'session') as Promise<[Buffer]>;
        await raw.in();
        const [bytes] = version === 'TLSv1.2' ? [raw.socket.getSession()] : await ticket;
        raw.socket.destroy();
        return bytes as Buffer;
      };
      const resume = (who: Identity, ticket: Buffer) =>
        bench.raw(who, { session: ticket, minVersion: version, maxVersion: version });

      const [ticket, others] = [await session(all.device), await session(all.other)];
      const control = await resume(all.device, await session(all.device));
      assert.equal(control.socket.isSessionReused(), true);
      await control.in();
      assert.deepEqual(
        bench.endpoint.sessions().map(({ resumed }) => resumed),
        [true],
      );
      control.socket.destroy();

      await all.authority.revokeDevice(NAMESPACE, MAC);
      const revoked = await resume(all.device, ticket);
      assert.equal(revoked.socket.isSessionReused(), true);
      revoked.connect();
      await revoked.closed;
      assert.equal(revoked.bytes, 0);

      all.ahead = 8 * DAY;
      const expired = await resume(all.other, others);
      assert.equal(expired.socket.isSessionReused(), true);
      expired.connect();
      await expired.closed;
      assert.equal(expired.bytes, 0);
      await bench.told.until('refused', 2);
      assert.deepEqual(bench.told.codes, ['CERT_REVOKED', 'CERT_EXPIRED']);
    });
  }

  it('a resumed session cannot carry another certificate than it began with', async () => {
    const raw = await bench.raw(all.device);
    const ticket = once(raw.socket, 'session') as Promise<[Buffer]>;
    await raw.in();
    const [session] = await ticket;
    const again = await bench.raw(all.other, { session });
    await again.in();
    assert.deepEqual(
      bench.endpoint.sessions().map(({ mac, resumed }) => [mac, resumed]),
      [[MAC, true]],
    );
  });

  it('nobody shows another certificate in the middle of a session', async () => {
    const raw = await bench.raw(all.device, { maxVersion: 'TLSv1.2' });
    await raw.in();
    const problem = await new Promise<Error | null>((resolve) => {
      raw.socket.once('error', resolve);
      raw.socket.renegotiate({}, resolve);
    });
    assert.ok(problem !== null);
  });

  it('revoked between the handshake and CONNECT: not authorized, and no word of why', async () => {
    for (const [version, answer] of [
      [4, 5],
      [5, 0x87],
    ] as const) {
      const who = await all.mint();
      await bench.close();
      const asked = Promise.withResolvers<void>();
      const judge: Judge = {
        certificate: (der, request) => all.judge.certificate(der, request).finally(() => setImmediate(asked.resolve)),
        isRevoked: (serial) => all.judge.isRevoked(serial),
        used: () => Promise.resolve(),
        onCut: () => () => undefined,
      };
      const own = await new Bench(all, judge).open();
      try {
        const raw = (await own.raw(who)).as(version);
        await asked.promise;
        await all.registry.revoke(who.serial, 1, all.time());
        raw.connect();
        const connack = await raw.next('connack');
        assert.equal(version === 4 ? connack.returnCode : connack.reasonCode, answer);
        assert.equal(connack.properties, undefined);
        await raw.closed;
        const refusal = own.told.all('refused').at(-1);
        assert.deepEqual([refusal?.code, refusal?.at, refusal?.serial], ['CERT_REVOKED', 'connect', who.serial]);
      } finally {
        await own.close();
      }
    }
  });

  describe('what a device checks of the endpoint', () => {
    it('a wrong host name', async () => {
      await assert.rejects(bench.connect(all.device, { servername: 'evil.example.com' }), {
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      });
      await letIn();
    });

    it('a device’s certificate that poses as the endpoint', async () => {
      const server = createServer({ key: all.other.key, cert: all.other.cert });
      server.on('tlsClientError', () => undefined);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const client: TLSSocket = connect({ host: '127.0.0.1', port, ca: all.device.issued.authorities });
      try {
        const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
        assert.equal(error.code, 'INVALID_PURPOSE');
      } finally {
        client.destroy();
        server.close();
      }
    });
  });
});
