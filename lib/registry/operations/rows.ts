import type {
  AuditEntry,
  AuditOutcome,
  CertificateKind,
  CertificateRecord,
  CertificateState,
  CodeRecord,
  CredentialRecord,
  Device,
  DeviceState,
  JsonObject,
  NamespaceRecord,
  ProfileRecord,
  TokenRecord,
} from '../types.ts';
import { bytes, number, numberOrNull, type Row, text, textOrNull } from '../work.ts';

/** Records as they come from their rows. */
export function deviceOf(row: Row): Device {
  return {
    id: text(row, 'id'),
    namespace: text(row, 'namespace'),
    mac: textOrNull(row, 'mac'),
    serial: textOrNull(row, 'serial'),
    name: textOrNull(row, 'name'),
    profile: textOrNull(row, 'profile'),
    labels: JSON.parse(text(row, 'labels')) as string[],
    attributes: objectOf(row, 'attributes'),
    state: text(row, 'state') as DeviceState,
    reason: textOrNull(row, 'reason'),
    stateAt: number(row, 'state_at'),
    createdAt: number(row, 'created_at'),
    changedAt: number(row, 'changed_at'),
  };
}

export function certificateOf(row: Row): CertificateRecord {
  const reason = numberOrNull(row, 'reason');
  const revokedAt = numberOrNull(row, 'revoked_at');
  return {
    serial: text(row, 'serial'),
    namespace: text(row, 'namespace'),
    device: textOrNull(row, 'device'),
    kind: text(row, 'kind') as CertificateKind,
    state: text(row, 'state') as CertificateState,
    notBefore: number(row, 'not_before'),
    notAfter: number(row, 'not_after'),
    der: bytes(row, 'der'),
    publicKeyHash: text(row, 'public_key_hash'),
    ...(reason === null ? {} : { reason }),
    ...(revokedAt === null ? {} : { revokedAt }),
    ...(row.replaces === 'supersede' ? { renewal: true } : {}),
  };
}

export function tokenOf(row: Row): TokenRecord {
  return {
    id: text(row, 'id'),
    kind: text(row, 'kind'),
    hash: text(row, 'hash'),
    prefix: text(row, 'prefix'),
    namespace: text(row, 'namespace'),
    device: textOrNull(row, 'device'),
    scopes: JSON.parse(text(row, 'scopes')) as string[],
    createdAt: number(row, 'created_at'),
    expiresAt: numberOrNull(row, 'expires_at'),
    revokedAt: numberOrNull(row, 'revoked_at'),
    reason: textOrNull(row, 'reason'),
  };
}

export function credentialOf(row: Row): CredentialRecord {
  return {
    id: text(row, 'id'),
    device: text(row, 'device'),
    kind: text(row, 'kind'),
    sealed: bytes(row, 'sealed'),
    changedAt: number(row, 'changed_at'),
  };
}

export function codeOf(row: Row): CodeRecord {
  return {
    hash: text(row, 'hash'),
    namespace: text(row, 'namespace'),
    profile: textOrNull(row, 'profile'),
    mac: textOrNull(row, 'mac'),
    prefix: text(row, 'prefix'),
    maxUses: number(row, 'max_uses'),
    uses: number(row, 'uses'),
    createdAt: number(row, 'created_at'),
    expiresAt: number(row, 'expires_at'),
    voidedAt: numberOrNull(row, 'voided_at'),
  };
}

export function namespaceOf(row: Row): NamespaceRecord {
  return { name: text(row, 'name'), settings: objectOf(row, 'settings') };
}

export function profileOf(row: Row): ProfileRecord {
  return { namespace: text(row, 'namespace'), name: text(row, 'name'), settings: objectOf(row, 'settings') };
}

export function auditOf(row: Row): AuditEntry {
  return {
    seq: number(row, 'seq'),
    at: number(row, 'at'),
    actor: text(row, 'actor'),
    source: textOrNull(row, 'source'),
    action: text(row, 'action'),
    namespace: textOrNull(row, 'namespace'),
    subject: textOrNull(row, 'subject'),
    outcome: text(row, 'outcome') as AuditOutcome,
    detail: objectOf(row, 'detail'),
  };
}

function objectOf(row: Row, column: string): JsonObject {
  return JSON.parse(text(row, column)) as JsonObject;
}
