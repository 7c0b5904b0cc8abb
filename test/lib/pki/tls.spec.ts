import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type PeerCertificate, type Server, type TLSSocket } from 'node:tls';
import { createCsr } from '../../../lib/pki/index.ts';
import { type Issued, nodePki, signingKey } from '../../../lib/pki/node.ts';
import { MAC, NAMESPACE, PLAIN_MAC, type World, world } from './support.ts';

const BROKER = 'broker.example.com';

interface Identity {
  readonly issued: Issued;
  readonly key: string;
}

/** What comes of a handshake: the client's name as the server saw it, or the codes of both sides' errors. */
async function handshake(
  server: Identity,
  client: Identity,
): Promise<{ client: string } | { server: string; client: string }> {
  let seen = '';
  let serverError = '';
  const options = { key: server.key, cert: server.issued.chain, ca: client.issued.authorities };
  const listener: Server = createServer({ ...options, requestCert: true, rejectUnauthorized: true }, (socket) => {
    seen = (socket.getPeerCertificate() as PeerCertificate).subject.CN as string;
    socket.end('welcome');
  });
  listener.on('tlsClientError', (error: Error & { code?: string }) => {
    serverError = error.code ?? error.message;
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket: TLSSocket = connect({
    ...{ host: '127.0.0.1', port, servername: BROKER, ca: server.issued.authorities },
    ...{ key: client.key, cert: client.issued.chain },
  });
  try {
    // What an unwelcome client gets to read is an error, in TLS 1.3 after its own side is done.
    const problem = await new Promise<string>((resolve) => {
      socket.on('data', () => resolve(''));
      socket.on('error', (error: Error & { code?: string }) => resolve(error.code ?? error.message));
      socket.on('close', () => resolve('closed'));
    });
    return problem === '' ? { client: seen } : { server: serverError, client: problem };
  } finally {
    socket.destroy();
    listener.close();
    await once(listener, 'close');
  }
}

describe('pki: identities in TLS', () => {
  let here: World;
  let device: Identity;
  let service: Identity;
  const made = async (issue: (csr: Uint8Array) => Promise<Issued>): Promise<Identity> => {
    const key: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const { der } = await createCsr(nodePki, 'x', signingKey(key));
    return { issued: await issue(der), key: key.export({ type: 'pkcs8', format: 'pem' }) as string };
  };

  before(async () => {
    here = await world();
    device = await made((csr) => here.authority.issueDevice({ namespace: NAMESPACE, mac: MAC, csr }));
    service = await made((csr) => here.authority.issueService({ names: [BROKER], csr }));
  });
  after(() => here?.close());

  it('a device comes in, and is who it is', async () => {
    assert.deepEqual(await handshake(service, device), { client: `${NAMESPACE}:${PLAIN_MAC}` });
  });

  it('a device that poses as the broker is refused, though it has the broker’s name', async () => {
    const result = await handshake(device, device);
    assert.equal(result.client, 'INVALID_PURPOSE');
  });

  it('a service that poses as a device is refused', async () => {
    const result = await handshake(service, service);
    assert.ok('server' in result, JSON.stringify(result));
  });

  it('a device of another authority is refused', async () => {
    const elsewhere = await world();
    try {
      const stranger = await made((csr) => elsewhere.authority.issueDevice({ namespace: NAMESPACE, mac: MAC, csr }));
      const result = await handshake(service, {
        ...stranger,
        issued: { ...stranger.issued, authorities: device.issued.authorities },
      });
      assert.ok('server' in result, JSON.stringify(result));
    } finally {
      await elsewhere.close();
    }
  });
});
