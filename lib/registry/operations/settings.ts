import { SQL } from '../sql/statements.ts';
import type { NamespaceRecord, ProfileRecord } from '../types.ts';
import { bytes, one, type Scope, step, text, type Work } from '../work.ts';
import { audited } from './audit.ts';
import { namespaceExists } from './devices.ts';
import { namespaceOf, profileOf } from './rows.ts';

export function* putNamespace(scope: Scope, { name, settings }: NamespaceRecord): Work<void> {
  yield step(SQL.putNamespace, name, JSON.stringify(settings), scope.now);
  yield* audited(scope, { action: 'namespace.changed', namespace: name, subject: name });
  scope.emit({ topic: 'namespace.changed', namespace: name, subject: name });
}

export function* namespace(_scope: Scope, name: string): Work<NamespaceRecord | undefined> {
  const row = yield* one(SQL.namespace, name);
  return row && namespaceOf(row);
}

export function* namespaces(_scope: Scope): Work<NamespaceRecord[]> {
  return (yield step(SQL.namespaces)).map(namespaceOf);
}

export function* putProfile(scope: Scope, { namespace, name, settings }: ProfileRecord): Work<void> {
  yield* namespaceExists(namespace);
  yield step(SQL.putProfile, namespace, name, JSON.stringify(settings), scope.now);
  yield* audited(scope, { action: 'profile.changed', namespace, subject: name });
  scope.emit({ topic: 'profile.changed', namespace, subject: name });
}

export function* profile(
  _scope: Scope,
  { namespace, name }: { namespace: string; name: string },
): Work<ProfileRecord | undefined> {
  const row = yield* one(SQL.profile, namespace, name);
  return row && profileOf(row);
}

export function* profiles(_scope: Scope, namespace: string): Work<ProfileRecord[]> {
  return (yield step(SQL.profiles, namespace)).map(profileOf);
}

export function* keyRecord(_scope: Scope, name: string): Work<Uint8Array | undefined> {
  const row = yield* one(SQL.keyRecord, name);
  return row && bytes(row, 'wrapped');
}

export function* keyNames(_scope: Scope): Work<string[]> {
  return (yield step(SQL.keyNames)).map((row) => text(row, 'name'));
}

export function* putKeyRecord(scope: Scope, { name, wrapped }: { name: string; wrapped: Uint8Array }): Work<void> {
  yield step(SQL.putKeyRecord, name, wrapped, scope.now);
  yield* audited(scope, { action: 'key.kept', subject: name });
}
