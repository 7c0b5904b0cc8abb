import { isKeywayError } from '../../errors/index.ts';
import type { Authority } from '../authority/authority.ts';
import type { Issued } from '../authority/types.ts';
import { parseCsr } from '../csr/parse.ts';
import { fail } from '../errors.ts';
import { namespaceName, normaliseMac } from '../names.ts';
import { fromBase64 } from '../pem.ts';
import type { AuthorityStore } from '../store.ts';
import { type EnrolResponse, problem } from './problems.ts';
import { CONFIRM_MS, newSecret, type SecretKind, secretKind, ticketHash, tokenHash } from './tickets.ts';

/** A request as an HTTP server has it. */
export interface EnrolRequest {
  readonly method: string;
  /** The path alone, from `/api/…`, as it came: percent-encoded. */
  readonly path: string;
  /** Names in lower case, as node:http gives them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** At most 64 KiB: a server should not read on beyond. */
  readonly body: Uint8Array;
}

export interface EnrolOptions {
  readonly authority: Authority;
  readonly store: AuthorityStore;
  /**
   * What the registry has of a device, for its alternative names; undefined refuses a device that is not registered.
   * Without this function every MAC is taken.
   */
  readonly deviceOf?: (
    namespace: string,
    mac: string,
  ) => Promise<{ readonly serial: string | null; readonly name: string | null } | undefined>;
}

export type Enrol = (request: EnrolRequest) => Promise<EnrolResponse>;

/** A request body above this is refused unread. */
export const ENROL_BODY_MOST = 65536;
const PATH = /^\/api\/v1\/namespaces\/([^/]{1,153})\/devices\/([^/]{1,51})\/certificate(?:\/([0-9a-f]{32})\/live)?$/;

/**
 * The enrolment service, as a function:
 * `POST /api/v1/namespaces/{namespace}/devices/{mac}/certificate` with a signing request gives a certificate (201), and
 * `POST …/certificate/{serial}/live` says that the device holds it (204). `Authorization: Bearer` brings a ticket or a
 * namespace token; the answer to a ticket has a `confirm` ticket for the second call, a token makes both.
 *
 * The signing request is `{"csr": PEM or base64 of DER, "replace": boolean}` as application/json, or DER or base64 as
 * application/pkcs10, or PEM as application/x-pem-file or text/plain. Errors are application/problem+json with `code`.
 * It never throws.
 */
export function createEnrolment(options: EnrolOptions): Enrol {
  return async (request) => {
    try {
      const [, namespace, mac, serial] = PATH.exec(request.path) ?? [];
      if (namespace === undefined || mac === undefined)
        throw fail('ENROL_NOT_FOUND', 'There is nothing under this path.');
      if (request.method !== 'POST')
        throw refused(405, `The method ${request.method.slice(0, 16)} is not for this path`);
      const device = { namespace: namespaceName(decoded(namespace)), mac: normaliseMac(decoded(mac)) };
      return serial === undefined
        ? await issue(options, device, request)
        : await confirm(options, device, serial, request);
    } catch (error) {
      return problem(error);
    }
  };
}

interface Named {
  readonly namespace: string;
  readonly mac: string;
}

async function issue(options: EnrolOptions, device: Named, request: EnrolRequest): Promise<EnrolResponse> {
  const secret = bearer(request);
  const kind = secretKind(secret);
  if (kind === undefined || kind === 'confirm') throw unauthorised();
  const { csr, replace } = readBody(request);
  // Before the ticket is used up: a request that cannot be read leaves it good.
  parseCsr(csr);
  const { authority, store, deviceOf } = options;
  const now = await authority.time();
  await authorise(store, { secret, kind, device, replace, now });
  const facts = deviceOf === undefined ? {} : await deviceOf(device.namespace, device.mac);
  if (facts === undefined) {
    throw fail('ENROL_NOT_FOUND', `The device ${device.mac} is not registered in "${device.namespace}".`, {
      hint: 'Register it first.',
    });
  }
  const issued = await authority.issueDevice({ ...device, ...facts, csr, replace }, now);
  if (kind === 'token') return answer(issued);
  const ticket = newSecret('confirm');
  const { namespace, mac } = device;
  const hash = ticketHash(ticket, namespace, mac, issued.serial);
  await store.putTicket(hash, { namespace, device: mac, expiresAt: now + CONFIRM_MS });
  return answer(issued, ticket);
}

async function confirm(
  { authority, store }: EnrolOptions,
  device: Named,
  serial: string,
  request: EnrolRequest,
): Promise<EnrolResponse> {
  const secret = bearer(request);
  const kind = secretKind(secret);
  const { namespace, mac } = device;
  const now = await authority.time();
  if (kind === 'token') await authorise(store, { secret, kind, device, replace: false, now });
  else {
    const terms =
      kind === 'confirm' ? await store.redeemTicket(ticketHash(secret, namespace, mac, serial), now) : undefined;
    if (terms === undefined) throw unauthorised();
  }
  const record = await store.certificate(serial);
  if (record === undefined || record.namespace !== namespace || record.device !== mac) {
    throw fail('CERTIFICATE_UNKNOWN', `The device has no certificate with the serial number ${serial}.`, {
      hint: 'Give the serial number that the enrolment answered.',
    });
  }
  await authority.markLive(serial);
  return { status: 204, headers: { 'Cache-Control': 'no-store' }, body: '' };
}

interface Claim {
  readonly secret: string;
  readonly kind: SecretKind;
  readonly device: Named;
  readonly replace: boolean;
  readonly now: number;
}

/** @throws ENROL_UNAUTHORISED, the same for whatever is wrong with the secret; ENROL_FORBIDDEN */
async function authorise(store: AuthorityStore, { secret, kind, device, replace, now }: Claim): Promise<void> {
  const { namespace, mac } = device;
  if (kind === 'token') {
    const token = await store.token(tokenHash(secret));
    const over =
      token === undefined || token.revokedAt !== null || (token.expiresAt ?? Number.POSITIVE_INFINITY) <= now;
    if (over || token.kind !== 'namespace') throw unauthorised();
    if (token.namespace !== namespace || !token.scopes.includes('mint')) {
      throw fail('ENROL_FORBIDDEN', 'The token is not for this namespace, or not for minting.', {
        hint: 'Use a token of this namespace.',
      });
    }
    if (replace && !token.scopes.includes('replace')) throw mayNotReplace();
    return;
  }
  if (replace && kind !== 'replace') throw mayNotReplace();
  const terms = await store.redeemTicket(ticketHash(secret, namespace, mac), now);
  if (terms === undefined || terms.namespace !== namespace || terms.device !== mac) throw unauthorised();
}

function mayNotReplace(): Error {
  return fail('ENROL_FORBIDDEN', 'This ticket or token may not replace a live certificate.', {
    hint: 'Ask for one that may.',
  });
}

function unauthorised(): Error {
  return fail('ENROL_UNAUTHORISED', 'The ticket or token is missing, unknown, used, over, or for another device.', {
    hint: 'Send "Authorization: Bearer" with a fresh ticket for this device, or with a token of the namespace.',
  });
}

function bearer({ headers }: EnrolRequest): string {
  const header = headers.authorization;
  const found = typeof header === 'string' ? /^Bearer ([\x21-\x7e]{1,200})$/i.exec(header) : null;
  if (found === null) throw unauthorised();
  return found[1] as string;
}

const text = new TextDecoder('utf-8', { fatal: true });

function readBody(request: EnrolRequest): { csr: Uint8Array | string; replace: boolean } {
  const { body, headers } = request;
  if (body.length > ENROL_BODY_MOST)
    throw refused(413, `The body has ${body.length} bytes, more than ${ENROL_BODY_MOST}`);
  const header = headers['content-type'];
  const type = typeof header === 'string' ? (header.split(';')[0] ?? '').trim().toLowerCase() : '';
  try {
    if (type === 'application/json') return readJson(JSON.parse(text.decode(body)));
    if (type === 'application/pkcs10')
      return { csr: body[0] === 0x30 ? body : fromBase64(text.decode(body)), replace: false };
    if (type === 'application/x-pem-file' || type === 'text/plain') return { csr: text.decode(body), replace: false };
  } catch (error) {
    if (isKeywayError(error)) throw error;
    throw refused(400, 'The body cannot be read');
  }
  throw refused(415, 'The type of the body is not taken');
}

function readJson(json: unknown): { csr: Uint8Array | string; replace: boolean } {
  const { csr, replace = false } = (typeof json === 'object' && json !== null ? json : {}) as Record<string, unknown>;
  if (typeof csr !== 'string' || typeof replace !== 'boolean') {
    throw refused(400, 'The body has no text "csr", or "replace" is neither true nor false');
  }
  return { csr: csr.includes('-----BEGIN') ? csr : fromBase64(csr), replace };
}

function refused(status: number, what: string): Error {
  return fail('ENROL_BAD_REQUEST', `${what}.`, {
    hint: 'POST {"csr": …} as application/json, or the signing request itself as application/pkcs10.',
    detail: { status },
  });
}

function answer(issued: Issued, confirmWith?: string): EnrolResponse {
  const { serial, namespace, mac, state, pem, chain, authorities } = issued;
  const [notBefore, notAfter] = [issued.notBefore, issued.notAfter].map((ms) => new Date(ms).toISOString());
  return {
    status: 201,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
    body: JSON.stringify({
      ...{ serial, namespace, mac, state, notBefore, notAfter, certificate: pem, chain, authorities },
      ...(confirmWith === undefined ? {} : { confirm: confirmWith }),
    }),
  };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw refused(400, 'The path cannot be read');
  }
}
