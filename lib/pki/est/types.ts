import type { Authority } from '../authority/authority.ts';
import type { Refusals } from '../trust/refusals.ts';
import type { Judge, TrustStore } from '../trust/types.ts';

/** A request as HTTP brings it; any server can be in front. */
export interface EstRequest {
  readonly method: string;
  /** The path of the URL, without a query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** At most EST_BODY_MOST bytes: a server should not read on beyond. */
  readonly body: Uint8Array;
  /** The certificate that the client showed in this handshake, DER; nothing of it needs to be verified. */
  readonly certificate: Uint8Array | undefined;
  /** Address of the client, for the audit log. */
  readonly source?: string;
}

/** An answer, to be written to whoever asked. Header names are in their canonical form: some clients insist. */
export interface EstResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What the EST service did. */
export interface EstEvent {
  readonly topic: 'est.enrolled' | 'est.reenrolled' | 'est.refused' | 'est.failed';
  /** ms since 1970. */
  readonly at: number;
  readonly source: string | null;
  readonly namespace: string | null;
  readonly mac: string | null;
  /** Of the new certificate; where it is refused, of the one that was shown. */
  readonly serial: string | null;
  /** est.reenrolled: the certificate that it was asked with. */
  readonly previous?: string;
  /** est.reenrolled: the certificate was over, and in its period of grace. */
  readonly grace?: boolean;
  readonly notAfter?: number;
  /** est.refused, est.failed: for people who may see the audit log. */
  readonly code?: string;
  readonly text?: string;
}

export interface EstOptions {
  readonly judge: Judge;
  readonly authority: Authority;
  readonly store: TrustStore;
  /** The namespaces that are served. Default: all. */
  readonly namespaces?: readonly string[];
  /** Every event is told here, beside the audit log's entry for refusals and failures. */
  readonly onEvent?: (event: EstEvent) => void;
  /** What writes those entries. Default: its own, on the store. */
  readonly refusals?: Refusals;
  readonly clock?: () => number;
}

/** The EST service as a function. It never throws. */
export type Est = (request: EstRequest) => Promise<EstResponse>;

export interface EstListenOptions extends EstOptions {
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: 8443. 0 for any. */
  readonly port?: number;
  /** Names and addresses of its certificate; the first is the common name. Default: the host, and localhost with 127.0.0.1. */
  readonly names?: readonly string[];
  /** A certificate of its own in place of one from the services intermediate. */
  readonly tls?: { readonly key: string | Buffer; readonly cert: string };
  /** Default: 500. */
  readonly maxConnections?: number;
  /** ms for a handshake. Default: 10000. */
  readonly handshakeTimeout?: number;
  /** ms for a whole request. Default: 15000. */
  readonly requestTimeout?: number;
}

/** An EST service that listens. */
export interface EstListener {
  readonly host: string;
  readonly port: number;
  /** "https://127.0.0.1:8443/.well-known/est" */
  readonly url: string;
  /** PEM of its certificate, as it is now. */
  readonly certificate: string;
  /** Ends every connection; resolves when all requests are done with, and the audit log is written. */
  close(): Promise<void>;
}

/** A client for one EST server. */
export interface EstClientOptions {
  /** "https://host:port"; a path is kept before /.well-known/est. */
  readonly url: string;
  /** The certificate namespace; without it the server's own choice. */
  readonly label?: string;
  /** The authorities that server and new certificates are verified with, PEM: those of the device's `ca`. */
  readonly trust: string;
  /** The name that the server's certificate must have. Default: the URL's host. */
  readonly servername?: string;
  /** ms for a whole request. Default: 15000. */
  readonly timeout?: number;
  /** ms since 1970, to check the dates of what comes back; null for a device that does not know the time. Default: Date.now. */
  readonly clock?: (() => number) | null;
}

/** What a device re-enrols with. */
export interface EstIdentity {
  /** Its certificate and the intermediates above it, PEM. */
  readonly certificate: string;
  /** Its key, PEM: a secret. The caller overwrites it. */
  readonly key: Uint8Array;
}

/** A certificate that an EST server issued for our key. */
export interface EstCertificate {
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly der: Uint8Array;
  /** The certificate alone, PEM. */
  readonly pem: string;
  /** The certificate and the intermediates above it, PEM: what a TLS peer sends. */
  readonly chain: string;
}

export interface EstClient {
  /** The authorities of the namespace, PEM; each is verified up to `trust`. @throws EST_* */
  cacerts(options?: { readonly signal?: AbortSignal }): Promise<string>;
  /** What a signing request should have, dotted; empty when the server does not say. @throws EST_* */
  csrattrs(options?: { readonly signal?: AbortSignal }): Promise<readonly string[]>;
  /**
   * A first certificate. `user`: the MAC, or namespace:mac; `ticket`: bytes, a secret that the caller overwrites.
   * @param csr PKCS#10, DER
   * @throws EST_*
   */
  enroll(
    csr: Uint8Array,
    by: { readonly user: string; readonly ticket: Uint8Array },
    options?: { readonly signal?: AbortSignal },
  ): Promise<EstCertificate>;
  /** A renewal, with the current certificate. @param csr PKCS#10, DER, with the subject of that. @throws EST_* */
  reenroll(
    csr: Uint8Array,
    identity: EstIdentity,
    options?: { readonly signal?: AbortSignal },
  ): Promise<EstCertificate>;
}
