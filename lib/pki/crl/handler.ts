import { AUTHORITY_NAMESPACE } from '../names.ts';
import { ROOT_LIST } from './names.ts';
import type { Crl } from './types.ts';

/** A request as HTTP brings it. */
export interface CrlRequest {
  readonly method: string;
  /** The path of the URL, without a query, below the address that certificates name. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface CrlResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty for HEAD, which has the length of GET all the same. */
  readonly body: Uint8Array;
}

const NAMESPACE = /^\/crl\/([A-Za-z0-9._-]{1,51})\.crl$/;
const OWN: Readonly<Record<string, string>> = { '/root.crl': ROOT_LIST, '/services.crl': AUTHORITY_NAMESPACE };
const NOTHING = new Uint8Array(0);
/** A list is made anew at any revocation: who asks again after a minute gets it. */
const MOST_AGE = 60;

/**
 * Serves revocation lists as a function: `GET /crl/<namespace>.crl`, `/root.crl`, `/services.crl`, as the distribution
 * points of certificates name them (RFC 5280 §4.2.1.13, RFC 2585). DER, with an ETag. It never throws.
 */
export function createCrlHandler(
  publisher: { current(name: string): Crl },
  clock: () => number = Date.now,
): (request: CrlRequest) => CrlResponse {
  return ({ method, path, headers }) => {
    const [, namespace] = NAMESPACE.exec(path) ?? [];
    const wanted = OWN[path] ?? namespace;
    const crl = wanted === undefined ? undefined : found(publisher, wanted);
    if (crl === undefined) return plain(404);
    if (method !== 'GET' && method !== 'HEAD') return plain(405, { Allow: 'GET, HEAD' });
    const age = Math.max(0, Math.min(MOST_AGE, Math.floor((crl.nextUpdate - clock()) / 1000)));
    const common = {
      ETag: crl.etag,
      'Cache-Control': `public, max-age=${age}, must-revalidate`,
      'Last-Modified': new Date(crl.thisUpdate).toUTCString(),
    };
    if (matches(headers['if-none-match'], crl.etag)) return { status: 304, headers: common, body: NOTHING };
    const type = { 'Content-Type': 'application/pkix-crl', 'Content-Length': String(crl.der.length) };
    return { status: 200, headers: { ...common, ...type }, body: method === 'HEAD' ? NOTHING : crl.der };
  };
}

function found(publisher: { current(name: string): Crl }, name: string): Crl | undefined {
  try {
    return publisher.current(name);
  } catch {
    return undefined;
  }
}

/** RFC 9110 §13.1.2: weak comparison, of any of a list. */
function matches(header: string | readonly string[] | undefined, etag: string): boolean {
  const text = typeof header === 'string' ? header : (header?.join(',') ?? '');
  return text.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag);
}

function plain(status: 404 | 405, headers: Record<string, string> = {}): CrlResponse {
  const body = new TextEncoder().encode(status === 404 ? 'Not found\n' : 'Method not allowed\n');
  const own = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': String(body.length) };
  return { status, headers: { ...own, ...headers }, body };
}
