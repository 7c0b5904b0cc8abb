import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isKeywayError } from '../../../../../lib/errors/index.ts';
import {
  formatProvisionerAddress,
  makeLinkIdentity,
  openLinkIdentity,
  PeerBook,
  parseProvisionerAddress,
} from '../../../../../lib/osdp/provisioner/link/index.ts';
import { type Keystore, makeKeyFile, openKeystore } from '../../../../../lib/vault/index.ts';

const coded = (code: string) => (error: unknown) => isKeywayError(error, code);
const peer = (i: number) => ({
  fingerprint: i.toString(16).padStart(64, '0'),
  name: `host ${i}`,
  pairedAt: i,
  enrolled: i % 2 === 0,
});

describe('what a provisioner’s link keeps', () => {
  let folder: string;
  let keystore: Keystore;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyway-files-'));
    await makeKeyFile(join(folder, 'key'));
    keystore = await openKeystore({ source: { file: join(folder, 'key') } });
  });
  after(async () => {
    keystore.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('an identity: a P-256 certificate that signed itself, its key sealed', async () => {
    const path = join(folder, 'identity.json');
    const made = await openLinkIdentity(path, 'gateway 7', keystore);
    const again = await openLinkIdentity(path, 'another name', keystore);
    assert.equal(again.fingerprint, made.fingerprint);
    assert.deepEqual(again.key.export({ format: 'jwk' }), made.key.export({ format: 'jwk' }));
    const certificate = new X509Certificate(made.certificate);
    assert.ok(certificate.verify(certificate.publicKey));
    assert.equal(certificate.subject, 'CN=gateway 7');
    assert.equal(certificate.fingerprint256.replaceAll(':', '').toLowerCase(), made.fingerprint);
    assert.deepEqual([certificate.publicKey.asymmetricKeyType, certificate.ca], ['ec', false]);
    assert.doesNotMatch(await readFile(path, 'utf8'), /PRIVATE/);
  });

  it('refuses an identity that is none, whose key is another one’s, or that is sealed otherwise', async () => {
    const path = join(folder, 'other.json');
    const good = JSON.parse(await readFile(join(folder, 'identity.json'), 'utf8')) as Record<string, unknown>;
    const { certificate } = await makeLinkIdentity('x');
    for (const [change, code] of [
      [{ kind: 'x' }, 'LINK_FILE'],
      [{ version: 2 }, 'LINK_FILE'],
      [{ sealed: 1 }, 'LINK_FILE'],
      [{ certificate: '' }, 'LINK_FILE'],
      [{ certificate }, 'KEYSTORE_DAMAGED'],
      [{ sealed: 'AAAA' }, 'KEYSTORE_DAMAGED'],
    ] as const) {
      await writeFile(path, JSON.stringify({ ...good, ...change }));
      await assert.rejects(openLinkIdentity(path, 'x', keystore), coded(code), JSON.stringify(change));
    }
    await writeFile(path, '{');
    await assert.rejects(openLinkIdentity(path, 'x', keystore), coded('LINK_FILE'));
    await assert.rejects(openLinkIdentity(folder, 'x', keystore), coded('LINK_FILE'));
    await assert.rejects(makeLinkIdentity(''), coded('BAD_NAME'));
  });

  it('a book of pairings, on the disk before it is said to be, and no longer than it should be', async () => {
    const path = join(folder, 'hosts.json');
    const book = await PeerBook.open(path);
    await Promise.all([book.put(peer(1)), book.put(peer(2)), book.put({ ...peer(1), name: 'renamed' })]);
    const again = await PeerBook.open(path);
    assert.deepEqual(again.list(), [{ ...peer(1), name: 'renamed' }, peer(2)]);
    assert.deepEqual([await again.forget(peer(1).fingerprint), await again.forget(peer(1).fingerprint)], [true, false]);
    assert.equal((await PeerBook.open(path)).find(peer(1).fingerprint), undefined);
    const full = PeerBook.of(Array.from({ length: 256 }, (_, i) => peer(i)));
    await assert.rejects(full.put(peer(256)), coded('LINK_FILE'));
    assert.equal(full.list().length, 256);
    await full.put({ ...peer(3), name: 'there already' });
  });

  it('refuses a book with a field that is not right', async () => {
    const path = join(folder, 'bad.json');
    const peers = [peer(1)];
    for (const book of [
      { kind: 'keyway-link-peers', version: 1, peers: [{ ...peer(1), fingerprint: 'AB' }] },
      { kind: 'keyway-link-peers', version: 1, peers: [{ ...peer(1), name: '' }] },
      { kind: 'keyway-link-peers', version: 1, peers: [{ ...peer(1), more: 1 }] },
      { kind: 'another', version: 1, peers },
      { kind: 'keyway-link-peers', version: 1, peers: {} },
    ]) {
      await writeFile(path, JSON.stringify(book));
      await assert.rejects(PeerBook.open(path), coded('LINK_FILE'));
    }
    await writeFile(path, JSON.stringify({ kind: 'keyway-link-peers', version: 1, peers }));
    assert.equal((await PeerBook.open(path)).list().length, 1);
  });

  it('reads addresses, and writes them in one way', () => {
    for (const [text, canonical] of [
      [' unix:/run/keyway/p.sock ', 'unix:/run/keyway/p.sock'],
      ['tls:gateway.local:7443', 'tls:gateway.local:7443'],
      ['tls:[::1]:7443', 'tls:[::1]:7443'],
      ['serial:/dev/ttyGS0', 'serial:/dev/ttyGS0'],
      ['serial:COM3@9600', 'serial:COM3@9600'],
      ['serial:rfc2217://10.0.0.2:4001@115200', 'serial:rfc2217://10.0.0.2:4001'],
    ] as const) {
      assert.equal(formatProvisionerAddress(parseProvisionerAddress(text)), canonical);
    }
    for (const text of ['unix:', 'tls:[::1]', 'tls:a b:1', 'serial:/dev/x@0', 'udp:x:1']) {
      assert.throws(() => parseProvisionerAddress(text), coded('BAD_LINK_ADDRESS'), text);
    }
  });
});
