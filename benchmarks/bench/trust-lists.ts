/** What a revocation list of a hundred thousand costs, beside openssl's, and how soon it is the one that counts. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { createCsr, toPem } from '../../lib/pki/index.ts';
import { type CrlEvent, CrlPublisher, createJudge, type Issued, nodePki, parseCrl } from '../../lib/pki/node.ts';
import { type Installation, installation, NAMESPACE } from './authority.ts';
import { atMost, median, type Row, reported } from './report.ts';

const run = promisify(execFile);
const LISTED = 100_000;
const BUILD_BAR = 1;
const SWAP_BAR = 0.1;
/** Odd: the median is one of them. */
const ROUNDS = 5;
const SESSIONS = 100;
const APART_MS = 600;
const DAY = 86_400_000;

const seconds = (since: number): number => (performance.now() - since) / 1000;

/** crl_build_100k and crl_swap_100k: one registry with as many revoked certificates for both. */
export async function measureLists(): Promise<Row[]> {
  const here = await installation();
  try {
    await here.authority.createServices({ passphrase: Buffer.from('of no value to anybody') });
    const serials = await fill(here);
    return [...(await buildRows(here, serials)), ...(await swapRows(here))];
  } finally {
    await here.close();
  }
}

/** Revoked certificates of nobody. @returns their serial numbers */
async function fill({ registry }: Installation): Promise<string[]> {
  const serials = Array.from({ length: LISTED }, () => randomBytes(16).toString('hex'));
  const now = Date.now();
  const common = {
    namespace: NAMESPACE,
    device: null,
    kind: 'device',
    state: 'revoked',
    der: randomBytes(32),
  } as const;
  for (let at = 0; at < LISTED; at += 5000) {
    const some = serials.slice(at, at + 5000).map((serial, i) =>
      registry.addCertificate({
        ...{ ...common, serial, publicKeyHash: serial.repeat(2), reason: (at + i) % 6 },
        ...{ notBefore: now - DAY, notAfter: now + 7 * DAY, revokedAt: now - (at + i) * 500 },
      }),
    );
    await Promise.all(some);
  }
  return serials;
}

/** From the registry to the PEM file, as `openssl ca -gencrl` goes from its index to one. Rounds take turns. */
async function buildRows(here: Installation, serials: readonly string[]): Promise<Row[]> {
  const openssl = await prepareOpenssl(here.folder, serials);
  const path = join(here.folder, 'ours.crl.pem');
  const ours: number[] = [];
  const theirs: number[] = [];
  const kept: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now();
    const files = [{ path, namespaces: [NAMESPACE], root: false }];
    const publisher = new CrlPublisher({ store: here.registry, authority: here.authority, files });
    await publisher.start();
    const cold = seconds(start);
    if (publisher.current(NAMESPACE).entries !== LISTED) throw new Error('The list is not whole.');
    const again = performance.now();
    await publisher.publish(NAMESPACE);
    const warm = seconds(again);
    await publisher.close();
    const beside = performance.now();
    await openssl?.();
    // The first round warms up.
    if (round === 0) continue;
    ours.push(cold);
    kept.push(warm);
    if (openssl !== undefined) theirs.push(seconds(beside));
  }
  const own = [
    reported('crl_build_100k_seconds', median(ours), 's, registry to file', null),
    reported('crl_build_100k_again', median(kept), 's, with the entries in memory', null),
  ];
  const peer = 'openssl ca -gencrl, index to file';
  if (theirs.length === 0) {
    return [{ measure: 'crl_build_100k', value: null, unit: 'ratio', bar: BUILD_BAR, holds: null, peer }, ...own];
  }
  const ratios = ours.map((one, i) => one / (theirs[i] ?? Number.NaN));
  return [
    atMost('crl_build_100k', median(ratios), 'ratio', BUILD_BAR, peer),
    ...own,
    reported('openssl_gencrl_100k', median(theirs), 's', peer),
  ];
}

/** @returns what has openssl make its list; undefined when there is no openssl */
async function prepareOpenssl(folder: string, serials: readonly string[]): Promise<(() => Promise<void>) | undefined> {
  const file = (name: string): string => join(folder, name);
  try {
    await run('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file('o.key')]);
  } catch {
    return undefined;
  }
  const subject = ['-x509', '-key', file('o.key'), '-subj', '/CN=o', '-days', '30', '-out', file('o.pem')];
  await run('openssl', ['req', '-new', ...subject]);
  const time = (ms: number): string =>
    `${new Date(ms)
      .toISOString()
      .replace(/[-:T]|\.\d+Z/g, '')
      .slice(2)}Z`;
  const reasons = [
    '',
    ',keyCompromise',
    ',CACompromise',
    ',affiliationChanged',
    ',superseded',
    ',cessationOfOperation',
  ];
  const end = time(Date.now() + 7 * DAY);
  const lines = serials.map((serial, i) => {
    const revoked = `${time(Date.now() - i * 500)}${reasons[i % 6]}`;
    return ['R', end, revoked, serial.toUpperCase(), 'unknown', `/CN=${serial}`].join('\t');
  });
  await writeFile(file('o.index'), `${lines.join('\n')}\n`);
  await writeFile(file('o.number'), '01\n');
  const config = [
    ...['[ca]', 'default_ca=o', '[o]', `database=${file('o.index')}`, `crlnumber=${file('o.number')}`],
    ...[`certificate=${file('o.pem')}`, `private_key=${file('o.key')}`, 'default_md=sha256'],
    ...['default_crl_days=1', 'unique_subject=no', 'crl_extensions=e', '[e]', 'authorityKeyIdentifier=keyid'],
  ];
  await writeFile(file('o.cnf'), `${config.join('\n')}\n`);
  return async () => {
    await run('openssl', ['ca', '-config', file('o.cnf'), '-gencrl', '-out', file('o.crl')]);
  };
}

/**
 * Seconds from the call that revokes until the list with that serial number is the current one and a new handshake with
 * the certificate is refused, while sessions of others go on and new ones of others are let in.
 */
async function swapRows(here: Installation): Promise<Row[]> {
  const judge = createJudge({ store: here.registry, authority: here.authority });
  let listed: (() => void) | undefined;
  const onEvent = (event: CrlEvent): void => {
    if (event.topic === 'crl.issued' && event.cause === 'revocation') listed?.();
  };
  const publisher = new CrlPublisher({ store: here.registry, authority: here.authority, onEvent });
  let server: Server | undefined;
  const open: TLSSocket[] = [];
  try {
    await publisher.start();
    await judge.ready;
    server = await judgingServer(here, judge);
    const { port } = server.address() as AddressInfo;
    const ca = (await here.authority.authorities(NAMESPACE)).toString();
    const stays = await device(here, 0);
    for (let i = 0; i < SESSIONS; i++) open.push(await session(port, ca, stays));
    const both: number[] = [];
    const judged: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const goes = await device(here, round + 1);
      (await session(port, ca, goes)).destroy();
      const issued = new Promise<void>((resolve) => {
        listed = resolve;
      });
      const start = performance.now();
      await here.authority.revoke(goes.issued.serial, 1);
      const refused = await session(port, ca, goes).then(
        () => false,
        () => true,
      );
      judged.push(seconds(start));
      if (!refused) throw new Error('A revoked certificate was let in.');
      await issued;
      both.push(seconds(start));
      const { der } = publisher.current(NAMESPACE);
      if (![...parseCrl(der).entries()].some(({ serial }) => serial === goes.issued.serial)) {
        throw new Error('The new list does not have it.');
      }
      (await session(port, ca, stays)).destroy();
      if (open.some(({ destroyed }) => destroyed)) throw new Error('A session of another device was cut.');
      // Lists are so far apart: a revocation in between would wait for that.
      await sleep(APART_MS);
    }
    return [
      atMost('crl_swap_100k', Math.max(...both), 's, the slowest of five', SWAP_BAR, null),
      reported('crl_swap_100k_handshake', median(judged), 's until a handshake is refused', null),
    ];
  } finally {
    for (const socket of open) socket.destroy();
    server?.closeAllConnections();
    server?.close();
    judge.close();
    await publisher.close();
  }
}

interface Device {
  readonly issued: Issued;
  readonly key: string;
}

async function device({ registry, authority }: Installation, number: number): Promise<Device> {
  const mac = (0x250000000000 + number).toString(16);
  await registry.addDevice({ namespace: NAMESPACE, mac });
  const { der, key } = await createCsr(nodePki, mac);
  const issued = await authority.issueDevice({ namespace: NAMESPACE, mac, csr: der });
  await authority.markLive(issued.serial);
  return { issued, key: toPem('PRIVATE KEY', await key.exportPrivateKey()) };
}

/** Says "yes" to whoever is let in, and ends the connection of whoever is not. */
async function judgingServer(here: Installation, judge: ReturnType<typeof createJudge>): Promise<Server> {
  const { der, key } = await createCsr(nodePki, 'x');
  const { chain } = await here.authority.issueService({ names: ['127.0.0.1'], csr: der });
  const options = { key: toPem('PRIVATE KEY', await key.exportPrivateKey()), cert: chain, ca: [] };
  const server = createServer({ ...options, requestCert: true, rejectUnauthorized: false });
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', () => undefined);
    void judge.certificate(socket.getPeerX509Certificate()?.raw, { use: 'endpoint' }).then((verdict) => {
      if (verdict.ok) socket.write('yes');
      else socket.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** A session of this device that was let in. */
async function session(port: number, ca: string, { issued, key }: Device): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca, key, cert: issued.chain });
  const ended = once(socket, 'close').then(() => {
    throw new Error('It was not let in.');
  });
  ended.catch(() => undefined);
  socket.on('error', () => undefined);
  await Promise.race([once(socket, 'data'), ended]);
  return socket;
}
