/**
 * What the authority keeps, wherever it is kept: the registry fulfils this interface. Times are milliseconds since 1970.
 * Names and MACs arrive normalised (see names.ts). Every promise settles when the change is durable.
 */

export type CertificateKind = 'device' | 'intermediate' | 'root' | 'service';

/**
 * pending: issued, nobody has confirmed that the device holds it. live: it does. superseded: renewed by the device
 * itself. revoked: on the list of its namespace.
 */
export type CertificateState = 'pending' | 'live' | 'superseded' | 'revoked';

/** A certificate and where it stands. */
export interface CertificateRecord {
  /** 32 lower-case hex digits. */
  readonly serial: string;
  /** Whose authority issued it; `keyway` for the root, the intermediates and our own services. */
  readonly namespace: string;
  /** The MAC it was issued for, 12 lower-case hex digits; null where it is no device's. */
  readonly device: string | null;
  readonly kind: CertificateKind;
  readonly state: CertificateState;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly der: Uint8Array;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly publicKeyHash: string;
  /** It was added as a renewal: it goes live by its first use. */
  readonly renewal?: true;
  /** CRLReason, RFC 5280 §5.3.1. */
  readonly reason?: number;
  readonly revokedAt?: number;
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** JSON as it is kept with a namespace. */
export type JsonObject = { readonly [key: string]: Json };

/** A certificate namespace as it is kept; `settings` is read by settings.ts. */
export interface NamespaceRecord {
  readonly name: string;
  readonly settings: JsonObject;
}

/** What a ticket allows: one certificate for one device. */
export interface TicketTerms {
  readonly namespace: string;
  readonly device: string;
  readonly expiresAt: number;
}

/** A namespace token as it is kept: by its hash. */
export interface TokenRecord {
  readonly id: string;
  readonly kind: string;
  /** SHA-256, 64 hex digits. */
  readonly hash: string;
  /** The first characters, for people. At most 12. */
  readonly prefix: string;
  readonly namespace: string;
  readonly scopes: readonly string[];
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

/** A token that is to be kept. */
export interface NewToken {
  readonly kind: string;
  readonly hash: string;
  readonly prefix: string;
  readonly namespace: string;
  readonly scopes: readonly string[];
  readonly expiresAt: number | null;
}

export interface AuthorityStore {
  /**
   * Keeps a new certificate. `replace` is kept with it: when it goes live, the device's live one is revoked (reason 4,
   * superseded) in the same step; with `renew` it is superseded, and stays off the list. A record that arrives as `live`
   * goes live at once.
   * @throws DEVICE_HAS_LIVE the device holds a live one and `replace` is not said; KEY_IN_USE its public key is in a
   * certificate that is not this device's, or was revoked with reason 1 (keyCompromise); SERIAL_TAKEN
   */
  addCertificate(
    record: CertificateRecord,
    options?: { readonly replace?: boolean; readonly renew?: boolean },
  ): Promise<void>;
  certificate(serial: string): Promise<CertificateRecord | undefined>;
  /** Oldest first; with `endsFrom` only those that end at this time or later. */
  certificatesOf(namespace: string, device: string, endsFrom?: number): Promise<readonly CertificateRecord[]>;
  /**
   * pending → live; of one that is live already nothing changes.
   * @throws DEVICE_HAS_LIVE another one is live and this one was not to replace it; CERTIFICATE_STATE it is superseded
   * or revoked; CERTIFICATE_UNKNOWN
   */
  markLive(serial: string): Promise<void>;
  /** Final; of one that is revoked already the first reason and time stay. */
  revoke(serial: string, reason: number, at: number): Promise<void>;
  /**
   * Revokes all certificates of a device that end after `at`, and puts the device into the state revoked, in one step.
   * @returns their serial numbers
   */
  revokeDevice(namespace: string, device: string, reason: number, at: number): Promise<readonly string[]>;
  /** The revoked ones of a namespace whose notAfter is `notAfterFrom` or later. */
  revokedSince(namespace: string, notAfterFrom: number): Promise<readonly CertificateRecord[]>;
  /** Counts up, never repeats, from 1. */
  nextCrlNumber(namespace: string): Promise<number>;
  /** The time of the newest record of any kind; 0 when there is none. */
  newestTime(): Promise<number>;
  /** A record of the authority's own, sealed by the keystore. `name` is at most 100 characters of ASCII. */
  keyRecord(name: string): Promise<Uint8Array | undefined>;
  putKeyRecord(name: string, wrapped: Uint8Array): Promise<void>;
  namespace(name: string): Promise<NamespaceRecord | undefined>;
  /** Adds it, or puts these settings in the place of the old ones. */
  putNamespace(record: NamespaceRecord): Promise<unknown>;
  putTicket(hash: string, terms: TicketTerms): Promise<void>;
  /** Uses the ticket up, in one step that only one caller wins; undefined when there is none, or its time is over. */
  redeemTicket(hash: string, now: number): Promise<{ namespace: string; device: string } | undefined>;
  /** Refuses a namespace that does not exist. */
  addToken(token: NewToken): Promise<TokenRecord>;
  /** Also one that is revoked or over: whoever asks looks. */
  token(hash: string): Promise<TokenRecord | undefined>;
}
