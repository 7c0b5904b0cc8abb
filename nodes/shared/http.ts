import { isLoopback } from '../../lib/link/index.ts';
import type { Red } from './types.ts';

export interface Ask {
  headers: Record<string, string | string[] | undefined>;
  socket: { localAddress?: string | undefined; remoteAddress?: string | undefined };
  body?: unknown;
}

interface Reply {
  status(code: number): Reply;
  json(body: unknown): unknown;
}

/**
 * Whether a request comes from another site than the editor's own. A browser that another site sent here names that
 * site in Origin. One that was lured by a name pointed at this machine names a foreign Host although it speaks to
 * loopback; with a login that is harmless (the other site holds no token) and usual (a proxy keeps the Host).
 */
export function isForeign(ask: Ask, hasLogin: boolean): boolean {
  const [host, ...forwarded] = [ask.headers.host, ask.headers['x-forwarded-host']].map((name) =>
    one(name).toLowerCase(),
  );
  if (host === undefined || host === '') return true;
  const { origin } = ask.headers;
  // A page without an origin of its own (a sandboxed frame, a file) says "null", which is no address.
  if (origin !== undefined && ![host, ...forwarded].includes(hostOf(one(origin)))) return true;
  if (hasLogin) return false;
  const local = (ask.socket.localAddress ?? '').replace(/^::ffff:/, '');
  return isLoopback(local) && !isLoopback(nameOf(host));
}

/** An admin route of ours: behind a permission, refusing foreign origins, answering failures as JSON with their code. */
export function adminRoute(
  red: Red,
  method: 'get' | 'post',
  path: string,
  permission: 'keyway.read' | 'keyway.write',
  handle: (ask: Ask) => Promise<unknown>,
): void {
  red.httpAdmin[method](path, red.auth.needsPermission(permission), (request, response) => {
    const reply = response as Reply;
    if (isForeign(request as Ask, Boolean(red.settings.adminAuth))) {
      reply.status(403).json({ code: 'FOREIGN_ORIGIN' });
      return;
    }
    handle(request as Ask).then(
      (body) => void reply.json(body),
      (error: unknown) => {
        const { code, message, hint } = error as { code?: unknown; message?: unknown; hint?: unknown };
        reply.status(400).json({ code: code ?? 'INTERNAL', message, hint });
      },
    );
  });
}

function one(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? '';
}

function hostOf(origin: string): string {
  try {
    return new URL(origin).host;
  } catch {
    return 'no host';
  }
}

/** The name in a Host header, without its port. */
function nameOf(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}
