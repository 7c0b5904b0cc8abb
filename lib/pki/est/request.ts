import { CSR_MOST, parseCsr, type SigningRequest } from '../csr/parse.ts';
import { OID } from '../der/oids.ts';
import { childrenOf, expectTag, oidOf, parseDer, TAG, textOf } from '../der/reader.ts';
import { normaliseMac } from '../names.ts';
import { fail } from './errors.ts';
import type { EstRequest } from './types.ts';

/** A body above this is refused unread: the largest signing request in base64, with line ends. */
export const EST_BODY_MOST = Math.ceil(CSR_MOST * 1.5);

export type EstOperation = 'cacerts' | 'csrattrs' | 'simpleenroll' | 'simplereenroll';

const PATH = /^\/\.well-known\/est(?:\/([A-Za-z0-9._-]{1,51}))?\/(cacerts|csrattrs|simpleenroll|simplereenroll)$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const READS: readonly string[] = ['cacerts', 'csrattrs'];

/** What is asked for, and the label of the path (RFC 7030 §3.2.2). @throws EST_NOT_FOUND, EST_METHOD */
export function readTarget({ path, method }: EstRequest): { operation: EstOperation; label: string | undefined } {
  const [, label, operation] = PATH.exec(path.slice(0, 200)) ?? [];
  if (operation === undefined)
    throw fail('EST_NOT_FOUND', `There is nothing under ${JSON.stringify(path.slice(0, 100))}.`);
  const takes = READS.includes(operation) ? 'GET' : 'POST';
  if (method !== takes) {
    throw fail('EST_METHOD', `${operation} takes ${takes}, not ${JSON.stringify(method.slice(0, 16))}.`, {
      detail: { allow: takes },
    });
  }
  return { operation: operation as EstOperation, label };
}

/**
 * The signing request in a body: base64, with line breaks or without, whatever its Content-Transfer-Encoding says
 * (RFC 8951 §3.1).
 * @throws EST_TOO_LARGE, EST_MEDIA_TYPE, EST_BAD_REQUEST, CSR_TOO_LARGE, BAD_CSR
 */
export function readCsr({ headers, body }: EstRequest): SigningRequest {
  if (body.length > EST_BODY_MOST) {
    throw fail('EST_TOO_LARGE', `The body has ${body.length} bytes, more than ${EST_BODY_MOST}.`);
  }
  const header = headers['content-type'];
  const type = typeof header === 'string' ? (header.split(';')[0] ?? '').trim().toLowerCase() : '';
  if (type !== 'application/pkcs10') {
    throw fail('EST_MEDIA_TYPE', `The body is ${JSON.stringify(type.slice(0, 100))}, not application/pkcs10.`);
  }
  return parseCsr(decoded(body));
}

function decoded(body: Uint8Array): Uint8Array {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length)
    .toString('latin1')
    .replace(/[ \t\r\n]+/g, '');
  if (text.length % 4 !== 0 || !BASE64.test(text)) throw fail('EST_BAD_REQUEST', 'The body is no base64.');
  // A copy: Buffers share their memory.
  return new Uint8Array(Buffer.from(text, 'base64'));
}

/** The one common name that a request asks for; undefined when it asks for anything else. */
export function commonNameOf({ subject }: SigningRequest): string | undefined {
  const [set, more] = childrenOf(parseDer(subject), 2);
  if (set === undefined || more !== undefined) return undefined;
  const [pair, other] = childrenOf(set, 2);
  if (pair === undefined || other !== undefined) return undefined;
  const [type, value] = childrenOf(pair, 2);
  if (value === undefined || oidOf(expectTag(type, TAG.oid, 'The type')) !== OID.commonName) return undefined;
  try {
    return textOf(value);
  } catch {
    return undefined;
  }
}

/** Who asks by Basic authentication (RFC 7617). */
export interface BasicUser {
  /** What the user says of its namespace; undefined when only the MAC. */
  readonly namespace: string | undefined;
  readonly mac: string;
  /** The ticket. */
  readonly password: string;
}

/**
 * `null` when there are no credentials at all, which asks for the challenge.
 * @throws EST_UNAUTHORISED they cannot be read, or name no device
 */
export function readBasic({ headers }: EstRequest): BasicUser | null {
  const header = headers.authorization;
  if (header === undefined) return null;
  const [, code] =
    typeof header === 'string' && header.length < 1000 ? (/^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header) ?? []) : [];
  const text = code === undefined ? '' : Buffer.from(code, 'base64').toString('utf8');
  // A namespace and a MAC may be written with colons: the ticket has none.
  const colon = text.lastIndexOf(':');
  const user = text.slice(0, Math.max(0, colon));
  const [, namespace, mac] =
    /^(?:([A-Za-z0-9._-]{1,51}):)?([0-9A-Fa-f]{2}(?:[:-]?[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f.]{14})$/.exec(user) ?? [];
  try {
    if (colon < 0 || mac === undefined) throw new Error('no device');
    return { namespace, mac: normaliseMac(mac), password: text.slice(colon + 1) };
  } catch {
    throw fail('EST_UNAUTHORISED', `The user ${JSON.stringify(user.slice(0, 80))} names no device.`);
  }
}
