import { isLoopback } from '../../lib/link/index.ts';
import { fail } from './identity-errors.ts';
import type { Red } from './types.ts';

export interface Ask {
  headers: Record<string, string | string[] | undefined>;
  socket: { localAddress?: string | undefined; remoteAddress?: string | undefined };
  body?: unknown;
}

interface Reply {
  status(code: number): Reply;
  set(name: string, value: string): Reply;
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

/** Who may do what. The last ones hand out, or withdraw, what devices are known by. */
export type Permission = 'keyway.read' | 'keyway.write' | 'keyway.mint' | 'keyway.revoke' | 'keyway.export';

const DELICATE: readonly Permission[] = ['keyway.mint', 'keyway.revoke', 'keyway.export'];

/**
 * An admin route of ours: behind a permission, refusing foreign origins, answering failures as JSON with their code.
 * Delicate ones work on loopback alone while there is no login: whoever reaches the editor from elsewhere could use them.
 */
export function adminRoute(
  red: Red,
  method: 'get' | 'post',
  path: string,
  permission: Permission,
  handle: (ask: Ask) => Promise<unknown>,
): void {
  red.httpAdmin[method](path, red.auth.needsPermission(permission), (request, response) => {
    const reply = response as Reply;
    const hasLogin = Boolean(red.settings.adminAuth);
    const refuse = (status: number, error: unknown): void => {
      const { code, message, hint } = error as { code?: unknown; message?: unknown; hint?: unknown };
      reply.status(status).json({ code: code ?? 'INTERNAL', message, hint });
    };
    if (isForeign(request as Ask, hasLogin)) reply.status(403).json({ code: 'FOREIGN_ORIGIN' });
    else if (DELICATE.includes(permission) && !hasLogin && !isNear(request as Ask)) refuse(403, notHere(permission));
    else {
      handle(request as Ask).then(
        (body) => void reply.set('Cache-Control', 'no-store').json(body),
        (error: unknown) => refuse(400, error),
      );
    }
  });
}

/** Whether a request comes from this machine. */
export function isNear({ socket }: Ask): boolean {
  return isLoopback((socket.remoteAddress ?? '').replace(/^::ffff:/, ''));
}

function notHere(permission: Permission): Error {
  return fail('LOOPBACK_ONLY', `This Node-RED has no login, so it does this for its own machine alone.`, {
    hint: `Set adminAuth in settings.js, and give the user the permission ${permission}.`,
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
