import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCertificate, parsePem, toPem } from '../../lib/pki/index.ts';
import { createTicket, type EstEvent, type EstListener, listenEst } from '../../lib/pki/node.ts';
import { NAMESPACE, put } from '../lib/pki/support.ts';
import { type TrustWorld, trustWorld } from '../lib/pki/trust-support.ts';

/** Says what is missing; on a machine that must have all, fails. */
function leftOut(what: string): void {
  if (process.env.KEYWAY_PEERS === 'required') throw new Error(`${what}, and KEYWAY_PEERS is "required"`);
  console.log(`    left out: ${what}`);
}

/** Runs strongSwan's pki; what it wrote. */
const pki = (args: readonly string[]): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    execFile('pki', [...args], { timeout: 30_000, encoding: 'buffer' }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`pki ${args.join(' ')}: ${err.toString()}`, { cause: error }));
    });
  });

describe('peers: strongSwan’s EST client', function () {
  this.timeout(60_000);
  const mac = '246f28aabb0c';
  const name = `${NAMESPACE}:${mac}`;
  let here: TrustWorld;
  let listener: EstListener | undefined;
  let events: EstEvent[] = [];
  const file: Record<string, string> = {};

  before(async function () {
    // Without libstrongswan-standard-plugins it knows no curve at all.
    const able = await pki(['--gen', '--type', 'ecdsa', '--size', '256']).then(
      () => pki(['--est', '--help']).then(String, String),
      () => '',
    );
    if (!able.includes('EST server')) {
      leftOut('strongSwan’s pki with --est (strongswan-pki) and ECDSA (libstrongswan-standard-plugins) not found');
      this.skip();
    }
    here = await trustWorld({ now: Date.now() });
    const { judge, authority, registry: store, clock } = here;
    const onEvent = (event: EstEvent): void => void events.push(event);
    listener = await listenEst({ judge, authority, store, clock: () => clock.now, port: 0, onEvent });
    const blocks = parsePem(await authority.authorities(NAMESPACE));
    const [middle, root] = blocks.map(({ bytes }) => toPem('CERTIFICATE', bytes));
    file.root = await put(here.folder, 'root.pem', root ?? '');
    file.middle = await put(here.folder, 'middle.pem', middle ?? '');
    await here.registry.addDevice({ namespace: NAMESPACE, mac });
  });
  after(async () => {
    await listener?.close();
    await here?.close();
  });
  beforeEach(() => {
    events = [];
  });

  const url = (): string => `https://127.0.0.1:${listener?.port}`;
  /** This version of it knows no label: there is one namespace. */
  const server = (): string[] => ['--url', url()];
  /** A new key and the request for it. */
  const request = async (called: string): Promise<{ key: string; csr: string }> => {
    const key = await put(
      here.folder,
      `${called}.key`,
      await pki(['--gen', '--type', 'ecdsa', '--size', '256', '--outform', 'pem']),
    );
    const made = await pki(['--req', '--type', 'ecdsa', '--in', key, '--dn', `CN=${name}`, '--outform', 'pem']);
    return { key, csr: await put(here.folder, `${called}.csr`, made) };
  };

  it('--estca gets the authorities', async () => {
    await pki([
      '--estca',
      ...server(),
      '--cacert',
      file.root ?? '',
      '--caout',
      join(here.folder, 'ca.pem'),
      '--outform',
      'pem',
      '--force',
    ]);
    const written = (await readdir(here.folder)).filter((one) => /^ca.*\.pem$/.test(one));
    const found = await Promise.all(written.map((one) => readFile(join(here.folder, one), 'utf8')));
    const names = found.flatMap((pem) => parsePem(pem).map(({ bytes }) => parseCertificate(bytes).commonName));
    assert.deepEqual(names.toSorted(), [`Keyway ${NAMESPACE}`, 'Keyway root']);
  });

  it('--est enrols with a ticket, then renews with the certificate', async () => {
    const authorities = ['--cacert', file.root ?? '', '--cacert', file.middle ?? ''];
    const first = await request('first');
    const { ticket } = await createTicket(here.registry, { namespace: NAMESPACE, mac }, here.clock.now);
    const enrol = ['--est', ...server(), '--in', first.csr, '--userpass', `${mac}:${ticket}`, ...authorities];
    const cert = await put(here.folder, 'first.pem', await pki([...enrol, '--outform', 'pem']));
    const enrolled = parseCertificate(await readFile(cert, 'utf8'));
    assert.equal(enrolled.commonName, name);
    const second = await request('second');
    const renew = ['--est', ...server(), '--in', second.csr, '--cert', cert, '--key', first.key, ...authorities];
    const renewed = parseCertificate((await pki([...renew, '--outform', 'pem'])).toString());
    assert.deepEqual([renewed.commonName, renewed.serial === enrolled.serial], [name, false]);
    assert.deepEqual(
      events.map(({ topic }) => topic),
      ['est.enrolled', 'est.reenrolled'],
    );
    assert.equal(events[1]?.previous, enrolled.serial);
    // The control: revoked, it gets nothing.
    await here.authority.revokeDevice(NAMESPACE, mac, 1);
    const third = await request('third');
    await assert.rejects(
      pki(['--est', ...server(), '--in', third.csr, '--cert', cert, '--key', first.key, ...authorities]),
    );
    assert.equal(events.at(-1)?.code, 'CERT_REVOKED');
  });
});
