import { generateKeyPair } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { codeOf } from '../../errors/index.ts';
import type { Authority } from '../authority/authority.ts';
import { createCsr } from '../csr/create.ts';
import { nodePki, signingKey } from '../platform.node.ts';
import { createRefusals } from '../trust/refusals.ts';
import { refusal } from './answers.ts';
import { fail } from './errors.ts';
import { watchHandshakes } from './handshakes.ts';
import { EST_BODY_MOST } from './request.ts';
import { createEst } from './service.ts';
import { tell } from './tell.ts';
import type { Est, EstListener, EstListenOptions, EstResponse } from './types.ts';

const generate = promisify(generateKeyPair);
const HEADERS_MOST = 8192;
/** How often it looks whether its certificate needs a successor. */
const LOOK_MS = 60_000;
/** A certificate is replaced after this part of its life. */
const REPLACE_AT = 2 / 3;
const SERVICE_DAYS = 90;
/** With forward secrecy and authentication alone. */
const CIPHERS =
  'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE+AESGCM:ECDHE+CHACHA20';

interface ServiceIdentity {
  readonly key: string | Buffer;
  readonly cert: string;
  /** ms since 1970; never for one that was given. */
  readonly replaceAt: number;
}

/**
 * Opens an EST service on HTTPS: TLS 1.2 and 1.3, a client certificate asked for and judged by ourselves, whatever TLS
 * makes of it. Its own certificate comes from the authority's services intermediate and is replaced in time.
 * @throws EST_LISTEN the port is taken, or the address not this machine's; EST_BAD_OPTIONS; what Authority.issueService throws
 */
export async function listenEst(options: EstListenOptions): Promise<EstListener> {
  const { host = '127.0.0.1', port = 8443, clock = Date.now } = options;
  const names = options.names ?? ownNames(host);
  if (names.length === 0 || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw fail(
      'EST_BAD_OPTIONS',
      `The EST service cannot listen on port ${String(port)} under ${names.length} names.`,
      {
        hint: 'Give a port from 0 to 65535, and at least one name.',
        detail: { field: 'port', value: port },
      },
    );
  }
  let identity = options.tls === undefined ? await ownIdentity(options.authority, names, clock) : given(options.tls);
  const refusals = options.refusals ?? createRefusals({ store: options.store, clock });
  const est = createEst({ ...options, refusals });
  const server = makeServer(options, identity);
  const serving = new Set<Promise<void>>();
  server.on('request', (request, response) => {
    const served = serve(est, request, response).finally(() => serving.delete(served));
    serving.add(served);
  });
  const nobody = { namespace: null, mac: null, serial: null };
  const endConnections = watchHandshakes(server, ({ code, text, source }) => {
    refusals.write({ action: 'est.refused', actor: 'keyway-est', source, code, text });
    tell(options, { topic: 'est.refused', at: clock(), source: source ?? null, ...nobody, code, text });
  });
  await listening(server, host, port);
  const look = setInterval(() => {
    if (clock() < identity.replaceAt) return;
    // Not again while this is under way.
    const before = identity;
    identity = { ...identity, replaceAt: Number.POSITIVE_INFINITY };
    ownIdentity(options.authority, names, clock).then(
      (next) => {
        identity = next;
        server.setSecureContext(secureContext(next));
      },
      (error: unknown) => {
        identity = before;
        const failed = { code: codeOf(error), text: 'The service could not get a new certificate of its own.' };
        refusals.write({ action: 'est.failed', actor: 'keyway-est', outcome: 'failed', ...failed });
        tell(options, { topic: 'est.failed', at: clock(), source: null, ...nobody, ...failed });
      },
    );
  }, LOOK_MS).unref();
  const address = server.address();
  const actual = typeof address === 'object' && address !== null ? address.port : port;
  return {
    host,
    port: actual,
    url: `https://${urlHost(host)}:${actual}/.well-known/est`,
    get certificate() {
      return identity.cert;
    },
    close: async () => {
      clearInterval(look);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      endConnections();
      await closed;
      await Promise.all(serving);
      await refusals.settled();
    },
  };
}

const urlHost = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);
const isAny = (host: string): boolean => host === '0.0.0.0' || host === '::' || host === '';

function ownNames(host: string): string[] {
  const local = ['localhost', '127.0.0.1'];
  return [...new Set(isAny(host) ? [hostname(), ...local] : host === '127.0.0.1' ? ['localhost', host] : [host])];
}

const given = ({ key, cert }: { key: string | Buffer; cert: string }): ServiceIdentity => ({
  ...{ key, cert },
  replaceAt: Number.POSITIVE_INFINITY,
});

async function ownIdentity(
  authority: Authority,
  names: readonly string[],
  clock: () => number,
): Promise<ServiceIdentity> {
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  const csr = await createCsr(nodePki, 'Keyway EST', signingKey(privateKey));
  const { chain, notAfter } = await authority.issueService({ names, csr: csr.der, validityDays: SERVICE_DAYS });
  const now = clock();
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  return { key, cert: chain, replaceAt: now + (notAfter - now) * REPLACE_AT };
}

/**
 * No authorities: TLS would verify with them and then be overruled, and its list of them would tell strangers which
 * namespaces there are.
 */
const secureContext = ({ key, cert }: ServiceIdentity): SecureContextOptions => ({
  ...{ key, cert, ca: [], ciphers: CIPHERS },
  minVersion: 'TLSv1.2',
});

function makeServer(options: EstListenOptions, identity: ServiceIdentity): Server {
  const { handshakeTimeout = 10_000, requestTimeout = 15_000, maxConnections = 500 } = options;
  const server = createServer({
    ...secureContext(identity),
    ...{ requestCert: true, rejectUnauthorized: false, handshakeTimeout, requestTimeout },
    ...{ headersTimeout: requestTimeout, keepAliveTimeout: 5000, maxHeaderSize: HEADERS_MOST },
    connectionsCheckingInterval: Math.min(5000, requestTimeout),
  });
  server.maxConnections = maxConnections;
  server.maxRequestsPerSocket = 100;
  return server;
}

async function serve(est: Est, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request).catch(() => undefined);
  if (body === undefined) {
    request.destroy();
    return;
  }
  const { method = '', url = '', headers, socket } = request;
  const answer = await est({
    ...{ method, headers, path: url.split('?', 1)[0] ?? '', body },
    certificate: (socket as TLSSocket).getPeerX509Certificate()?.raw,
    ...(socket.remoteAddress === undefined ? {} : { source: socket.remoteAddress }),
  }).catch(() => refusal(500));
  respond(response, answer, body.length > EST_BODY_MOST);
}

/** One byte more than may be: enough to be refused. The rest is not read. */
async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let length = 0;
  return await new Promise((resolve, reject) => {
    const done = (): void => resolve(Buffer.concat(parts, Math.min(length, EST_BODY_MOST + 1)));
    request.on('data', (part: Buffer) => {
      parts.push(part);
      length += part.length;
      if (length <= EST_BODY_MOST) return;
      request.pause();
      done();
    });
    request
      .on('end', done)
      .on('error', reject)
      .on('aborted', () => reject(new Error('aborted')));
  });
}

function respond(response: ServerResponse, { status, headers, body }: EstResponse, unread: boolean): void {
  const close = unread ? { Connection: 'close' } : {};
  response.writeHead(status, { ...headers, ...close, 'Content-Length': Buffer.byteLength(body) });
  response.end(body, () => {
    if (unread) response.socket?.destroySoon();
  });
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      const why = codeOf(cause, 'unknown');
      const error = fail('EST_LISTEN', `The EST service cannot listen at ${urlHost(host)}:${port} (${why}).`, {
        hint: why === 'EADDRINUSE' ? 'Another program has the port: choose another one.' : 'Choose another address.',
        detail: { field: 'port', value: port, reason: why },
        cause,
      });
      reject(error);
    };
    server.once('error', failed);
    server.listen({ host, port }, () => {
      server.off('error', failed);
      // A socket that cannot be accepted is that client's trouble, not the service's end.
      server.on('error', () => undefined);
      resolve();
    });
  });
}
