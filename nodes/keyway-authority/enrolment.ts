import type { IncomingMessage, ServerResponse } from 'node:http';
import { isKeywayError } from '../../lib/errors/index.ts';
import { createEnrolment, ENROL_BODY_MOST, type EnrolResponse } from '../../lib/pki/node.ts';
import { type DeployedAuthority, deployedAuthorities, type OpenAuthority } from '../shared/authority.ts';
import { type Ask, isForeign } from '../shared/http.ts';
import { bringToSetup } from '../shared/states.ts';
import type { Red } from '../shared/types.ts';

const BASE = '/api/v1/namespaces';
const BY = { actor: 'keyway-authority', source: 'enrolment service' };

/** The enrolment service of all deployed authorities that switch it on, below Node-RED's own HTTP root. */
export function mountEnrolment(RED: Red): void {
  RED.httpNode.use(BASE, (request, response) => {
    const incoming = request as unknown as IncomingMessage & Ask;
    if (isForeign(incoming, Boolean(RED.settings.adminAuth))) {
      answer(response as unknown as ServerResponse, refusal(403, 'FOREIGN_ORIGIN'));
      return;
    }
    serve(incoming).then(
      (reply) => answer(response as unknown as ServerResponse, reply),
      () => answer(response as unknown as ServerResponse, refusal(500, 'INTERNAL')),
    );
  });
}

async function serve(request: IncomingMessage & { body?: unknown }): Promise<EnrolResponse> {
  const [path = ''] = (request.url ?? '').split('?');
  const found = /^\/([^/]+)\/devices\/([^/]+)\/certificate(\/[0-9a-f]{32}\/live)?$/.exec(path);
  const namespace = decoded(found?.[1] ?? '');
  const deployed = deployedAuthorities().find((one) => one.enrolment && one.namespaces.includes(namespace));
  // Who holds no ticket learns from this no more than which namespaces there are.
  if (deployed === undefined) return refusal(404, 'ENROL_NOT_FOUND');
  const body = await bodyOf(request);
  if (body === undefined) return { ...refusal(413, 'ENROL_BAD_REQUEST'), headers: { Connection: 'close' } };
  let open: OpenAuthority;
  try {
    open = await deployed.openFor(namespace);
  } catch (error) {
    return refusal(503, isKeywayError(error) ? error.code : 'INTERNAL');
  }
  const enrol = createEnrolment({
    authority: open.authority,
    store: open.registry,
    deviceOf: (ns, mac) => deviceOf(deployed, open, ns, mac),
  });
  const { method = '', headers } = request;
  const reply = await enrol({ method, path: `${BASE}${path}`, headers, body });
  if (reply.status === 204) {
    // The device holds its certificate: where it stands follows, and its own answer does not hang on it.
    const mac = decoded(found?.[2] ?? '')
      .replace(/[:.-]/g, '')
      .toLowerCase();
    await bringToSetup(open.registry, { namespace, mac }, 'enrolled', BY).catch(() => undefined);
  }
  return reply;
}

/** What the registry has of a device; one that it does not know is added where the node says so. */
async function deviceOf(
  { enrolmentRegisters }: DeployedAuthority,
  { registry }: OpenAuthority,
  namespace: string,
  mac: string,
): Promise<{ serial: string | null; name: string | null } | undefined> {
  const known = await registry.device({ namespace, mac });
  if (known !== undefined) return known.state === 'retired' ? undefined : known;
  if (!enrolmentRegisters) return undefined;
  try {
    return await registry.addDevice({ namespace, mac, reason: 'enrolled' }, BY);
  } catch (error) {
    // Another request was first.
    if (isKeywayError(error, 'DEVICE_EXISTS')) return await registry.device({ namespace, mac });
    throw error;
  }
}

/** The body, or undefined when it is larger than the service takes. Nothing is kept beyond. */
async function bodyOf(request: IncomingMessage & { body?: unknown }): Promise<Uint8Array | undefined> {
  // A middleware of the user's own may have read it already.
  if (request.readableEnded) {
    const { body } = request;
    if (body instanceof Uint8Array) return body;
    return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body ?? {}));
  }
  if (Number(request.headers['content-length'] ?? 0) > ENROL_BODY_MOST) return undefined;
  return await new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    request.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= ENROL_BODY_MOST) parts.push(part);
      else resolve(undefined);
    });
    request.once('end', () => resolve(Buffer.concat(parts)));
    request.once('error', reject);
    request.once('aborted', () => reject(new Error('aborted')));
  });
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}

function refusal(status: number, code: string): EnrolResponse {
  return {
    status,
    headers: { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' },
    body: JSON.stringify({ type: 'about:blank', status, code }),
  };
}

function answer(response: ServerResponse, { status, headers, body }: EnrolResponse): void {
  if (response.destroyed) return;
  response.writeHead(status, headers);
  response.end(body);
}
