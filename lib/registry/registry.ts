import type { ImportOptions, ImportReport } from './import/types.ts';
import type {
  AuditEntry,
  AuditFilter,
  AuditInput,
  AuditVerdict,
  By,
  CertificateFilter,
  CertificateKind,
  CertificateRecord,
  CodeRecord,
  CredentialRecord,
  Device,
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
  RevokedList,
  TicketTerms,
  TokenRecord,
} from './types.ts';

/**
 * The devices and what they hold. Every promise of a change settles when the change is durable; one that rejects left
 * nothing behind. Names, MACs and hashes arrive normalised: a MAC is 12 lower-case hex digits. Times are milliseconds
 * since 1970, by the clock that the registry was opened with.
 *
 * Beside the codes that a method names, each may reject with REGISTRY_BUSY, _READ_ONLY, _FULL, _IO, _DAMAGED, _FAILED
 * or _CLOSED. After REGISTRY_FULL and REGISTRY_BUSY the registry stays open and goes on as soon as it can.
 */
export interface Registry {
  /** @throws BAD_DEVICE, BAD_NAMESPACE, NAMESPACE_UNKNOWN, PROFILE_UNKNOWN, DEVICE_EXISTS (detail.field, .device) */
  addDevice(device: NewDevice, by?: By): Promise<Device>;
  /** A device by its id, or by its namespace and MAC, name or serial number. */
  device(key: string | DeviceKey): Promise<Device | undefined>;
  /** Devices in the order of their ids: by default the order in which they came. @throws BAD_PAGE */
  devices(filter?: DeviceFilter, page?: PageRequest): Promise<Page<Device>>;
  /** How many are in each state. */
  countDevices(namespace?: string): Promise<Readonly<Record<DeviceState, number>>>;
  /** @throws DEVICE_UNKNOWN, BAD_DEVICE, PROFILE_UNKNOWN, DEVICE_EXISTS */
  updateDevice(id: string, change: DeviceChange, by?: By): Promise<Device>;
  /**
   * Puts a device into another state. It is in that state already: nothing happens (but a flash begins anew).
   * `from`: the only states that it may be in now. @throws DEVICE_UNKNOWN, DEVICE_STATE
   */
  setState(
    id: string,
    to: DeviceState,
    options?: { readonly reason?: string | null; readonly from?: readonly DeviceState[]; readonly by?: By },
  ): Promise<Device>;
  /** Only one that is registered or retired; its tokens and credentials go with it. @throws DEVICE_IN_USE */
  removeDevice(id: string, by?: By): Promise<void>;
  /**
   * Devices from a CSV text or a JSON array, all or none. @throws BAD_IMPORT it cannot be read; IMPORT_REFUSED lines
   * are wrong (detail.problems says which), nothing was imported
   */
  importDevices(source: string | readonly unknown[], options?: ImportOptions): Promise<ImportReport>;

  /**
   * Keeps a new certificate. `replace`: when it goes live, the device's live one is revoked (reason 4); `renew`: it is
   * superseded. A device's key must be its own. @throws DEVICE_HAS_LIVE, KEY_IN_USE, SERIAL_TAKEN, BAD_CERTIFICATE
   */
  addCertificate(
    record: CertificateRecord,
    options?: { readonly replace?: boolean; readonly renew?: boolean },
    by?: By,
  ): Promise<void>;
  certificate(serial: string): Promise<CertificateRecord | undefined>;
  /** Those of a device, oldest first; with `endsFrom` only those that end at this time or later. */
  certificatesOf(namespace: string, device: string, endsFrom?: number): Promise<readonly CertificateRecord[]>;
  /** Certificates in the order in which they end. @throws BAD_PAGE */
  certificates(filter?: CertificateFilter, page?: PageRequest): Promise<Page<CertificateRecord>>;
  /** pending → live. @throws CERTIFICATE_UNKNOWN, CERTIFICATE_STATE, DEVICE_HAS_LIVE */
  markLive(serial: string, by?: By): Promise<void>;
  /** Final; of one that is revoked already the first reason and time stay. @throws CERTIFICATE_UNKNOWN */
  revoke(serial: string, reason: number, at: number, by?: By): Promise<void>;
  /**
   * Revokes every certificate of a device that ends after `at`, and puts the device, where there is one, into the state
   * revoked, all in one step. @returns their serial numbers
   */
  revokeDevice(namespace: string, device: string, reason: number, at: number, by?: By): Promise<readonly string[]>;
  /** What lists and handshakes need of the revoked ones that end at `notAfterFrom` or later. */
  revokedList(namespace: string, kind: CertificateKind, notAfterFrom: number): Promise<RevokedList>;
  /** The revoked ones of a namespace whose notAfter is `notAfterFrom` or later. */
  revokedSince(namespace: string, notAfterFrom: number): Promise<readonly CertificateRecord[]>;
  /** Counts up from 1 and never repeats; a restore leaps. */
  nextCrlNumber(namespace: string): Promise<number>;
  /** The time of the newest entry of the audit log; 0 when there is none. */
  newestTime(): Promise<number>;
  /** The clock was ahead once, and is right now. Written to the audit log. */
  acceptClock(by?: By): Promise<void>;

  /** @throws BAD_TOKEN, TOKEN_TAKEN, NAMESPACE_UNKNOWN, DEVICE_UNKNOWN */
  addToken(token: NewToken, by?: By): Promise<TokenRecord>;
  /** By its hash; also one that is revoked or over: whoever asks looks. */
  token(hash: string): Promise<TokenRecord | undefined>;
  tokens(filter?: { namespace?: string; device?: string }, page?: PageRequest): Promise<Page<TokenRecord>>;
  /** Final. @throws TOKEN_UNKNOWN */
  revokeToken(id: string, reason?: string, by?: By): Promise<TokenRecord>;

  /** Keeps sealed credentials of a device, in the place of older ones of that kind. @throws DEVICE_UNKNOWN */
  putCredential(credential: { device: string; kind: string; sealed: Uint8Array }, by?: By): Promise<void>;
  credential(device: string, kind: string): Promise<CredentialRecord | undefined>;
  /** Of one device, or of all: for sealing them anew. */
  credentials(device?: string, page?: PageRequest): Promise<Page<CredentialRecord>>;
  /** The same credentials under another key. @throws CREDENTIAL_UNKNOWN it was replaced meanwhile */
  rewrapCredential(id: string, sealed: Uint8Array): Promise<void>;
  /** @throws CREDENTIAL_UNKNOWN */
  removeCredential(device: string, kind: string, by?: By): Promise<void>;

  namespace(name: string): Promise<NamespaceRecord | undefined>;
  namespaces(): Promise<readonly NamespaceRecord[]>;
  /** Adds it, or puts these settings in the place of the old ones. @throws BAD_NAMESPACE */
  putNamespace(record: NamespaceRecord, by?: By): Promise<void>;
  profile(namespace: string, name: string): Promise<ProfileRecord | undefined>;
  profiles(namespace: string): Promise<readonly ProfileRecord[]>;
  /** Adds it, or puts these settings in the place of the old ones. @throws BAD_PROFILE, NAMESPACE_UNKNOWN */
  putProfile(record: ProfileRecord, by?: By): Promise<void>;

  /** @throws BAD_CODE, TOKEN_TAKEN, NAMESPACE_UNKNOWN, PROFILE_UNKNOWN */
  addCode(code: NewCode, by?: By): Promise<CodeRecord>;
  /** Those that can still be redeemed. */
  codes(namespace: string): Promise<readonly CodeRecord[]>;
  /**
   * Uses a code up, and puts a device in with it, in one step that only one caller wins. Where the device is refused,
   * the code is not used. @throws CODE_UNKNOWN, CODE_SPENT, CODE_EXPIRED, CODE_VOID, CLOCK_BEHIND, those of addDevice
   */
  redeemCode(
    hash: string,
    use?: { readonly mac?: string; readonly device?: Omit<NewDevice, 'namespace'>; readonly by?: By },
  ): Promise<{ readonly code: CodeRecord; readonly device: Device | null }>;
  /** Withdraws it. @throws CODE_UNKNOWN */
  voidCode(hash: string, by?: By): Promise<void>;
  /** @throws BAD_TOKEN, TOKEN_TAKEN */
  putTicket(hash: string, terms: TicketTerms, by?: By): Promise<void>;
  /** Uses it up, in one step that only one caller wins; undefined: there is none, or its time is over. @throws CLOCK_BEHIND */
  redeemTicket(hash: string, now?: number): Promise<{ namespace: string; device: string } | undefined>;

  /** A record that the keystore sealed: keys of the authority. */
  keyRecord(name: string): Promise<Uint8Array | undefined>;
  keyNames(): Promise<readonly string[]>;
  putKeyRecord(name: string, wrapped: Uint8Array, by?: By): Promise<void>;

  /** Writes to the audit log: a force flag, a read-back, an export, a denial. Never a secret. @throws BAD_AUDIT */
  audit(entry: AuditInput, by?: By): Promise<void>;
  /** The audit log, newest first. @throws BAD_PAGE */
  auditLog(filter?: AuditFilter, page?: PageRequest): Promise<Page<AuditEntry>>;
  /** Reads the whole audit log and says whether it is what was written. */
  verifyAudit(options?: { readonly signal?: AbortSignal }): Promise<AuditVerdict>;

  /** Tells every change, in order, once it is durable. @returns what ends it */
  subscribe(listener: (event: RegistryEvent) => void): () => void;

  /**
   * Copies the registry as it is now into a new file, while requests go on. @throws BAD_BACKUP, also where the file
   * exists already
   */
  backup(file: string, by?: By): Promise<void>;
  /**
   * Puts a backup of this registry in its place. Requests wait meanwhile. What was revoked, spent or removed since
   * stays so (from the revocation log beside the registry); open codes and tickets are void, CRL numbers leap. The
   * replaced registry stays as `<path>.before-restore`. @throws BAD_BACKUP, REGISTRY_TOO_NEW
   */
  restore(file: string, by?: By): Promise<void>;
  /** Finishes what was asked before, then gives the files back. */
  close(): Promise<void>;
}
