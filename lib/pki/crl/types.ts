import type { TrustStore } from '../trust/types.ts';

/** A revocation list as it is served. Times are ms since 1970. */
export interface Crl {
  /** The certificate namespace; 'keyway' for the list of our own services, 'keyway/root' for that of the root. */
  readonly name: string;
  readonly der: Uint8Array;
  readonly pem: string;
  readonly number: number;
  readonly entries: number;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** In quotes, as HTTP has it. */
  readonly etag: string;
}

/** A PEM file for a broker: the lists of these namespaces, and behind them that of the root. */
export interface CrlFile {
  readonly path: string;
  readonly namespaces: readonly string[];
  /** Whether the root's list stands behind them (nginx, Node and OpenSSL's CRL_CHECK_ALL want it). Default: yes. */
  readonly root?: boolean;
}

export type CrlCause = 'start' | 'revocation' | 'half-life' | 'asked';

/** What became of a list. */
export type CrlEvent =
  | {
      readonly topic: 'crl.issued';
      readonly namespace: string;
      readonly cause: CrlCause;
      readonly number: number;
      readonly entries: number;
      readonly thisUpdate: number;
      readonly nextUpdate: number;
    }
  /** A file holds the new lists now: the moment for mosquitto's SIGHUP, and for a kick after it. */
  | { readonly topic: 'crl.written'; readonly path: string; readonly namespaces: readonly string[] }
  | {
      readonly topic: 'crl.failed';
      readonly namespace: string | null;
      readonly path: string | null;
      readonly error: Error;
    };

export interface CrlPublisherOptions {
  readonly store: TrustStore;
  readonly authority: CrlAuthority;
  readonly files?: readonly CrlFile[];
  /** Every event is told here. */
  readonly onEvent?: (event: CrlEvent) => void;
  /** ms since 1970. Default: Date.now. */
  readonly clock?: () => number;
  /** Runs something later, and unrefs its timer. @returns what prevents it */
  readonly later?: (ms: number, run: () => void) => () => void;
}

/** What a list is made from. */
export interface CrlOrder {
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** The entries as DER, one after the other: see `crlEntries`. */
  readonly entries: Uint8Array;
}

/** What the publisher asks of the authority: `Authority` fulfils it. */
export interface CrlAuthority {
  /**
   * Signs a list with the next number of the namespace, 'keyway' for that of our services.
   * @throws NAMESPACE_UNKNOWN, AUTHORITY_MISSING, ISSUER_EXPIRED
   */
  issueCrl(namespace: string, order: CrlOrder): Promise<{ readonly der: Uint8Array; readonly number: number }>;
  /** The root's list as it was signed last; undefined when there is none. */
  rootCrl(): Promise<Uint8Array | undefined>;
  /** Signs the root's list anew, for a year. @throws BAD_PASSPHRASE, ROOT_OUT, AUTHORITY_MISSING */
  renewRootCrl(passphrase?: Uint8Array): Promise<Uint8Array>;
}
