import { chain, sealHead } from '../audit.ts';
import { fail } from '../errors.ts';
import { listAudit } from '../sql/lists.ts';
import { SQL } from '../sql/statements.ts';
import type { AuditEntry, AuditFilter, AuditInput } from '../types.ts';
import { bytes, number, one, type Row, type Scope, step, type Work } from '../work.ts';
import { auditOf } from './rows.ts';

/** Steps of the clock back by less than this are what keeping time looks like. */
const CLOCK_TOLERANCE_MS = 5000;

/** Adds an entry to the chain, in the transaction of what it tells of. */
export function* audited(scope: Scope, input: AuditInput): Work<void> {
  const head = yield* one(SQL.takeAuditHead);
  if (head === undefined) throw fail('REGISTRY_DAMAGED', 'The registry has lost the head of its audit log.');
  const row = {
    seq: number(head, 'seq'),
    at: scope.now,
    actor: scope.by.actor ?? 'keyway',
    source: scope.by.source ?? null,
    action: input.action,
    namespace: input.namespace ?? null,
    subject: input.subject ?? null,
    outcome: input.outcome ?? 'ok',
    detail: JSON.stringify(input.detail ?? {}),
  };
  const mac = chain(scope.auditKey, bytes(head, 'mac'), row);
  yield step(SQL.addAudit, ...Object.values(row), mac);
  const newest = Math.max(number(head, 'newest'), scope.now);
  yield step(SQL.putAuditHead, mac, sealHead(scope.auditKey, row.seq, mac), newest);
}

export function* audit(scope: Scope, input: AuditInput): Work<void> {
  yield* audited(scope, input);
}

/** The time of the newest entry, in ms since 1970; 0 while there is none. */
export function* newestTime(_scope: Scope): Work<number> {
  const head = yield* one(SQL.auditHead);
  return head === undefined ? 0 : number(head, 'newest');
}

/** Refuses what depends on time while the clock is wrong. */
export function* clockHolds(scope: Scope): Work<void> {
  const newest = yield* newestTime(scope);
  if (scope.now + CLOCK_TOLERANCE_MS >= newest) return;
  const [now, then] = [scope.now, newest].map((time) => new Date(time).toISOString());
  throw fail('CLOCK_BEHIND', `The clock says ${now}, but the registry holds a record of ${then}.`, {
    hint: 'Set the clock. If it was ahead before and is right now, accept the present time in the registry.',
    detail: { now: scope.now, newest },
  });
}

export function* acceptClock(scope: Scope): Work<void> {
  const newest = yield* newestTime(scope);
  yield* audited(scope, { action: 'clock.accepted', detail: { before: newest } });
  yield step(SQL.setNewest, scope.now);
}

export function* auditLog(
  _scope: Scope,
  { filter, after, limit }: { filter: AuditFilter; after: number | undefined; limit: number },
): Work<{ items: AuditEntry[]; more: boolean }> {
  const rows: readonly Row[] = yield listAudit(filter, after, limit + 1);
  return { items: rows.slice(0, limit).map(auditOf), more: rows.length > limit };
}

/** Entries with their HMACs, and the head, for who verifies the chain. */
export function* auditChain(
  _scope: Scope,
  { after, limit }: { after: number; limit: number },
): Work<{ rows: readonly Row[]; head: Row | undefined }> {
  const rows: readonly Row[] = yield step(SQL.auditFrom, after, limit);
  return { rows, head: yield* one(SQL.auditHead) };
}
