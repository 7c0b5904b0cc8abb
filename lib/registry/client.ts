import type { KeyObject } from 'node:crypto';
import { AuditVerifier } from './audit.ts';
import * as check from './check.ts';
import { fail } from './errors.ts';
import { parseImport } from './import/devices.ts';
import type { ImportOptions, ImportReport } from './import/types.ts';
import type { Answer, Argument, OperationName } from './operations/index.ts';
import type { Registry } from './registry.ts';
import type {
  AuditFilter,
  AuditInput,
  AuditVerdict,
  By,
  CertificateFilter,
  CertificateKind,
  CertificateRecord,
  DeviceChange,
  DeviceFilter,
  DeviceKey,
  DeviceState,
  NamespaceRecord,
  NewCode,
  NewDevice,
  NewToken,
  Page,
  PageRequest,
  ProfileRecord,
  RegistryEvent,
  TicketTerms,
} from './types.ts';

/** What carries operations out and keeps the store: one a kind of database. */
export interface Backend {
  call<N extends OperationName>(name: N, argument: Argument<N>, now: number, by: By): Promise<Answer<N>>;
  backup(file: string): Promise<void>;
  restore(file: string, now: number, by: By): Promise<void>;
  close(): Promise<void>;
}

/** Entries that are read at once while the audit log is verified. */
const AUDIT_PAGE = 1000;

/** The registry over any backend: checks what comes in, gives it the time, tells what changed. */
export class RegistryClient implements Registry {
  readonly #backend: Backend;
  readonly #now: () => number;
  readonly #auditKey: KeyObject;
  readonly #listeners = new Set<(event: RegistryEvent) => void>();

  constructor(backend: Backend, clock: { now(): number }, auditKey: KeyObject) {
    this.#backend = backend;
    this.#now = () => Math.floor(clock.now());
    this.#auditKey = auditKey;
  }

  async addDevice(device: NewDevice, by?: By) {
    return await this.#call('addDevice', check.checkDevice(device, this.#now()), by);
  }

  async device(key: string | DeviceKey) {
    return await this.#call('findDevice', typeof key === 'string' ? { id: key } : key);
  }

  async devices(filter: DeviceFilter = {}, page: PageRequest = {}) {
    const { limit, after } = check.checkPage(page);
    const found = await this.#call('devices', { filter: check.checkDeviceFilter(filter), after, limit });
    return paged(found, (device) => device.id);
  }

  async countDevices(namespace?: string) {
    return await this.#call('countDevices', namespace ?? null);
  }

  async updateDevice(id: string, change: DeviceChange, by?: By) {
    return await this.#call('updateDevice', { id: check.checkId(id), change: check.checkChange(change) }, by);
  }

  async setState(
    id: string,
    to: DeviceState,
    options: { readonly reason?: string | null; readonly from?: readonly DeviceState[]; readonly by?: By } = {},
  ) {
    const reason = check.checkReason(options.reason);
    const argument = { id: check.checkId(id), to: check.checkState(to), reason, from: options.from };
    return await this.#call('setDeviceState', argument, options.by);
  }

  async removeDevice(id: string, by?: By) {
    await this.#call('removeDevice', check.checkId(id), by);
  }

  async importDevices(source: string | readonly unknown[], options: ImportOptions = {}): Promise<ImportReport> {
    const { dryRun = false, skipBad = false, by } = options;
    const parsed = parseImport(source, options, this.#now());
    // With lines that are wrong already nothing would be written: the rest is tried, so that one report tells all.
    const only = dryRun || (parsed.problems.length > 0 && !skipBad);
    const done = await this.#call('importDevices', { rows: parsed.rows, dryRun: only, skipBad }, by);
    const problems = [...parsed.problems, ...done.problems].sort((a, b) => a.line - b.line);
    const report = { dryRun, devices: parsed.devices, added: done.added, problems };
    if (dryRun || skipBad || problems.length === 0) return report;
    const [first] = problems;
    throw fail(
      'IMPORT_REFUSED',
      `${problems.length} of ${parsed.devices} lines are wrong. Line ${first?.line}: ${first?.message}`,
      {
        hint: 'Nothing was imported. Correct the lines, or have wrong ones left out.',
        detail: { ...report, problems: problems.slice(0, 1000) },
      },
    );
  }

  async addCertificate(
    record: CertificateRecord,
    options: { readonly replace?: boolean; readonly renew?: boolean } = {},
    by?: By,
  ) {
    const replaces = options.replace === true ? 'revoke' : options.renew === true ? 'supersede' : null;
    await this.#call('addCertificate', { record: check.checkCertificate(record), replaces }, by);
  }

  async certificate(serial: string) {
    return await this.#call('certificate', serial);
  }

  async certificatesOf(namespace: string, device: string, endsFrom = 0) {
    return await this.#call('certificatesOf', { namespace, device, endsFrom });
  }

  async certificates(filter: CertificateFilter = {}, page: PageRequest = {}) {
    const { limit, after } = check.checkPage(page);
    const [, end, serial] = /^(\d{1,16})\.([0-9a-f]{32})$/.exec(after ?? '') ?? [];
    if (after !== undefined && serial === undefined) check.refuseCursor();
    const from: [number, string] | undefined = serial === undefined ? undefined : [Number(end), serial];
    const found = await this.#call('certificates', { filter, after: from, limit });
    return paged(found, (one) => `${one.notAfter}.${one.serial}`);
  }

  async markLive(serial: string, by?: By) {
    await this.#call('markLive', check.checkSerial(serial), by);
  }

  async revoke(serial: string, reason: number, at: number, by?: By) {
    check.checkRevocation(reason, at);
    await this.#call('revoke', { serial: check.checkSerial(serial), reason, at }, by);
  }

  async revokeDevice(namespace: string, device: string, reason: number, at: number, by?: By) {
    check.checkRevocation(reason, at);
    return await this.#call('revokeDevice', { namespace, device, reason, at }, by);
  }

  async revokedList(namespace: string, kind: CertificateKind, notAfterFrom: number) {
    return await this.#call('revokedList', { namespace, kind, from: notAfterFrom });
  }

  async revokedSince(namespace: string, notAfterFrom: number) {
    return await this.#call('revokedSince', { namespace, from: notAfterFrom });
  }

  async nextCrlNumber(namespace: string) {
    return await this.#call('nextCrlNumber', check.checkNamespace(namespace));
  }

  async newestTime() {
    return await this.#call('newestTime', undefined);
  }

  async acceptClock(by?: By) {
    await this.#call('acceptClock', undefined, by);
  }

  async addToken(token: NewToken, by?: By) {
    check.checkToken(token);
    const now = this.#now();
    const record = {
      id: token.id === undefined ? check.newId(now) : check.checkId(token.id, 'id', 'BAD_TOKEN'),
      kind: token.kind,
      hash: token.hash,
      prefix: token.prefix ?? '',
      namespace: token.namespace,
      device: token.device ?? null,
      scopes: [...(token.scopes ?? [])],
      createdAt: now,
      expiresAt: token.expiresAt ?? null,
      revokedAt: null,
      reason: null,
    };
    return await this.#call('addToken', record, by);
  }

  async token(hash: string) {
    return await this.#call('token', check.checkHash(hash, 'BAD_TOKEN'));
  }

  async tokens(filter: { namespace?: string; device?: string } = {}, page: PageRequest = {}) {
    return paged(await this.#call('tokens', { filter, ...check.checkPage(page) }), (token) => token.id);
  }

  async revokeToken(id: string, reason?: string, by?: By) {
    return await this.#call('revokeToken', { id: check.checkId(id), reason: check.checkReason(reason) }, by);
  }

  async putCredential({ device, kind, sealed }: { device: string; kind: string; sealed: Uint8Array }, by?: By) {
    const changedAt = this.#now();
    const record = { id: check.newId(changedAt), device: check.checkId(device), kind: check.checkKind(kind) };
    await this.#call('putCredential', { ...record, sealed: check.checkSealed(sealed), changedAt }, by);
  }

  async credential(device: string, kind: string) {
    return await this.#call('credential', { device, kind });
  }

  async credentials(device?: string, page: PageRequest = {}) {
    return paged(await this.#call('credentials', { device, ...check.checkPage(page) }), (one) => one.id);
  }

  async rewrapCredential(id: string, sealed: Uint8Array) {
    await this.#call('rewrapCredential', { id: check.checkId(id), sealed: check.checkSealed(sealed) });
  }

  async removeCredential(device: string, kind: string, by?: By) {
    await this.#call('removeCredential', { device: check.checkId(device), kind: check.checkKind(kind) }, by);
  }

  async namespace(name: string) {
    return await this.#call('namespace', name);
  }

  async namespaces() {
    return await this.#call('namespaces', undefined);
  }

  async putNamespace({ name, settings }: NamespaceRecord, by?: By) {
    const record = { name: check.checkNamespace(name), settings: check.checkSettings(settings, 'BAD_NAMESPACE') };
    await this.#call('putNamespace', record, by);
  }

  async profile(namespace: string, name: string) {
    return await this.#call('profile', { namespace, name });
  }

  async profiles(namespace: string) {
    return await this.#call('profiles', namespace);
  }

  async putProfile({ namespace, name, settings }: ProfileRecord, by?: By) {
    const record = {
      namespace: check.checkNamespace(namespace),
      name: check.checkText(name, 'name', 'BAD_PROFILE'),
      settings: check.checkSettings(settings, 'BAD_PROFILE'),
    };
    await this.#call('putProfile', record, by);
  }

  async addCode(code: NewCode, by?: By) {
    check.checkCode(code);
    const { hash, namespace, profile = null, mac = null, prefix = '', maxUses = 1, expiresAt } = code;
    const counts = { maxUses, uses: 0, createdAt: this.#now(), expiresAt, voidedAt: null };
    return await this.#call('addCode', { hash, namespace, profile, mac, prefix, ...counts }, by);
  }

  async codes(namespace: string) {
    return await this.#call('codes', namespace);
  }

  async redeemCode(
    hash: string,
    use: { readonly mac?: string; readonly device?: Omit<NewDevice, 'namespace'>; readonly by?: By } = {},
  ) {
    const device = use.device === undefined ? null : check.checkUnplaced(use.device, this.#now());
    const mac = use.mac === undefined ? (device?.mac ?? null) : check.checkMac(use.mac, 'BAD_CODE');
    return await this.#call('redeemCode', { hash: check.checkHash(hash, 'BAD_CODE'), mac, device }, use.by);
  }

  async voidCode(hash: string, by?: By) {
    await this.#call('voidCode', check.checkHash(hash, 'BAD_CODE'), by);
  }

  async putTicket(hash: string, terms: TicketTerms, by?: By) {
    check.checkHash(hash, 'BAD_TOKEN');
    const { namespace, device, expiresAt } = terms;
    check.checkNamespace(namespace);
    check.checkMac(device, 'BAD_TOKEN');
    check.checkTime(expiresAt, 'expiresAt', 'BAD_TOKEN');
    await this.#call('putTicket', { hash, terms: { namespace, device, expiresAt } }, by);
  }

  async redeemTicket(hash: string, now?: number) {
    const at = now === undefined ? this.#now() : check.checkTime(now, 'now', 'BAD_TOKEN');
    return await this.#backend.call('redeemTicket', check.checkHash(hash, 'BAD_TOKEN'), at, {});
  }

  async keyRecord(name: string) {
    return await this.#call('keyRecord', check.checkKeyName(name));
  }

  async keyNames() {
    return await this.#call('keyNames', undefined);
  }

  async putKeyRecord(name: string, wrapped: Uint8Array, by?: By) {
    await this.#call('putKeyRecord', { name: check.checkKeyName(name), wrapped: check.checkSealed(wrapped) }, by);
  }

  async audit(entry: AuditInput, by?: By) {
    await this.#call('audit', check.checkAudit(entry), by);
  }

  async auditLog(filter: AuditFilter = {}, page: PageRequest = {}) {
    const { limit, after } = check.checkPage(page);
    if (after !== undefined && !/^\d{1,15}$/.test(after)) check.refuseCursor();
    const before = after === undefined ? undefined : Number(after);
    return paged(await this.#call('auditLog', { filter, after: before, limit }), (entry) => String(entry.seq));
  }

  async verifyAudit({ signal }: { readonly signal?: AbortSignal } = {}): Promise<AuditVerdict> {
    const verifier = new AuditVerifier(this.#auditKey);
    for (;;) {
      signal?.throwIfAborted();
      const { rows, head } = await this.#call('auditChain', { after: verifier.seq, limit: AUDIT_PAGE });
      if (!rows.every((row) => verifier.add(row)) || rows.length < AUDIT_PAGE) return verifier.end(head);
    }
  }

  subscribe(listener: (event: RegistryEvent) => void) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** For the backend: what changed, now that it is durable. */
  tell(event: RegistryEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        // One listener's fault is neither another's nor the registry's.
        process.emitWarning(error instanceof Error ? error : String(error));
      }
    }
  }

  async backup(file: string, by?: By) {
    await this.#backend.backup(file);
    await this.audit({ action: 'registry.backup' }, by);
  }

  async restore(file: string, by: By = {}) {
    await this.#backend.restore(file, this.#now(), check.checkBy(by));
  }

  async close() {
    await this.#backend.close();
  }

  async #call<N extends OperationName>(name: N, argument: Argument<N>, by: By = {}): Promise<Answer<N>> {
    return await this.#backend.call(name, argument, this.#now(), check.checkBy(by));
  }
}

function paged<T>({ items, more }: { items: readonly T[]; more: boolean }, key: (item: T) => string): Page<T> {
  const last = items.at(-1);
  return { items, next: more && last !== undefined ? key(last) : null };
}
