import { KeywayError } from '../../../lib/errors/index.ts';
import type {
  AuthorityStore,
  CertificateRecord,
  NamespaceRecord,
  TicketTerms,
  TokenRecord,
} from '../../../lib/pki/index.ts';

/** A store that forgets, with the rules of the real one. Its parts lie open for tests. */
export class MemoryStore implements AuthorityStore {
  readonly certificates = new Map<string, { record: CertificateRecord; replace: boolean; renew: boolean }>();
  readonly keys = new Map<string, Uint8Array>();
  readonly namespaces = new Map<string, NamespaceRecord>();
  readonly tickets = new Map<string, TicketTerms>();
  readonly tokens = new Map<string, TokenRecord>();
  readonly crlNumbers = new Map<string, number>();
  newest = 0;

  async addCertificate(
    record: CertificateRecord,
    options: { readonly replace?: boolean; readonly renew?: boolean } = {},
  ): Promise<void> {
    if (this.certificates.has(record.serial)) throw new KeywayError('SERIAL_TAKEN', 'taken');
    for (const { record: held } of record.kind === 'device' ? this.certificates.values() : []) {
      if (held.publicKeyHash !== record.publicKeyHash) continue;
      if (held.device !== record.device || held.reason === 1) throw new KeywayError('KEY_IN_USE', 'in use');
    }
    const replace = options.replace === true;
    const live = this.#liveOf(record);
    const renew = options.renew === true;
    if (live !== undefined && !replace && !renew) throw new KeywayError('DEVICE_HAS_LIVE', 'live');
    if (live !== undefined && record.state === 'live') this.#set(live, { state: 'revoked', reason: 4, revokedAt: 1 });
    const kept = renew ? { ...record, renewal: true as const } : record;
    this.certificates.set(record.serial, { record: kept, replace, renew });
  }

  #liveOf({ namespace, device, serial, kind }: CertificateRecord): string | undefined {
    if (kind !== 'device' || device === null) return undefined;
    for (const { record } of this.certificates.values()) {
      const same = record.namespace === namespace && record.device === device && record.serial !== serial;
      if (same && record.state === 'live' && record.kind === 'device') return record.serial;
    }
    return undefined;
  }

  #set(serial: string, change: Partial<CertificateRecord>): void {
    const held = this.certificates.get(serial);
    if (held === undefined) throw new KeywayError('CERTIFICATE_UNKNOWN', 'unknown');
    this.certificates.set(serial, { ...held, record: { ...held.record, ...change } });
  }

  async certificate(serial: string): Promise<CertificateRecord | undefined> {
    return this.certificates.get(serial)?.record;
  }

  async certificatesOf(namespace: string, device: string, endsFrom = 0): Promise<CertificateRecord[]> {
    return [...this.certificates.values()]
      .map(({ record }) => record)
      .filter((one) => one.namespace === namespace && one.device === device && one.notAfter >= endsFrom);
  }

  async markLive(serial: string): Promise<void> {
    const held = this.certificates.get(serial);
    if (held === undefined) throw new KeywayError('CERTIFICATE_UNKNOWN', 'unknown');
    if (held.record.state === 'live') return;
    if (held.record.state !== 'pending') throw new KeywayError('CERTIFICATE_STATE', held.record.state);
    const live = this.#liveOf(held.record);
    if (live !== undefined && !held.replace && !held.renew) throw new KeywayError('DEVICE_HAS_LIVE', 'live');
    if (live !== undefined) {
      this.#set(live, held.renew ? { state: 'superseded' } : { state: 'revoked', reason: 4, revokedAt: 1 });
    }
    this.#set(serial, { state: 'live' });
  }

  async revoke(serial: string, reason: number, at: number): Promise<void> {
    if (this.certificates.get(serial)?.record.state === 'revoked') return;
    this.#set(serial, { state: 'revoked', reason, revokedAt: at });
  }

  async revokeDevice(namespace: string, device: string, reason: number, at: number): Promise<string[]> {
    const open = (await this.certificatesOf(namespace, device, at + 1)).filter(({ state }) => state !== 'revoked');
    for (const { serial } of open) this.#set(serial, { state: 'revoked', reason, revokedAt: at });
    return open.map(({ serial }) => serial);
  }

  async revokedSince(namespace: string, notAfterFrom: number): Promise<CertificateRecord[]> {
    return [...this.certificates.values()]
      .map(({ record }) => record)
      .filter((one) => one.namespace === namespace && one.state === 'revoked' && one.notAfter >= notAfterFrom);
  }

  async nextCrlNumber(namespace: string): Promise<number> {
    const next = (this.crlNumbers.get(namespace) ?? 0) + 1;
    this.crlNumbers.set(namespace, next);
    return next;
  }

  async newestTime(): Promise<number> {
    return this.newest;
  }

  async keyRecord(name: string): Promise<Uint8Array | undefined> {
    return this.keys.get(name);
  }

  async putKeyRecord(name: string, wrapped: Uint8Array): Promise<void> {
    this.keys.set(name, wrapped.slice());
  }

  async namespace(name: string): Promise<NamespaceRecord | undefined> {
    return this.namespaces.get(name);
  }

  async putNamespace(record: NamespaceRecord): Promise<void> {
    this.namespaces.set(record.name, structuredClone(record));
  }

  async putTicket(hash: string, terms: TicketTerms): Promise<void> {
    this.tickets.set(hash, terms);
  }

  async redeemTicket(hash: string, now: number): Promise<{ namespace: string; device: string } | undefined> {
    const terms = this.tickets.get(hash);
    if (terms === undefined || terms.expiresAt <= now) return undefined;
    this.tickets.delete(hash);
    return { namespace: terms.namespace, device: terms.device };
  }

  async addToken(token: Omit<TokenRecord, 'id' | 'revokedAt'>): Promise<TokenRecord> {
    const record = { ...token, id: `token-${this.tokens.size}`, revokedAt: null };
    this.tokens.set(token.hash, record);
    return record;
  }

  async token(hash: string): Promise<TokenRecord | undefined> {
    return this.tokens.get(hash);
  }
}
