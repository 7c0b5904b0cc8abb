import type { IncomingMessage, ServerResponse } from 'node:http';
import { createCrlHandler } from '../../lib/pki/node.ts';
import { type Ask, isForeign } from './http.ts';
import { trustOf } from './trust.ts';
import type { Red } from './types.ts';

const BASE = '/keyway';
const PATH = /^\/(?:crl\/([A-Za-z0-9._-]{1,51})|root|services)\.crl$/;

/** Several nodes need them, and any of them may be left out. */
const mounted = new WeakSet<object>();

/**
 * The revocation lists of all deployed authorities that have a service or a CRL node, where certificates say that they
 * are, below Node-RED's own HTTP root: `/keyway/crl/<namespace>.crl`, `/keyway/root.crl`, `/keyway/services.crl`.
 */
export function mountLists(RED: Red): void {
  if (mounted.has(RED.httpNode)) return;
  mounted.add(RED.httpNode);
  RED.httpNode.use(BASE, (request, response, next) => {
    const incoming = request as unknown as IncomingMessage & Ask;
    const [path = ''] = (incoming.url ?? '').split('?');
    const found = PATH.exec(path);
    if (found === null) {
      next();
      return;
    }
    serve(incoming, path, found[1] ?? null, Boolean(RED.settings.adminAuth)).then(
      (reply) => answer(response as unknown as ServerResponse, reply),
      () => answer(response as unknown as ServerResponse, { status: 503, headers: {}, body: NOTHING }),
    );
  });
}

const NOTHING = new Uint8Array(0);

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

async function serve(
  incoming: IncomingMessage & Ask,
  path: string,
  namespace: string | null,
  hasLogin: boolean,
): Promise<Reply> {
  if (isForeign(incoming, hasLogin)) return { status: 403, headers: {}, body: NOTHING };
  const trust = await trustOf(namespace);
  if (trust === undefined) return { status: 404, headers: {}, body: NOTHING };
  const { method = '', headers } = incoming;
  return createCrlHandler(trust.lists)({ method, path, headers });
}

function answer(response: ServerResponse, { status, headers, body }: Reply): void {
  if (response.destroyed) return;
  response.writeHead(status, headers);
  response.end(body);
}
