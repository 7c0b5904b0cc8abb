import { fail } from '../errors.ts';
import { listCertificates } from '../sql/lists.ts';
import { SQL } from '../sql/statements.ts';
import { mayBecome } from '../states.ts';
import type { CertificateFilter, CertificateKind, CertificateRecord, RevokedList } from '../types.ts';
import {
  ConstraintBroken,
  number,
  numberOrNull,
  one,
  type Row,
  type Scope,
  step,
  text,
  textOrNull,
  type Work,
} from '../work.ts';
import { audited } from './audit.ts';
import { setDeviceState } from './devices.ts';
import { certificateOf, deviceOf } from './rows.ts';

/** CRLReason of RFC 5280 §5.3.1. */
const KEY_COMPROMISE = 1;
const SUPERSEDED = 4;

/** What becomes of the live certificate of the same device once the new one is live. */
export type Replaces = 'revoke' | 'supersede' | null;

export function* addCertificate(
  scope: Scope,
  { record, replaces }: { record: CertificateRecord; replaces: Replaces },
): Work<void> {
  const { serial, namespace, device, kind, state } = record;
  if (kind === 'device' && device !== null) {
    yield* keyIsFree(record, device);
    if (replaces === null) {
      const live = yield* one(SQL.liveOf, namespace, device);
      if (live !== undefined) throw hasLive(namespace, device, text(live, 'serial'));
    } else if (state === 'live') {
      yield* giveWay(scope, namespace, device, replaces);
    }
  }
  const made = yield* one(
    SQL.addCertificate,
    ...([serial, namespace, device, kind, state, record.notBefore, record.notAfter, record.der] as const),
    ...([record.publicKeyHash, record.reason ?? null, record.revokedAt ?? null, replaces, scope.now] as const),
  );
  if (made === undefined) {
    if ((yield* one(SQL.certificate, serial)) === undefined) throw hasLive(namespace, device ?? '', undefined);
    throw fail('SERIAL_TAKEN', `There is a certificate with the serial number ${serial} already.`, {
      hint: 'Draw another serial number: 128 random bits.',
      detail: { field: 'serial', value: serial },
    });
  }
  yield* told(scope, state, record);
}

/** A key is one device's: who has it could pose as every other device with it, and revoking one would not stop that. */
function* keyIsFree({ publicKeyHash }: CertificateRecord, device: string): Work<void> {
  const row = yield* one(SQL.keyHolder, publicKeyHash, device, KEY_COMPROMISE);
  if (row === undefined) return;
  const holder = certificateOf(row);
  const why = holder.device === device ? 'was revoked as compromised' : 'is in another certificate, not of this device';
  // Who asks is not told whose it is; the detail is for those who may see the registry.
  throw fail('KEY_IN_USE', `The key for the device ${device} ${why}.`, {
    hint: 'Make a new key, on each device one of its own.',
    detail: { field: 'publicKeyHash', value: publicKeyHash, serial: holder.serial },
  });
}

/** A device that holds a live certificate needs to be told what becomes of it. */
function hasLive(namespace: string, device: string, serial: string | undefined): Error {
  return fail('DEVICE_HAS_LIVE', `The device ${device} of "${namespace}" holds a live certificate.`, {
    hint: 'Ask for its replacement, which revokes it, if this is the same device and nobody else’s.',
    detail: { field: 'device', value: device, ...(serial === undefined ? {} : { serial }) },
  });
}

/** The live certificate of the device gives way to a new one. */
function* giveWay(scope: Scope, namespace: string, device: string, replaces: Replaces): Work<void> {
  const row = yield* one(SQL.liveOf, namespace, device);
  if (row === undefined) return;
  const old = certificateOf(row);
  if (replaces === 'revoke') {
    yield* revoked(scope, old, SUPERSEDED, scope.now);
    return;
  }
  yield step(SQL.supersede, old.serial);
  scope.revoke({ k: 'superseded', id: old.serial, at: scope.now, until: old.notAfter });
  yield* told(scope, 'superseded', old);
}

export function* certificate(_scope: Scope, serial: string): Work<CertificateRecord | undefined> {
  const row = yield* one(SQL.certificate, serial);
  return row && certificateOf(row);
}

export function* certificatesOf(
  _scope: Scope,
  { namespace, device, endsFrom }: { namespace: string; device: string; endsFrom: number },
): Work<CertificateRecord[]> {
  return (yield step(SQL.certificatesOf, namespace, device, endsFrom)).map(certificateOf);
}

export function* certificates(
  _scope: Scope,
  { filter, after, limit }: { filter: CertificateFilter; after: [number, string] | undefined; limit: number },
): Work<{ items: CertificateRecord[]; more: boolean }> {
  const rows: readonly Row[] = yield listCertificates(filter, after, limit + 1);
  return { items: rows.slice(0, limit).map(certificateOf), more: rows.length > limit };
}

export function* markLive(scope: Scope, serial: string): Work<void> {
  const row = yield* one(SQL.certificate, serial);
  if (row === undefined) throw unknown(serial);
  const record = certificateOf(row);
  if (record.state === 'live') return;
  if (record.state !== 'pending') {
    throw fail('CERTIFICATE_STATE', `The certificate ${serial} is ${record.state} and cannot become live.`, {
      hint: 'Mint a new one.',
      detail: { field: 'serial', value: serial, state: record.state },
    });
  }
  const replaces = textOrNull(row, 'replaces') as Replaces;
  const { namespace, device } = record;
  if (record.kind === 'device' && device !== null && replaces !== null) {
    yield* giveWay(scope, namespace, device, replaces);
  }
  try {
    yield { sql: SQL.setLive, values: [serial], guarded: true };
  } catch (error) {
    if (error instanceof ConstraintBroken) throw hasLive(namespace, device ?? '', undefined);
    throw error;
  }
  yield* told(scope, 'live', record);
}

/** Idempotent: what is revoked stays so, with its first reason and time. */
export function* revoke(
  scope: Scope,
  { serial, reason, at }: { serial: string; reason: number; at: number },
): Work<void> {
  const row = yield* one(SQL.certificate, serial);
  if (row === undefined) throw unknown(serial);
  yield* revoked(scope, certificateOf(row), reason, at);
}

function* revoked(scope: Scope, record: CertificateRecord, reason: number, at: number): Work<void> {
  const changed = yield* one(SQL.revoke, reason, at, record.serial);
  if (changed === undefined) return;
  scope.revoke({ k: 'certificate', id: record.serial, reason, at, until: record.notAfter });
  yield* told(scope, 'revoked', record, reason);
}

/** All that a device could come in with, and the device itself: who stops half-way would leave a door open. */
export function* revokeDevice(
  scope: Scope,
  { namespace, device, reason, at }: { namespace: string; device: string; reason: number; at: number },
): Work<string[]> {
  const serials: string[] = [];
  for (const row of (yield step(SQL.certificatesOf, namespace, device, at + 1)) as readonly Row[]) {
    const record = certificateOf(row);
    if (record.state === 'revoked') continue;
    yield* revoked(scope, record, reason, at);
    serials.push(record.serial);
  }
  const row = yield* one(SQL.deviceByMac, namespace, device);
  const found = row && deviceOf(row);
  if (found !== undefined && mayBecome(found.state, 'revoked')) {
    const words = `its certificates are revoked (CRLReason ${reason})`;
    yield* setDeviceState(scope, { id: found.id, to: 'revoked', reason: words, from: undefined });
  }
  return serials;
}

/** Packed: as records a hundred thousand of them would hold up the thread that gets them. */
export function* revokedList(
  _scope: Scope,
  { namespace, kind, from }: { namespace: string; kind: CertificateKind; from: number },
): Work<RevokedList> {
  const rows: readonly Row[] = yield step(SQL.revokedList, namespace, from, kind);
  const serials = new Uint8Array(16 * rows.length);
  const hex = Buffer.from(serials.buffer);
  const facts = new Float64Array(3 * rows.length);
  for (const [i, row] of rows.entries()) {
    hex.write(text(row, 'serial'), 16 * i, 'hex');
    facts[3 * i] = numberOrNull(row, 'reason') ?? 0;
    facts[3 * i + 1] = numberOrNull(row, 'revoked_at') ?? 0;
    facts[3 * i + 2] = number(row, 'not_after');
  }
  return { serials, facts };
}

export function* revokedSince(
  _scope: Scope,
  { namespace, from }: { namespace: string; from: number },
): Work<CertificateRecord[]> {
  return (yield step(SQL.revokedSince, namespace, from)).map(certificateOf);
}

export function* nextCrlNumber(scope: Scope, namespace: string): Work<number> {
  const row = yield* one(SQL.nextCrlNumber, namespace);
  const value = row === undefined ? 1 : number(row, 'number');
  scope.revoke({ k: 'crl', id: namespace, number: value, at: scope.now, until: null });
  return value;
}

function* told(scope: Scope, state: string, record: CertificateRecord, reason?: number): Work<void> {
  const { namespace, serial, device, kind } = record;
  const detail = { device, kind, ...(reason === undefined ? {} : { reason }) };
  yield* audited(scope, { action: `certificate.${state}`, namespace, subject: serial, detail });
  scope.emit({ topic: `certificate.${state}`, namespace, subject: serial, detail });
}

function unknown(serial: string): Error {
  return fail('CERTIFICATE_UNKNOWN', `There is no certificate with the serial number ${serial}.`, {
    hint: 'Look the serial number up in the list of certificates.',
    detail: { field: 'serial', value: serial },
  });
}
