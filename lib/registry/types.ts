/** JSON as it is kept with a device, a namespace or a profile. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** Where a device stands. */
export type DeviceState =
  | 'registered'
  | 'flashing'
  | 'awaiting-setup'
  | 'online'
  | 'offline'
  | 'expired'
  | 'revoked'
  | 'retired';

/** Who asks for a change, as it goes into the audit log. */
export interface By {
  /** The user, node or service. Default: 'keyway'. At most 128 characters. */
  readonly actor?: string;
  /** From where: an address, a port, a node's id. At most 128 characters. */
  readonly source?: string;
}

/** A device. */
export interface Device {
  readonly id: string;
  readonly namespace: string;
  /** 12 lower-case hex digits; null for a device that is known by its name alone. */
  readonly mac: string | null;
  /** The maker's serial number. */
  readonly serial: string | null;
  readonly name: string | null;
  /** The name of a device profile of the same namespace. */
  readonly profile: string | null;
  /** Sorted. */
  readonly labels: readonly string[];
  readonly attributes: JsonObject;
  readonly state: DeviceState;
  /** Why it is in that state. */
  readonly reason: string | null;
  /** Since when, in ms since 1970. */
  readonly stateAt: number;
  readonly createdAt: number;
  readonly changedAt: number;
}

/** What a new device is made from. One of `mac`, `name` and `serial` is needed. */
export interface NewDevice {
  /** `[A-Za-z0-9._:-]{1,64}`. Default: a UUID that sorts by time (RFC 9562, version 7). */
  readonly id?: string;
  readonly namespace: string;
  readonly mac?: string | null;
  readonly serial?: string | null;
  readonly name?: string | null;
  readonly profile?: string | null;
  /** At most 32 of at most 64 characters. */
  readonly labels?: readonly string[];
  /** At most 16 KiB as JSON, at most 8 levels deep. */
  readonly attributes?: JsonObject;
  readonly reason?: string;
}

/** What may change of a device beside its state. A field that is left out stays. */
export interface DeviceChange {
  readonly mac?: string | null;
  readonly serial?: string | null;
  readonly name?: string | null;
  readonly profile?: string | null;
  readonly labels?: readonly string[];
  /** Laid over what is there: a null takes an attribute away. */
  readonly attributes?: JsonObject;
}

/** By what a device is found. */
export type DeviceKey =
  | { readonly id: string }
  | { readonly namespace: string; readonly mac: string }
  | { readonly namespace: string; readonly name: string }
  | { readonly namespace: string; readonly serial: string };

/** Which devices a list shows. All that is given must hold. */
export interface DeviceFilter {
  readonly namespace?: string;
  readonly states?: readonly DeviceState[];
  readonly profile?: string;
  readonly label?: string;
  /** A part of the name, MAC or serial number, in any case of letters. */
  readonly search?: string;
}

/** A piece of a list. */
export interface PageRequest {
  /** 1 … 1000, default 100. */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: string;
}

/** A piece of a list, in the order of its key. */
export interface Page<T> {
  readonly items: readonly T[];
  /** To be given as `after` for the next page; null at the end. */
  readonly next: string | null;
}

export type CertificateKind = 'device' | 'intermediate' | 'root' | 'service';
export type CertificateState = 'pending' | 'live' | 'superseded' | 'revoked';

/** A certificate. Times are ms since 1970. */
export interface CertificateRecord {
  /** 32 lower-case hex digits. */
  readonly serial: string;
  readonly namespace: string;
  /** The MAC of the device it was made for. */
  readonly device: string | null;
  readonly kind: CertificateKind;
  readonly state: CertificateState;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly der: Uint8Array;
  /** SHA-256 of the SubjectPublicKeyInfo, in hex. */
  readonly publicKeyHash: string;
  /** It was added as a renewal: it goes live by its first use. */
  readonly renewal?: true;
  /** CRLReason of RFC 5280 §5.3.1. */
  readonly reason?: number;
  readonly revokedAt?: number;
}

/** Revoked certificates in two blocks: a hundred thousand of them travel between threads. */
export interface RevokedList {
  /** 16 bytes each. */
  readonly serials: Uint8Array;
  /** Three numbers each: CRLReason, when it was revoked, when it ends (ms since 1970). */
  readonly facts: Float64Array;
}

/** Which certificates a list shows. */
export interface CertificateFilter {
  readonly namespace?: string;
  readonly states?: readonly CertificateState[];
  readonly kind?: CertificateKind;
  /** Those that end before this time. */
  readonly endsBefore?: number;
  /** Those that end at this time or later. */
  readonly endsFrom?: number;
}

/** A token or key: only its hash is kept. */
export interface TokenRecord {
  readonly id: string;
  /** For example 'namespace', 'api-key', 'access-token'. */
  readonly kind: string;
  /** SHA-256 (or HMAC) of the token, 64 hex digits. */
  readonly hash: string;
  /** The first characters, to tell tokens apart on a screen; at most 12. */
  readonly prefix: string;
  readonly namespace: string;
  /** The id of the device that it belongs to. */
  readonly device: string | null;
  readonly scopes: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly reason: string | null;
}

export interface NewToken {
  readonly id?: string;
  readonly kind: string;
  readonly hash: string;
  readonly prefix?: string;
  readonly namespace: string;
  readonly device?: string | null;
  readonly scopes?: readonly string[];
  readonly expiresAt?: number | null;
}

/** Credentials of a device, sealed by the keystore: the registry cannot read them. */
export interface CredentialRecord {
  readonly id: string;
  readonly device: string;
  /** For example 'mqtt-basic', 'scbk'. One of a kind a device. */
  readonly kind: string;
  readonly sealed: Uint8Array;
  readonly changedAt: number;
}

/** A certificate namespace and its settings. */
export interface NamespaceRecord {
  /** `[A-Za-z0-9._-]{1,51}`. */
  readonly name: string;
  /** Whatever the authority keeps of it: at most 64 KiB as JSON. */
  readonly settings: JsonObject;
}

/** A device profile of a namespace. */
export interface ProfileRecord {
  readonly namespace: string;
  readonly name: string;
  readonly settings: JsonObject;
}

/** A one-time code as it is kept: by its hash. */
export interface CodeRecord {
  readonly hash: string;
  readonly namespace: string;
  readonly profile: string | null;
  /** The only MAC that may redeem it. */
  readonly mac: string | null;
  /** Shown to people; at most 12 characters. */
  readonly prefix: string;
  readonly maxUses: number;
  readonly uses: number;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly voidedAt: number | null;
}

export interface NewCode {
  /** 64 hex digits. */
  readonly hash: string;
  readonly namespace: string;
  readonly profile?: string | null;
  readonly mac?: string | null;
  readonly prefix?: string;
  /** 1 … 1,000,000, default 1. */
  readonly maxUses?: number;
  readonly expiresAt: number;
}

/** What a ticket allows: one certificate for one device. */
export interface TicketTerms {
  readonly namespace: string;
  /** A MAC, 12 hex digits. */
  readonly device: string;
  readonly expiresAt: number;
}

export type AuditOutcome = 'ok' | 'denied' | 'failed';

/** What is to be written to the audit log. Never a secret. */
export interface AuditInput {
  /** `[a-z0-9.-]{1,64}`, such as 'flash.forced'. */
  readonly action: string;
  readonly namespace?: string | null;
  /** What it was done to: a device's id, a serial number … At most 256 characters. */
  readonly subject?: string | null;
  /** Default: 'ok'. */
  readonly outcome?: AuditOutcome;
  /** At most 4 KiB as JSON. */
  readonly detail?: JsonObject;
}

/** A line of the audit log. */
export interface AuditEntry {
  readonly seq: number;
  readonly at: number;
  readonly actor: string;
  readonly source: string | null;
  readonly action: string;
  readonly namespace: string | null;
  readonly subject: string | null;
  readonly outcome: AuditOutcome;
  readonly detail: JsonObject;
}

/** Which entries of the audit log a list shows. */
export interface AuditFilter {
  readonly action?: string;
  readonly namespace?: string;
  readonly subject?: string;
  readonly outcome?: AuditOutcome;
}

/** Whether the audit log is what was written. */
export interface AuditVerdict {
  readonly holds: boolean;
  /** Entries that were read. */
  readonly entries: number;
  /** The first entry that does not fit, and what is wrong about it. */
  readonly problem?: { readonly seq: number; readonly what: 'altered' | 'missing' | 'truncated' };
}

/** What changed, told once it is durable. */
export interface RegistryEvent {
  /**
   * 'device.added', 'device.changed', 'device.state', 'device.removed', 'devices.imported', 'certificate.pending',
   * 'certificate.live', 'certificate.superseded', 'certificate.revoked', 'token.added', 'token.revoked',
   * 'code.redeemed', 'namespace.changed', 'profile.changed', 'registry.restored', …
   */
  readonly topic: string;
  readonly at: number;
  readonly namespace: string | null;
  /** The device's id, the certificate's serial number, the token's id. */
  readonly subject: string | null;
  /** The device as it is now, where the event is about one. */
  readonly device?: Device;
  /** 'device.state': the state before. */
  readonly from?: DeviceState;
  readonly detail?: JsonObject;
}
