import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { isKeywayError } from '../../errors/index.ts';
import type { Certificate } from '../certificate/inspect.ts';
import { AUTHORITY_NAMESPACE } from '../names.ts';
import { toHex } from '../pem.ts';
import type { TrustAuthority, TrustStore } from './types.ts';

/** An issuing key of ours, and the namespace that it speaks for. */
export interface KnownIssuer {
  readonly namespace: string;
  readonly certificate: Certificate;
  readonly key: KeyObject;
}

const HASHES: Readonly<Record<string, string>> = {
  'ECDSA with SHA-256': 'sha256',
  'ECDSA with SHA-384': 'sha384',
  'ECDSA with SHA-512': 'sha512',
  'RSA with SHA-256': 'sha256',
  'RSA with SHA-384': 'sha384',
  'RSA with SHA-512': 'sha512',
};

/** Whether this key has signed the certificate; false for whatever is malformed. */
export function signedBy(certificate: Certificate, key: KeyObject): boolean {
  const hash = HASHES[certificate.signatureAlgorithm];
  const fits = certificate.signatureAlgorithm.startsWith('ECDSA') === (key.asymmetricKeyType === 'ec');
  if (hash === undefined || !fits) return false;
  try {
    return verify(hash, certificate.tbs, key, certificate.signature);
  } catch {
    return false;
  }
}

/** The key of a certificate; undefined when it is no key that Node can read. */
export function keyOf(certificate: Certificate): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(certificate.key.spki), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

/** A name that is not known is looked for once in so many ms: strangers must not keep the store busy. */
const AGAIN_MS = 2000;
/** Namespaces that cannot issue have no certificates to judge. */
const NO_ISSUER = ['AUTHORITY_MISSING', 'NAMESPACE_UNKNOWN', 'BAD_NAMESPACE', 'BAD_SETTINGS'];

/** The issuing keys of a registry, by the names that stand in certificates. */
export class KnownIssuers {
  readonly #store: TrustStore;
  readonly #authority: TrustAuthority;
  /** By namespace; null for one that has no issuing key. */
  readonly #known = new Map<string, KnownIssuer | null>();
  #byName: ReadonlyMap<string, readonly KnownIssuer[]> = new Map();
  #reading: Promise<void> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(store: TrustStore, authority: TrustAuthority) {
    this.#store = store;
    this.#authority = authority;
  }

  /** Those of this name, DER. Several may have it. */
  async of(name: Uint8Array): Promise<readonly KnownIssuer[]> {
    const wanted = toHex(name);
    if (this.#reading !== undefined) await this.#reading;
    const found = this.#byName.get(wanted);
    if (found !== undefined || performance.now() - this.#readAt < AGAIN_MS) return found ?? [];
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
    return this.#byName.get(wanted) ?? [];
  }

  /** A namespace has changed; without one all may have. */
  forget(namespace?: string): void {
    if (namespace === undefined) this.#known.clear();
    else this.#known.delete(namespace);
    this.#index();
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  /** Looks at those alone that are not known: with many namespaces all of them are much work. */
  async #read(): Promise<void> {
    this.#readAt = performance.now();
    try {
      const names = (await this.#store.namespaces()).map(({ name }) => name);
      for (const namespace of new Set([...names, AUTHORITY_NAMESPACE])) {
        if (!this.#known.get(namespace)) this.#known.set(namespace, await this.#issuer(namespace));
      }
    } catch (error) {
      this.#readAt = Number.NEGATIVE_INFINITY;
      throw error;
    } finally {
      this.#index();
    }
  }

  #index(): void {
    const all = new Map<string, KnownIssuer[]>();
    for (const issuer of this.#known.values()) {
      if (issuer === null) continue;
      const name = toHex(issuer.certificate.subject);
      all.set(name, [...(all.get(name) ?? []), issuer]);
    }
    this.#byName = all;
  }

  async #issuer(namespace: string): Promise<KnownIssuer | null> {
    try {
      const certificate = await this.#authority.issuer(namespace);
      const key = keyOf(certificate);
      return key === undefined ? null : { namespace, certificate, key };
    } catch (error) {
      if (isKeywayError(error, ...NO_ISSUER)) return null;
      throw error;
    }
  }
}
