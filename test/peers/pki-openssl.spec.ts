import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createCsr,
  type JsonObject,
  parseCertificate,
  parsePem,
  toPem,
  verifyCsr,
  webPki,
} from '../../lib/pki/index.ts';
import { type Issued, nodePki } from '../../lib/pki/node.ts';
import {
  csrOf,
  MAC,
  NAMESPACE,
  openssl,
  PASSPHRASE,
  PLAIN_MAC,
  put,
  scratch,
  type World,
  world,
} from '../lib/pki/support.ts';

const BROKER = 'broker.example.com';

/** Loads each certificate with a strict parser of another maker, and prints what it understood. */
const PYTHON = `
import sys, json
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
out = []
for path in sys.argv[1:]:
    raw = open(path, 'rb').read()
    c = x509.load_der_x509_certificate(raw)
    out.append({
        'same': c.public_bytes(Encoding.DER) == raw,
        'serial': format(c.serial_number, '032x'),
        'subject': c.subject.rfc4514_string(),
        'extensions': [[e.oid.dotted_string, e.critical, type(e.value).__name__] for e in c.extensions],
    })
print(json.dumps(out))
`;

const run = (command: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(command, args, { timeout: 60_000, maxBuffer: 1 << 24 }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`${command}: ${out}${err}`, { cause: error }));
    });
  });

/** Says what is missing; on a machine that must have all, fails. */
function leftOut(what: string): void {
  if (process.env.KEYWAY_PEERS === 'required') throw new Error(`${what}, and KEYWAY_PEERS is "required"`);
  console.log(`    left out: ${what}`);
}

describe('peers: openssl and certificates of ours', function () {
  this.timeout(120_000);
  let folder = '';
  let remove: (() => Promise<void>) | undefined;
  let here: World;
  let device: Issued;
  let service: Issued;

  before(async function () {
    const version = await openssl(['version']).catch(() => undefined);
    if (version === undefined) {
      leftOut('openssl not found');
      this.skip();
    }
    ({ folder, remove } = await scratch());
    here = await world({ crlBaseUrl: 'http://crl.example.com', organisation: 'Example & Söhne' });
    device = await here.authority.issueDevice({ namespace: NAMESPACE, mac: MAC, csr: await csrOf() });
    service = await here.authority.issueService({ names: [BROKER, '127.0.0.1', '::1'], csr: await csrOf() });
  });
  after(async () => {
    await here?.close();
    await remove?.();
  });

  /** What `openssl verify` says: OK, or the numbers of its errors. */
  const verify = async (issued: Issued, ...options: string[]): Promise<string> => {
    const [leaf, middle, root] = [
      issued.pem,
      ...parsePem(issued.authorities).map(({ bytes }) => toPem('CERTIFICATE', bytes)),
    ];
    const files = [
      ...['-x509_strict', '-check_ss_sig', '-CAfile', await put(folder, 'root.pem', root ?? '')],
      ...['-untrusted', await put(folder, 'middle.pem', middle ?? '')],
    ];
    const said = await openssl(['verify', ...files, ...options, await put(folder, 'leaf.pem', leaf)]).catch(String);
    const errors = [...said.matchAll(/^error (\d+) at (\d) depth/gm)].map((match) => `${match[1]}@${match[2]}`);
    return errors.length === 0 && /: OK/.test(said) ? 'OK' : errors.join(' ') || said;
  };

  it('a device is a client, and never a server, though it has the broker’s name', async () => {
    assert.equal(await verify(device, '-purpose', 'sslclient', '-verify_hostname', BROKER), 'OK');
    assert.match(await verify(device, '-purpose', 'sslserver', '-verify_hostname', BROKER), /^26@0/);
    for (const purpose of ['smimesign', 'crlsign', 'timestampsign']) {
      assert.notEqual(await verify(device, '-purpose', purpose), 'OK', purpose);
    }
  });

  it('a service is a server, and never a client', async () => {
    for (const name of [
      ['-verify_hostname', BROKER],
      ['-verify_ip', '127.0.0.1'],
      ['-verify_ip', '::1'],
    ]) {
      assert.equal(await verify(service, '-purpose', 'sslserver', ...name), 'OK', name.join(' '));
    }
    assert.match(await verify(service, '-purpose', 'sslclient'), /^26@0/);
    assert.match(await verify(service, '-purpose', 'sslserver', '-verify_hostname', 'evil.example.com'), /^62@0/);
  });

  it('the intermediate of a namespace cannot make a server, nor another authority', async () => {
    const [middle, root] = parsePem(device.authorities).map(({ bytes }) => toPem('CERTIFICATE', bytes));
    const text = await openssl(['x509', '-noout', '-text', '-purpose'], middle);
    assert.match(text, /X509v3 Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
    assert.match(text, /X509v3 Key Usage: critical\s+Certificate Sign, CRL Sign/);
    assert.match(text, /SSL client CA : Yes/);
    assert.match(text, /SSL server CA : No/);
    const above = await openssl(['x509', '-noout', '-text', '-purpose'], root);
    assert.match(above, /CA:TRUE, pathlen:1/);
  });

  it('a certificate of another namespace’s authority, or a changed one, does not hold', async () => {
    await here.authority.createNamespace('other', {}, { passphrase: PASSPHRASE });
    const other = await here.authority.issueDevice({ namespace: 'other', mac: MAC, csr: await csrOf() });
    assert.notEqual(await verify({ ...device, authorities: other.authorities }), 'OK');
    const changed = device.der.slice();
    const at = Buffer.from(changed).indexOf(PLAIN_MAC);
    changed[at] = (changed[at] as number) ^ 1;
    assert.match(await verify({ ...device, pem: toPem('CERTIFICATE', changed) }), /^7@0/);
  });

  it('says of a certificate what we say of it', async () => {
    const text = await openssl(
      [
        'x509',
        '-noout',
        '-serial',
        '-subject',
        '-issuer',
        '-fingerprint',
        '-sha256',
        '-ext',
        'subjectAltName,crlDistributionPoints,authorityKeyIdentifier,subjectKeyIdentifier',
        '-nameopt',
        'RFC2253,-esc_msb,utf8',
      ],
      device.pem,
    );
    const leaf = parseCertificate(device.pem);
    const serial = /serial=([0-9A-F]+)/.exec(text)?.[1]?.toLowerCase().padStart(32, '0');
    assert.equal(serial, leaf.serial);
    assert.match(text, new RegExp(`subject=CN=${NAMESPACE}:${PLAIN_MAC}`));
    assert.match(text, /issuer=CN=Keyway plant-7,O=Example & Söhne/);
    assert.match(text, new RegExp(`DNS:${BROKER}`));
    assert.match(text, new RegExp(`URI:http://crl.example.com/crl/${NAMESPACE}.crl`));
    for (const id of [leaf.keyId, leaf.authorityKeyId]) {
      assert.ok(
        text
          .replaceAll(':', '')
          .toLowerCase()
          .includes(id as string),
      );
    }
  });

  it('writes each of many kinds of certificates back byte for byte, and so does a parser of another maker', async () => {
    const settings: JsonObject[] = [
      {},
      { validityHours: 219000 },
      { brokerHost: '2001:db8::1' },
      {
        brokerHost: BROKER,
        alternativeNames: ['dns:{broker}', 'uri:urn:dev:mac:{mac}', 'ip:10.0.0.1', 'dns:{mac}.{namespace}.example.com'],
      },
      {
        brokerHost: `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`,
        crlBaseUrl: `https://example.com/${'x'.repeat(200)}`,
      },
    ];
    const paths: string[] = [];
    const serials: string[] = [];
    for (const [i, one] of settings.entries()) {
      await here.authority.createNamespace(`${'n'.repeat(50)}${i}`, one, { passphrase: PASSPHRASE });
      for (let k = 0; k < 8; k++) {
        const mac = (0x240000000000 + 16 * i + k).toString(16);
        const issued = await here.authority.issueDevice({
          namespace: `${'n'.repeat(50)}${i}`,
          mac,
          csr: await csrOf(),
        });
        assert.equal(await verify(issued, '-purpose', 'sslclient'), 'OK');
        const path = await put(folder, `${i}-${k}.der`, issued.der);
        await openssl(['x509', '-inform', 'DER', '-in', path, '-outform', 'DER', '-out', `${path}.again`]);
        assert.deepEqual(new Uint8Array(await readFile(`${path}.again`)), issued.der);
        await openssl(['asn1parse', '-inform', 'DER', '-in', path]);
        paths.push(path);
        serials.push(issued.serial);
      }
    }
    const python = await findPython();
    if (python === undefined) {
      leftOut('a Python with cryptography not found');
      return;
    }
    const read = JSON.parse(await run(python, ['-c', PYTHON, ...paths])) as {
      same: boolean;
      serial: string;
      extensions: unknown[][];
    }[];
    assert.deepEqual(
      read.map(({ serial }) => serial),
      serials,
    );
    assert.ok(read.every(({ same }) => same));
    assert.ok(read.every(({ extensions }) => extensions.every(([, , kind]) => kind !== 'UnrecognizedExtension')));
  });

  it('verifies requests that we make, by node:crypto and by WebCrypto', async () => {
    for (const platform of [nodePki, webPki]) {
      const made = await createCsr(platform, `plant:${PLAIN_MAC}`);
      const text = await openssl(['req', '-verify', '-noout', '-subject'], made.pem);
      assert.match(text, /verif(y|ication).*OK/i);
      assert.match(text, new RegExp(`CN ?= ?plant:${PLAIN_MAC}`));
      const key = toPem('PRIVATE KEY', await made.key.exportPrivateKey());
      assert.match(await openssl(['pkey', '-noout', '-text', '-check'], key), /Key is valid[\s\S]*(prime256v1|P-256)/);
    }
  });

  it('makes requests that we take', async () => {
    const out = join(folder, 'made.csr');
    const kinds: [string[], string][] = [
      [['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'P-256'],
      [['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha512'], 'P-256'],
      [['-newkey', 'rsa:2048', '-sha384'], 'RSA 2048'],
      [
        [
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:P-256',
          '-addext',
          'subjectAltName=DNS:a,IP:1.2.3.4',
          '-addext',
          'keyUsage=digitalSignature',
        ],
        'P-256',
      ],
    ];
    for (const [options, name] of kinds) {
      const common = [
        '-nodes',
        '-keyout',
        join(folder, 'made.key'),
        '-subj',
        '/C=DE/O=Example/CN=ä',
        '-utf8',
        '-out',
        out,
      ];
      await openssl(['req', '-new', ...options, ...common]);
      for (const platform of [nodePki, webPki]) {
        const request = await verifyCsr(platform, await readFile(out, 'utf8'), 'P-256 or RSA');
        assert.equal(request.key.name, name);
      }
    }
  });

  it('reads the key of a root that was taken out', async () => {
    let out = new Uint8Array(0) as Uint8Array;
    await here.authority.takeOutRoot(PASSPHRASE, async (taken) => {
      out = taken;
    });
    const key = await put(folder, 'root.key', toPem('ENCRYPTED PRIVATE KEY', out));
    const passphrase = await put(folder, 'passphrase', PASSPHRASE);
    const text = await openssl(['pkey', '-in', key, '-passin', `file:${passphrase}`, '-pubout']);
    const { root } = await here.authority.state();
    assert.ok(root !== null && text.includes(toPem('PUBLIC KEY', root.key.spki)));
  });
});

async function findPython(): Promise<string | undefined> {
  for (const python of [process.env.KEYWAY_NVS_GEN, 'python3']) {
    if (python === undefined || python === '') continue;
    const there = await run(python, ['-c', 'import cryptography']).then(
      () => true,
      () => false,
    );
    if (there) return python;
  }
  return undefined;
}
