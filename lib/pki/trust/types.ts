import type { Certificate } from '../certificate/inspect.ts';
import type { NamespaceSettings } from '../settings.ts';
import type { AuthorityStore, CertificateKind, CertificateRecord, JsonObject, NamespaceRecord } from '../store.ts';
import type { TrustCode } from './errors.ts';

/** What the registry has of a device, as far as trust goes. */
export interface TrustDevice {
  readonly id: string;
  readonly namespace: string;
  readonly mac: string | null;
  readonly serial: string | null;
  readonly name: string | null;
  /** 'registered', 'awaiting-setup', 'online', 'revoked', 'retired' … */
  readonly state: string;
}

/** A change of the registry. */
export interface TrustEvent {
  /** 'certificate.revoked', 'device.state', 'namespace.changed', 'registry.restored' … */
  readonly topic: string;
  readonly namespace: string | null;
  /** A certificate's serial number, a device's id. */
  readonly subject: string | null;
  readonly device?: TrustDevice;
  readonly detail?: JsonObject;
}

/** Revoked certificates of one kind and namespace, in two blocks: a hundred thousand of them travel between threads. */
export interface RevokedList {
  /** 16 bytes each. */
  readonly serials: Uint8Array;
  /** Three numbers each: CRLReason, when it was revoked, when it ends (ms since 1970). */
  readonly facts: Float64Array;
}

/** What trust is decided from: the registry fulfils it. */
export interface TrustStore extends AuthorityStore {
  device(key: { readonly namespace: string; readonly mac: string }): Promise<TrustDevice | undefined>;
  namespaces(): Promise<readonly NamespaceRecord[]>;
  /** Those that end at `notAfterFrom` or later. */
  revokedList(namespace: string, kind: CertificateKind, notAfterFrom: number): Promise<RevokedList>;
  /** Writes to the audit log. */
  audit(
    entry: {
      readonly action: string;
      readonly namespace?: string | null;
      readonly subject?: string | null;
      readonly outcome?: 'ok' | 'denied' | 'failed';
      readonly detail?: JsonObject;
    },
    by?: { readonly actor?: string; readonly source?: string },
  ): Promise<void>;
  /** Tells every change once it is durable, in order. @returns what ends it */
  subscribe(listener: (event: TrustEvent) => void): () => void;
}

/** A device may come in. */
export interface Admitted {
  readonly ok: true;
  readonly namespace: string;
  /** 12 lower-case hex digits. */
  readonly mac: string;
  /** 32 lower-case hex digits. */
  readonly serial: string;
  /** ms since 1970. */
  readonly notAfter: number;
  readonly record: CertificateRecord;
  readonly device: TrustDevice;
  /** The device's certificates that are not over, this one among them unless it is. */
  readonly records: readonly CertificateRecord[];
  /** It is a renewal that nobody has used yet: call `Judge.used` when the device is let in. */
  readonly renewal: boolean;
  /** It is over, and may renew once more by EST. Never so at the endpoint. */
  readonly grace: boolean;
  /** Its one renewal in grace, which nobody has used: it may be given that once more, and nothing else. */
  readonly again?: CertificateRecord;
}

/** A device may not come in. `code` and `text` are for the audit log: the client is told neither. */
export interface Refused {
  readonly ok: false;
  readonly code: TrustCode;
  readonly text: string;
  /** What the certificate says, as far as it was read; nothing of it need be true. */
  readonly namespace?: string;
  readonly mac?: string;
  readonly serial?: string;
  readonly notAfter?: number;
}

export type Verdict = Admitted | Refused;

/** Where a certificate is shown. */
export interface JudgeRequest {
  /** 'endpoint' is strict; 'est' knows periods of grace. */
  readonly use: 'endpoint' | 'est';
  /** The only certificate namespace that is let in here. */
  readonly namespace?: string;
  /** 'est': SHA-256 of the key that a renewal is asked for (SPKI, hex), where there is one; asked only in grace. */
  readonly newKey?: () => string | undefined;
}

/** Sessions that must end: those of these serial numbers, or with null all of the device. */
export interface Cut {
  readonly namespace: string;
  readonly mac: string;
  readonly serials: readonly string[] | null;
  readonly reason: 'revoked' | 'superseded' | 'retired' | 'removed';
}

/** Decides who is let in, from the certificate and the registry and never from what TLS made of it. */
export interface Judge {
  /** Resolves once the revoked serial numbers are read; `certificate` waits for it by itself. Rejects with what the store threw. */
  readonly ready: Promise<void>;
  /**
   * @param der the certificate that the peer showed in this handshake, or undefined; ask at every connection, resumed
   * ones too, and again while a session lasts
   * @throws what the store and the authority throw: then nobody is let in, and nobody is to be cut
   */
  certificate(der: Uint8Array | undefined, request: JudgeRequest): Promise<Verdict>;
  /** Whether the serial number is revoked. At once, from memory, current within one event of the registry. */
  isRevoked(serial: string): boolean;
  /**
   * The device was let in with this certificate: a renewal goes live, and what it was made from is superseded. Does
   * nothing for any other. @throws CERTIFICATE_STATE, CERTIFICATE_UNKNOWN, what the store throws
   */
  used(verdict: Admitted): Promise<void>;
  /** Tells whose sessions must end, as soon as the registry says so. @returns what ends the telling */
  onCut(listener: (cut: Cut) => void): () => void;
  /** Ends its listening to the registry. */
  close(): void;
}

export interface JudgeOptions {
  readonly store: TrustStore;
  readonly authority: TrustAuthority;
  /** ms since 1970. Default: Date.now. */
  readonly clock?: () => number;
  /** How many certificates and devices it remembers. Default: 20000. */
  readonly remember?: number;
}

/** What the judge asks of the authority: `Authority` fulfils it. */
export interface TrustAuthority {
  /** The certificate of a namespace's issuing key. @throws NAMESPACE_UNKNOWN, AUTHORITY_MISSING */
  issuer(namespace: string): Promise<Certificate>;
  settings(namespace: string): Promise<NamespaceSettings>;
  markLive(serial: string): Promise<void>;
}
