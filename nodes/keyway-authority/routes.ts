import { createTicket, createToken, type TokenScope } from '../../lib/pki/node.ts';
import type { TokenRecord } from '../../lib/registry/index.ts';
import { authorityById, type DeployedAuthority, deployedAuthorities } from '../shared/authority.ts';
import { fail } from '../shared/errors.ts';
import { adminRoute, type Permission } from '../shared/http.ts';
import type { Red } from '../shared/types.ts';
import { mountRootRoutes } from './root-key.ts';

const DAY = 86_400_000;

/** What the editor and scripts ask for: tickets and tokens of the enrolment service. */
export function mountRoutes(RED: Red): void {
  const route = (
    path: string,
    handle: (body: Record<string, unknown>) => Promise<unknown>,
    permission: Permission = 'keyway.mint',
  ): void => adminRoute(RED, 'post', path, permission, ({ body }) => handle((body ?? {}) as Record<string, unknown>));
  route('/keyway/authority/ticket', async (body) => {
    const [namespace, mac] = [text(body, 'namespace'), text(body, 'mac')];
    const replace = body.replace === true;
    const { authority, registry } = await authorityFor(body, namespace).openFor(namespace);
    // A ticket for a namespace that does not exist would be found out only when it is used.
    await authority.settings(namespace);
    const made = await createTicket(registry, { namespace, mac }, await authority.time(), { replace });
    return { ticket: made.ticket, expiresAt: new Date(made.expiresAt).toISOString() };
  });
  route('/keyway/authority/token', async (body) => {
    const namespace = text(body, 'namespace');
    const { registry, authority } = await authorityFor(body, namespace).openFor(namespace);
    await authority.settings(namespace);
    const days = body.days === undefined ? null : Number(body.days);
    if (days !== null && !(days > 0 && days <= 36_500)) throw bad('days', 'a number of days up to 36500');
    const { token, record } = await createToken(registry, {
      namespace,
      scopes: (Array.isArray(body.scopes) ? body.scopes : ['mint']) as TokenScope[],
      expiresAt: days === null ? null : (await authority.time()) + Math.round(days * DAY),
    });
    const { id, prefix, scopes, expiresAt } = record;
    return { token, id, prefix, scopes, expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString() };
  });
  route(
    '/keyway/authority/tokens',
    async (body) => {
      const namespace = text(body, 'namespace');
      const { registry, authority } = await authorityFor(body, namespace).openFor(namespace);
      await authority.settings(namespace);
      const after = typeof body.after === 'string' ? { after: body.after } : {};
      const { items, next } = await registry.tokens({ namespace }, after);
      const tokens = items.filter(({ kind }) => kind === 'namespace').map(shownToken);
      return { tokens, next };
    },
    'keyway.read',
  );
  route(
    '/keyway/authority/token/revoke',
    async (body) => {
      const { registry } = await authorityFor(body, '').open();
      const { id, revokedAt } = await registry.revokeToken(text(body, 'id'), undefined, { actor: 'keyway-authority' });
      return { id, revokedAt: revokedAt === null ? null : new Date(revokedAt).toISOString() };
    },
    'keyway.revoke',
  );
  mountRootRoutes(RED, authorityFor);
}

/** What is kept of a token: never the token. */
function shownToken({ id, prefix, scopes, createdAt, expiresAt, revokedAt }: TokenRecord): Record<string, unknown> {
  const time = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());
  return { id, prefix, scopes, createdAt: time(createdAt), expiresAt: time(expiresAt), revokedAt: time(revokedAt) };
}

/** The authority that is named, or the only one that has the namespace. @throws AUTHORITY_NOT_SET */
function authorityFor(body: Record<string, unknown>, namespace: string): DeployedAuthority {
  if (typeof body.authority === 'string') return authorityById(body.authority);
  const all = deployedAuthorities();
  const [found, ...more] = namespace === '' ? all : all.filter(({ namespaces }) => namespaces.includes(namespace));
  return found !== undefined && more.length === 0 ? found : authorityById('');
}

function text(body: Record<string, unknown>, field: string): string {
  const value = body[field];
  if (typeof value === 'string' && value !== '') return value;
  throw bad(field, 'a text');
}

function bad(field: string, wanted: string): Error {
  return fail('BAD_FIELD', `The field "${field}" of the request must be ${wanted}.`, {
    hint: 'Send it in a JSON object.',
    detail: { field },
  });
}
