import type { Certificate } from '../certificate/inspect.ts';
import type { SigningRequest } from '../csr/parse.ts';
import type { CertificateState } from '../store.ts';
import type { AuthorityKeyKind } from './material.ts';
import type { PoolOptions } from './pool.ts';

export interface AuthorityOptions {
  /** Where revocation lists are served, http or https: every certificate then names its list under it. */
  readonly crlBaseUrl?: string;
  /** The organisation in the subjects of authorities. */
  readonly organisation?: string;
  /** Makes certificates on several threads; without it on the one that asks. */
  readonly pool?: PoolOptions;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

/** How a root is made. */
export interface RootTerms {
  /** Its common name. Default: "Keyway root". */
  readonly name?: string;
  /** At least 12 bytes; a demonstration needs none. The caller overwrites it. */
  readonly passphrase?: Uint8Array;
  readonly key?: AuthorityKeyKind;
  /** Default 7305 (20 years); for a demonstration at most, and by default, 30. */
  readonly validityDays?: number;
}

/** How an intermediate is made. */
export interface IntermediateTerms {
  /** The passphrase of the root, when it has one. The caller overwrites it. */
  readonly passphrase?: Uint8Array;
  readonly key?: AuthorityKeyKind;
  /** Default 3652 (10 years), and not beyond the root's end. */
  readonly validityDays?: number;
}

/** What a device's certificate is asked for with. */
export interface DeviceRequest {
  readonly namespace: string;
  /** In any of the five spellings. */
  readonly mac: string;
  /** PKCS#10 as DER, as PEM text, or as parseCsr gave it. Its key is used, nothing else of it. */
  readonly csr: Uint8Array | string | SigningRequest;
  /** Replaces the live certificate of the device: it is revoked when this one goes live. Default: no. */
  readonly replace?: boolean;
  /** A renewal: it goes live by its first use, and the live one is superseded then. Default: no. */
  readonly renew?: boolean;
  /** What the registry has as the device's serial number and name, for alternative names. */
  readonly serial?: string | null;
  readonly name?: string | null;
}

/** A certificate for one of our own listeners. */
export interface ServiceRequest {
  /** DNS names and IP addresses; the first is the common name too. */
  readonly names: readonly string[];
  readonly csr: Uint8Array | string;
  /** Default 90. */
  readonly validityDays?: number;
}

/** A certificate that was issued, and what goes with it. */
export interface Issued {
  /** 32 lower-case hex digits. */
  readonly serial: string;
  readonly namespace: string;
  /** 12 lower-case hex digits; null for one of our own services. */
  readonly mac: string | null;
  readonly state: CertificateState;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly der: Uint8Array;
  /** The certificate alone, PEM. */
  readonly pem: string;
  /** The certificate and the intermediates above it, PEM: what a TLS peer sends. */
  readonly chain: string;
  /** The intermediates and the root, PEM: what a peer verifies with. */
  readonly authorities: string;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly publicKeyHash: string;
}

/** An authority, for people. */
export interface AuthorityState {
  readonly demo: boolean;
  readonly root: Certificate | null;
  /** Whether the key of the root is here. */
  readonly rootKey: boolean;
  readonly services: Certificate | null;
}
