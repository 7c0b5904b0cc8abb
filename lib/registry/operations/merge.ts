import type { RevocationLine } from '../revocations.ts';
import { SQL } from '../sql/statements.ts';
import { number, numberOrNull, one, type Row, type Scope, step, text, type Work } from '../work.ts';
import { audited } from './audit.ts';

/** A CRL that was handed out after the backup, and never written down, stays below this. */
const CRL_MARGIN = 1000;

/**
 * Brings a store that is older than the revocation log beside it up to the log: nothing that was revoked, spent or
 * removed comes back. With `restored` it also voids every open code and ticket and raises the CRL numbers.
 */
export function* merge(
  scope: Scope,
  { lines, restored, generation }: { lines: readonly RevocationLine[]; restored: boolean; generation: number },
): Work<{ voidedCodes: number }> {
  const devices = new Map<string, RevocationLine & { k: 'device' }>();
  const ended: [sql: string, ...values: (string | number | null)[]][] = [];
  for (const line of lines) {
    switch (line.k) {
      case 'certificate':
        ended.push([SQL.revoke, line.reason, line.at, line.id]);
        break;
      case 'superseded':
        ended.push([SQL.supersede, line.id]);
        break;
      case 'token':
        ended.push([SQL.revokeToken, line.at, 'revocation log', line.id]);
        break;
      case 'code':
        ended.push([SQL.voidCode, line.at, line.id]);
        break;
      case 'ticket':
        ended.push([SQL.spendTicket, line.at, line.id]);
        break;
      case 'credential':
        ended.push([SQL.mergeRemoveCredential, line.id]);
        break;
      case 'crl':
        ended.push([SQL.raiseCrlNumber, line.id, line.number]);
        break;
      case 'device':
        devices.set(line.id, line);
        break;
    }
  }
  for (const [sql, ...values] of ended) yield step(sql, ...values);
  for (const { id, state, at } of devices.values()) {
    if (state === 'removed') yield step(SQL.mergeRemoveDevice, id);
    else if (state !== 'back') yield step(SQL.forceState, state, 'revocation log', at, at, id, state);
  }
  let voidedCodes = 0;
  if (restored) {
    const voided: readonly Row[] = yield step(SQL.voidOpenCodes, scope.now, scope.now);
    voidedCodes = voided.length;
    for (const row of voided) scope.revoke({ k: 'code', id: text(row, 'hash'), at: scope.now, until: scope.now });
    yield step(SQL.spendAllTickets, scope.now);
    yield step(SQL.raiseAllCrlNumbers, CRL_MARGIN);
    yield* audited(scope, { action: 'registry.restored', detail: { lines: lines.length, voidedCodes } });
    scope.emit({ topic: 'registry.restored', namespace: null, subject: null, detail: { voidedCodes } });
  }
  yield step(SQL.putMeta, 'generation', String(generation));
  return { voidedCodes };
}

/** The number of the last group of lines that this store wrote to the revocation log. */
export function* generationOf(_scope: Scope): Work<number> {
  const row = yield* one(SQL.meta, 'generation');
  return row === undefined ? 0 : Number(text(row, 'value'));
}

/** What the store itself knows of what was revoked, spent or ended: a revocation log made anew. */
export function* recall(scope: Scope): Work<RevocationLine[]> {
  const lines: RevocationLine[] = [];
  const { now: at } = scope;
  const rows = function* (sql: string, make: (row: Row) => RevocationLine): Work<void> {
    for (const row of (yield step(sql)) as readonly Row[]) lines.push(make(row));
  };
  yield* rows(SQL.recallCertificates, (row) => ({
    k: 'certificate',
    id: text(row, 'serial'),
    reason: numberOrNull(row, 'reason') ?? 0,
    at: numberOrNull(row, 'revoked_at') ?? at,
    until: number(row, 'not_after'),
  }));
  yield* rows(SQL.recallTokens, (row) => ({
    k: 'token',
    id: text(row, 'id'),
    at: number(row, 'revoked_at'),
    until: numberOrNull(row, 'expires_at'),
  }));
  yield* rows(SQL.recallCodes, (row) => ({ k: 'code', id: text(row, 'hash'), at, until: number(row, 'expires_at') }));
  yield* rows(SQL.recallTickets, (row) => ({
    k: 'ticket',
    id: text(row, 'hash'),
    at: number(row, 'redeemed_at'),
    until: number(row, 'expires_at'),
  }));
  yield* rows(SQL.recallDevices, (row) => ({
    k: 'device',
    id: text(row, 'id'),
    state: text(row, 'state') as 'revoked' | 'retired',
    at: number(row, 'state_at'),
    until: null,
  }));
  yield* rows(SQL.recallCrlNumbers, (row) => ({
    k: 'crl',
    id: text(row, 'namespace'),
    number: number(row, 'number'),
    at,
    until: null,
  }));
  return lines;
}
