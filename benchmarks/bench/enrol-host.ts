/**
 * Two HTTP servers in a process of their own: the enrolment service on the registry, and the barest one that does the
 * same cryptography and keeps what it made in one SQLite commit. Talks to enrol.ts.
 */
import { createPublicKey, generateKeyPairSync, hash, randomBytes, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createCsr, parseCsr, toPem } from '../../lib/pki/index.ts';
import { createEnrolment, createTicket, createToken, nodePki } from '../../lib/pki/node.ts';
import { installation, NAMESPACE } from './authority.ts';

/** A device's request, ready to be sent but for its authorisation. */
export interface DeviceRequest {
  readonly path: string;
  readonly body: string;
  readonly mac: string;
}

export type Question = { readonly tickets: number } | 'stop';
export type Answer =
  | {
      readonly ours: number;
      readonly bare: number;
      readonly token: string;
      readonly requests: readonly DeviceRequest[];
    }
  | { readonly tickets: readonly string[] };

const DEVICES = 512;

const here = await installation();
const { registry, authority } = here;
const enrol = createEnrolment({
  authority,
  store: registry,
  deviceOf: (namespace, mac) => registry.device({ namespace, mac }),
});
const requests: DeviceRequest[] = [];
/** What a server that reads requests would have taken out of each. */
const known = new Map<string, { spki: Buffer; info: Uint8Array; signature: Uint8Array }>();
for (let i = 0; i < DEVICES; i++) {
  const mac = (0x240000000000 + i * 4).toString(16);
  await registry.addDevice({ namespace: NAMESPACE, mac });
  const { der } = await createCsr(nodePki, `device ${i}`);
  const csr = toPem('CERTIFICATE REQUEST', der);
  const { info, signature, key } = parseCsr(der);
  known.set(csr, { spki: Buffer.from(key.spki), info, signature });
  const path = `/api/v1/namespaces/${NAMESPACE}/devices/${mac}/certificate`;
  requests.push({ path, body: JSON.stringify({ csr }), mac });
}
const { token } = await createToken(registry, { namespace: NAMESPACE });

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

const ours: RequestListener = (request, response) => {
  void bodyOf(request).then(async (body) => {
    const { method = '', url = '', headers } = request;
    const answer = await enrol({ method, path: url, headers, body });
    response.writeHead(answer.status, { ...answer.headers, 'Content-Length': Buffer.byteLength(answer.body) });
    response.end(answer.body);
  });
};

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const db = new DatabaseSync(join(here.folder, 'bare.db'));
db.exec('PRAGMA journal_mode = wal; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON');
db.exec('CREATE TABLE certificates (serial TEXT PRIMARY KEY, der BLOB NOT NULL) STRICT');
const keep = db.prepare('INSERT INTO certificates (serial, der) VALUES (?, ?)');
const certificate = randomBytes(560);

const bare: RequestListener = (request, response) => {
  void bodyOf(request).then((body) => {
    const { csr } = JSON.parse(body.toString()) as { csr: string };
    const parts = known.get(csr);
    if (parts === undefined) throw new Error('That request was not sent.');
    const key = createPublicKey({ key: parts.spki, format: 'der', type: 'spki' });
    if (!verify('sha256', parts.info, key, parts.signature)) throw new Error('A signature does not hold.');
    const der = Buffer.concat([certificate, sign('sha256', certificate, privateKey)]);
    const serial = randomBytes(16).toString('hex');
    keep.run(serial, der);
    const text = JSON.stringify({
      serial,
      publicKeyHash: hash('sha256', parts.spki),
      certificate: toPem('CERTIFICATE', der),
    });
    response.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
    response.end(text);
  });
};

async function listen(listener: RequestListener): Promise<Server> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const servers = [await listen(ours), await listen(bare)];

async function stop(): Promise<void> {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  db.close();
  await here.close();
  process.exit(0);
}

const tell = (answer: Answer): void => void process.send?.(answer);
process.on('disconnect', () => void stop());
process.on('message', (question: Question) => {
  if (question === 'stop') {
    void stop();
    return;
  }
  const now = Date.now();
  const ticketFor = async (i: number): Promise<string> =>
    (await createTicket(registry, { namespace: NAMESPACE, mac: requests[i % DEVICES]?.mac ?? '' }, now)).ticket;
  void Promise.all(Array.from({ length: question.tickets }, (_, i) => ticketFor(i))).then((tickets) =>
    tell({ tickets }),
  );
});
const [first, second] = servers.map((server) => (server.address() as AddressInfo).port);
tell({ ours: first ?? 0, bare: second ?? 0, token, requests });
