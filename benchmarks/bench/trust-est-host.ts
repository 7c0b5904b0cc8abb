/**
 * Two HTTPS servers in a process of their own: the EST service on the registry, and the barest one with mutual TLS that
 * verifies a request, signs what would be a certificate, and keeps it in one SQLite commit. Talks to trust-est.ts.
 */
import { createPublicKey, generateKeyPairSync, hash, randomBytes, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createCsr, parseCsr, toPem } from '../../lib/pki/index.ts';
import { createJudge, listenEst, nodePki } from '../../lib/pki/node.ts';
import { installation, NAMESPACE } from './authority.ts';

/** A device with a live certificate, and requests for renewals of it: each with a key of its own. */
export interface EstDevice {
  readonly key: string;
  readonly chain: string;
  readonly bodies: readonly string[];
}

export interface EstServers {
  readonly ours: number;
  readonly bare: number;
  readonly path: string;
  readonly ca: string;
  readonly devices: readonly EstDevice[];
}

const DEVICES = 450;
/** The service ends a device's renewals that are never used: it has as many as it takes. */
const EACH = 8;

const here = await installation();
const { registry, authority } = here;
await authority.createServices({ passphrase: Buffer.from('of no value to anybody') });
const judge = createJudge({ store: registry, authority });
const devices: EstDevice[] = [];
/** What a server that reads requests would have taken out of each. */
const known = new Map<string, { spki: Buffer; info: Uint8Array; signature: Uint8Array }>();
for (let i = 0; i < DEVICES; i++) {
  const mac = (0x260000000000 + i).toString(16);
  const { id } = await registry.addDevice({ namespace: NAMESPACE, mac });
  const { der, key } = await createCsr(nodePki, mac);
  const { serial, chain } = await authority.issueDevice({ namespace: NAMESPACE, mac, csr: der });
  await authority.markLive(serial);
  await registry.setState(id, 'online');
  const bodies: string[] = [];
  for (let k = 0; k < EACH; k++) {
    const request = await createCsr(nodePki, `${NAMESPACE}:${mac}`);
    const body = `${Buffer.from(request.der).toString('base64')}\n`;
    const { info, signature, key: asked } = parseCsr(request.der);
    known.set(body, { spki: Buffer.from(asked.spki), info, signature });
    bodies.push(body);
  }
  devices.push({ key: toPem('PRIVATE KEY', await key.exportPrivateKey()), chain, bodies });
}
const ca = await authority.authorities(NAMESPACE);
const ours = await listenEst({ judge, authority, store: registry, port: 0, maxConnections: 2000 });

const service = await createCsr(nodePki, 'bare');
const { chain: cert } = await authority.issueService({ names: ['127.0.0.1'], csr: service.der });
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const db = new DatabaseSync(join(here.folder, 'bare.db'));
db.exec('PRAGMA journal_mode = wal; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON');
db.exec('CREATE TABLE certificates (serial TEXT PRIMARY KEY, der BLOB NOT NULL) STRICT');
const keep = db.prepare('INSERT INTO certificates (serial, der) VALUES (?, ?)');
const certificate = randomBytes(560);

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('latin1');
}

const key = toPem('PRIVATE KEY', await service.key.exportPrivateKey());
const bare = createServer({ key, cert, ca, requestCert: true, rejectUnauthorized: true }, (request, response) => {
  void bodyOf(request).then((body) => {
    const parts = known.get(body);
    if (parts === undefined) throw new Error('That request was not sent.');
    const asked = createPublicKey({ key: parts.spki, format: 'der', type: 'spki' });
    if (!verify('sha256', parts.info, asked, parts.signature)) throw new Error('A signature does not hold.');
    const der = Buffer.concat([certificate, sign('sha256', certificate, privateKey)]);
    keep.run(hash('sha256', der), der);
    const text = `${der.toString('base64')}\n`;
    response.writeHead(200, { 'Content-Type': 'application/pkcs7-mime', 'Content-Length': text.length });
    response.end(text);
  });
}).listen(0, '127.0.0.1');
await once(bare, 'listening');

async function stop(): Promise<void> {
  bare.closeAllConnections();
  bare.close();
  await ours.close();
  judge.close();
  db.close();
  await here.close();
  process.exit(0);
}

process.on('disconnect', () => void stop());
process.on('message', () => void stop());
const path = `/.well-known/est/${NAMESPACE}/simplereenroll`;
const { port } = bare.address() as AddressInfo;
process.send?.({ ours: ours.port, bare: port, path, ca, devices } satisfies EstServers);
