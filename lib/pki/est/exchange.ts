import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { codeOf, isKeywayError } from '../../errors/index.ts';
import { fail } from './errors.ts';
import type { EstClientOptions, EstIdentity } from './types.ts';

/** Where an EST server is, and how it is known. */
export interface EstServer {
  readonly host: string;
  readonly port: number;
  /** In front of /.well-known/est; without a slash at its end. */
  readonly base: string;
  readonly name: string;
  readonly ca: string;
  readonly timeout: number;
}

/** What is asked of it. */
export interface Asked {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
  readonly type?: string;
  readonly user?: string;
  readonly ticket?: Uint8Array;
  readonly identity?: EstIdentity;
  /** 204 and 404 are answers too. */
  readonly absent?: boolean;
}

export interface Answered {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const ANSWER_MOST = 1 << 18;
const UNTRUSTED =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_|HOSTNAME_|ERR_TLS_CERT_|PATH_LENGTH_|ERROR_IN_CERT)/;

/** @throws EST_BAD_OPTIONS */
export function serverOf({ url, servername, timeout = 15_000 }: EstClientOptions, ca: string): EstServer {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined;
  const fits =
    parsed?.protocol === 'https:' && parsed.username === '' && parsed.password === '' && parsed.search === '';
  if (parsed === undefined || !fits || !Number.isFinite(timeout) || timeout < 1) {
    throw fail('EST_BAD_OPTIONS', 'The URL is none that an EST server can have, or the timeout is no time.', {
      hint: 'Give https://host:port without a user or a query, and milliseconds.',
      detail: { field: 'url' },
    });
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  // Whoever gives the whole address of the service means the same.
  const base = parsed.pathname.replace(/\/+$/, '').replace(/\/\.well-known\/est$/, '');
  return { host, port: Number(parsed.port || 443), base, name: servername ?? host, ca, timeout };
}

/**
 * One request on a connection of its own.
 * @throws EST_UNREACHABLE, EST_SERVER_UNTRUSTED, EST_TIMEOUT, EST_REFUSED, EST_BAD_ANSWER; the signal's reason
 */
export async function ask(server: EstServer, asked: Asked, signal: AbortSignal | undefined): Promise<Answered> {
  signal?.throwIfAborted();
  const over = AbortSignal.timeout(server.timeout);
  const either = signal === undefined ? over : AbortSignal.any([signal, over]);
  try {
    return await exchange(server, asked, either);
  } catch (error) {
    signal?.throwIfAborted();
    if (isKeywayError(error)) throw error;
    const where = `${server.host}:${server.port}`;
    if (over.aborted) {
      throw fail('EST_TIMEOUT', `The EST server ${where} did not answer within ${server.timeout} ms.`, {
        hint: 'Try again later.',
        cause: error,
      });
    }
    const reason = codeOf(error, 'unknown');
    if (UNTRUSTED.test(reason)) {
      throw fail('EST_SERVER_UNTRUSTED', `The certificate of ${where} is not taken (${reason}).`, {
        hint: `It must be from the authority that this client trusts, and for the name ${server.name}.`,
        detail: { reason },
        cause: error,
      });
    }
    throw fail('EST_UNREACHABLE', `The EST server ${where} cannot be reached (${reason}).`, {
      hint: 'Check address and network, and whether the service runs.',
      detail: { reason },
      cause: error,
    });
  }
}

async function exchange(server: EstServer, asked: Asked, signal: AbortSignal): Promise<Answered> {
  const { body, type, user, ticket, identity } = asked;
  const options: RequestOptions = {
    ...{ host: server.host, port: server.port, method: asked.method, path: server.base + asked.path },
    ...{ ca: server.ca, minVersion: 'TLSv1.2', agent: false, signal, maxHeaderSize: 16_384 },
    ...(isIP(server.name) === 0 ? { servername: server.name } : {}),
    checkServerIdentity: (_, certificate) => checkServerIdentity(server.name, certificate),
    ...(identity === undefined
      ? {}
      : {
          cert: identity.certificate,
          key: Buffer.from(identity.key.buffer, identity.key.byteOffset, identity.key.length),
        }),
    headers: {
      Accept: '*/*',
      ...(body === undefined ? {} : { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }),
      ...(ticket === undefined ? {} : { Authorization: basic(user ?? '', ticket) }),
    },
  };
  const request = httpsRequest(options);
  // After the answer it has nothing to say any more.
  request.on('error', () => undefined);
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  try {
    const text = await textOf(response);
    const status = response.statusCode ?? 0;
    const absent = asked.absent === true && (status === 204 || status === 404);
    if (status !== 200 && !absent) throw refused(server, status, response.headers['retry-after']);
    return {
      status,
      type: (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '',
      body: text,
    };
  } finally {
    request.destroy();
  }
}

const basic = (user: string, ticket: Uint8Array): string =>
  `Basic ${Buffer.concat([Buffer.from(`${user}:`), ticket]).toString('base64')}`;

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > ANSWER_MOST)
      throw fail('EST_BAD_ANSWER', `The EST server’s answer has more than ${ANSWER_MOST} bytes.`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('latin1');
}

function refused({ host, port }: EstServer, status: number, retryAfter: string | undefined): Error {
  const seconds = Number(retryAfter);
  return fail('EST_REFUSED', `The EST server ${host}:${port} answered ${status}.`, {
    hint: 'Its audit log says why: it tells clients nothing.',
    detail: { status, ...(Number.isFinite(seconds) && seconds > 0 ? { retryAfter: seconds } : {}) },
  });
}
