import { fail } from '../errors.ts';
import { listCredentials, listTokens } from '../sql/lists.ts';
import { SQL } from '../sql/statements.ts';
import type { CodeRecord, CredentialRecord, Device, TicketTerms, TokenRecord } from '../types.ts';
import { number, one, type Row, type Scope, step, text, type Work } from '../work.ts';
import { audited, clockHolds } from './audit.ts';
import { type DeviceDraft, deviceExists, insertDevice, namespaceExists, profileExists } from './devices.ts';
import { codeOf, credentialOf, tokenOf } from './rows.ts';

export function* addToken(scope: Scope, token: TokenRecord): Work<TokenRecord> {
  yield* namespaceExists(token.namespace);
  if (token.device !== null) yield* deviceExists(token.device);
  const { id, kind, hash, prefix, namespace, device, scopes, createdAt, expiresAt } = token;
  const made = yield* one(
    SQL.addToken,
    ...([id, kind, hash, prefix, namespace, device, JSON.stringify(scopes), createdAt, expiresAt, null, null] as const),
  );
  if (made === undefined) throw taken('token');
  yield* audited(scope, { action: 'token.added', namespace, subject: id, detail: { kind, device, scopes } });
  scope.emit({ topic: 'token.added', namespace, subject: id, detail: { kind, device } });
  return token;
}

function taken(what: string): Error {
  return fail('TOKEN_TAKEN', `That ${what} is in the registry already.`, {
    hint: 'Draw another one: 128 random bits do not repeat.',
    detail: { field: 'hash' },
  });
}

export function* token(_scope: Scope, hash: string): Work<TokenRecord | undefined> {
  const row = yield* one(SQL.token, hash);
  return row && tokenOf(row);
}

export function* tokens(
  _scope: Scope,
  args: { filter: { namespace?: string; device?: string }; after: string | undefined; limit: number },
): Work<{ items: TokenRecord[]; more: boolean }> {
  const rows: readonly Row[] = yield listTokens(args.filter, args.after, args.limit + 1);
  return { items: rows.slice(0, args.limit).map(tokenOf), more: rows.length > args.limit };
}

/** Idempotent: what is revoked stays so, with its first reason and time. */
export function* revokeToken(scope: Scope, { id, reason }: { id: string; reason: string | null }): Work<TokenRecord> {
  const changed = yield* one(SQL.revokeToken, scope.now, reason, id);
  if (changed === undefined) {
    const there = yield* one(SQL.tokenById, id);
    if (there !== undefined) return tokenOf(there);
    throw fail('TOKEN_UNKNOWN', `There is no token "${id}".`, {
      hint: 'Look its id up in the list of tokens.',
      detail: { field: 'id', value: id },
    });
  }
  const record = tokenOf(changed);
  scope.revoke({ k: 'token', id, at: scope.now, until: record.expiresAt });
  yield* audited(scope, { action: 'token.revoked', namespace: record.namespace, subject: id, detail: { reason } });
  scope.emit({ topic: 'token.revoked', namespace: record.namespace, subject: id, detail: { reason } });
  return record;
}

/** One of a kind a device: a new one takes the place of the old. */
export function* putCredential(scope: Scope, record: CredentialRecord): Work<void> {
  const { id, device, kind, sealed } = record;
  yield* deviceExists(device);
  const old = yield* one(SQL.credential, device, kind);
  if (old !== undefined) scope.revoke({ k: 'credential', id: text(old, 'id'), at: scope.now, until: null });
  yield step(SQL.putCredential, id, device, kind, sealed, scope.now);
  yield* audited(scope, { action: 'credential.kept', subject: device, detail: { kind } });
}

export function* credential(
  _scope: Scope,
  { device, kind }: { device: string; kind: string },
): Work<CredentialRecord | undefined> {
  const row = yield* one(SQL.credential, device, kind);
  return row && credentialOf(row);
}

export function* credentials(
  _scope: Scope,
  { device, after, limit }: { device: string | undefined; after: string | undefined; limit: number },
): Work<{ items: CredentialRecord[]; more: boolean }> {
  const rows: readonly Row[] = yield listCredentials(device, after, limit + 1);
  return { items: rows.slice(0, limit).map(credentialOf), more: rows.length > limit };
}

export function* rewrapCredential(_scope: Scope, { id, sealed }: { id: string; sealed: Uint8Array }): Work<void> {
  if ((yield* one(SQL.rewrapCredential, sealed, id)) === undefined) throw noCredential(id);
}

export function* removeCredential(scope: Scope, { device, kind }: { device: string; kind: string }): Work<void> {
  const row = yield* one(SQL.removeCredential, device, kind);
  if (row === undefined) throw noCredential(`${device} ${kind}`);
  scope.revoke({ k: 'credential', id: text(row, 'id'), at: scope.now, until: null });
  yield* audited(scope, { action: 'credential.removed', subject: device, detail: { kind } });
}

function noCredential(what: string): Error {
  return fail('CREDENTIAL_UNKNOWN', `There is no credential "${what}".`, {
    hint: 'List the credentials of the device.',
    detail: { field: 'kind', value: what },
  });
}

export function* addCode(scope: Scope, code: CodeRecord): Work<CodeRecord> {
  const { hash, namespace, profile, mac, prefix, maxUses, createdAt, expiresAt } = code;
  yield* namespaceExists(namespace);
  yield* profileExists(namespace, profile);
  const made = yield* one(
    SQL.addCode,
    ...([hash, namespace, profile, mac, prefix, maxUses, 0, createdAt, expiresAt, null] as const),
  );
  if (made === undefined) throw taken('code');
  yield* audited(scope, {
    action: 'code.added',
    namespace,
    subject: prefix,
    detail: { profile, mac, maxUses, expiresAt },
  });
  scope.emit({ topic: 'code.added', namespace, subject: hash, detail: { prefix } });
  return code;
}

/** The codes that can still be redeemed. */
export function* codes(scope: Scope, namespace: string): Work<CodeRecord[]> {
  return (yield step(SQL.codes, namespace, scope.now)).map(codeOf);
}

/** Uses the code up and puts the device in, together or not at all. */
export function* redeemCode(
  scope: Scope,
  { hash, mac, device }: { hash: string; mac: string | null; device: Omit<DeviceDraft, 'namespace'> | null },
): Work<{ code: CodeRecord; device: Device | null }> {
  yield* clockHolds(scope);
  const row = yield* one(SQL.redeemCode, hash, scope.now, mac);
  if (row === undefined) throw yield* whyNot(scope, hash, mac);
  const code = codeOf(row);
  const { namespace } = code;
  const made =
    device && (yield* insertDevice(scope, { ...device, namespace, profile: code.profile ?? device.profile }));
  if (code.uses >= code.maxUses) scope.revoke({ k: 'code', id: hash, at: scope.now, until: code.expiresAt });
  const detail = { device: made?.id ?? null, uses: code.uses };
  yield* audited(scope, { action: 'code.redeemed', namespace, subject: code.prefix, detail });
  scope.emit({ topic: 'code.redeemed', namespace, subject: hash, ...(made && { device: made }), detail });
  if (made !== null) scope.emit({ topic: 'device.added', namespace, subject: made.id, device: made });
  return { code, device: made };
}

/** The statement has refused the code: this only finds the words. */
function* whyNot(scope: Scope, hash: string, mac: string | null): Work<Error> {
  const row = yield* one(SQL.code, hash);
  const code = row && codeOf(row);
  if (code === undefined || (code.mac !== null && code.mac !== mac)) {
    return fail('CODE_UNKNOWN', 'There is no such one-time code for this device.', {
      hint: 'Check the code, letter by letter.',
    });
  }
  if (code.voidedAt !== null) {
    return fail('CODE_VOID', 'The one-time code was withdrawn.', { hint: 'Make a new one.' });
  }
  if (code.uses >= code.maxUses) {
    return fail('CODE_SPENT', 'The one-time code was used already.', { hint: 'Make a new one for each device.' });
  }
  return fail('CODE_EXPIRED', 'The time of the one-time code is over.', {
    hint: 'Make a new one.',
    detail: { expiresAt: code.expiresAt, now: scope.now },
  });
}

/** Withdraws a code. Idempotent. */
export function* voidCode(scope: Scope, hash: string): Work<void> {
  const row = yield* one(SQL.voidCode, scope.now, hash);
  if (row === undefined) {
    if ((yield* one(SQL.code, hash)) !== undefined) return;
    throw fail('CODE_UNKNOWN', 'There is no such one-time code.', { hint: 'List the open codes.' });
  }
  const code = codeOf(row);
  scope.revoke({ k: 'code', id: hash, at: scope.now, until: code.expiresAt });
  yield* audited(scope, { action: 'code.voided', namespace: code.namespace, subject: code.prefix });
  scope.emit({ topic: 'code.voided', namespace: code.namespace, subject: hash });
}

/** Tickets that nobody can use any more are forgotten after this. */
const TICKET_KEPT_MS = 24 * 3600_000;

export function* putTicket(scope: Scope, { hash, terms }: { hash: string; terms: TicketTerms }): Work<void> {
  yield step(SQL.forgetTickets, scope.now - TICKET_KEPT_MS);
  const made = yield* one(SQL.addTicket, hash, terms.namespace, terms.device, terms.expiresAt, null);
  if (made === undefined) throw taken('ticket');
  const detail = { device: terms.device, expiresAt: terms.expiresAt };
  yield* audited(scope, { action: 'ticket.made', namespace: terms.namespace, subject: terms.device, detail });
}

export function* redeemTicket(scope: Scope, hash: string): Work<{ namespace: string; device: string } | undefined> {
  yield* clockHolds(scope);
  const row = yield* one(SQL.redeemTicket, scope.now, hash, scope.now);
  if (row === undefined) return undefined;
  const [namespace, device] = [text(row, 'namespace'), text(row, 'device')];
  scope.revoke({ k: 'ticket', id: hash, at: scope.now, until: number(row, 'expires_at') });
  yield* audited(scope, { action: 'ticket.redeemed', namespace, subject: device });
  return { namespace, device };
}
