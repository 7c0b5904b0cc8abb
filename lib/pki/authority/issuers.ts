import type { KeyObject } from 'node:crypto';
import type { Certificate } from '../certificate/inspect.ts';
import type { TemplateTerms } from '../certificate/template.ts';
import { OID } from '../der/oids.ts';
import { fail } from '../errors.ts';
import { AUTHORITY_NAMESPACE, namespaceName } from '../names.ts';
import { toPem } from '../pem.ts';
import { crlBase, type NamespaceSettings, readSettings } from '../settings.ts';
import type { Ground } from './ground.ts';
import { loadMaterial, namespaceKeyName, openKey, SERVICES, termsOf } from './material.ts';
import { Issuer } from './mint.ts';
import type { MintPool } from './pool.ts';

/** An issuing authority, ready. */
export interface Ready {
  /** Of its key record. */
  readonly name: string;
  readonly settings: NamespaceSettings;
  readonly certificate: Certificate;
  readonly issuer: Issuer;
  /** Where its list is served, as its certificates say. */
  readonly crlUrl: string | undefined;
  /** Behind a device's certificate in what a TLS peer sends: the intermediates, PEM. */
  readonly intermediates: string;
  /** What a peer verifies with: the intermediates and the root, PEM. */
  readonly authorities: string;
}

interface Held {
  readonly at: number;
  readonly ready: Promise<Ready>;
}

/** What another process changes is seen after this, in ms. */
const FRESH = 5000;

/** The issuing authorities of a registry, opened when they are first asked for. */
export class Issuers {
  readonly #ground: Ground;
  readonly #pool: MintPool | undefined;
  readonly #held = new Map<string, Held>();

  constructor(ground: Ground, pool: MintPool | undefined) {
    this.#ground = ground;
    this.#pool = pool;
  }

  /** @throws NAMESPACE_UNKNOWN, AUTHORITY_MISSING, BAD_SETTINGS, the keystore's */
  of(namespace: string): Promise<Ready> {
    const now = this.#ground.clock();
    const held = this.#held.get(namespace);
    if (held !== undefined && Math.abs(now - held.at) < FRESH) return held.ready;
    const ready = namespace === AUTHORITY_NAMESPACE ? this.#services() : this.#namespace(namespaceName(namespace));
    const made = { at: now, ready };
    this.#held.set(namespace, made);
    // What failed is tried again.
    ready.catch(() => {
      if (this.#held.get(namespace) === made) this.#held.delete(namespace);
    });
    return ready;
  }

  forget(namespace?: string): void {
    if (namespace === undefined) this.#held.clear();
    else this.#held.delete(namespace);
  }

  async #namespace(namespace: string): Promise<Ready> {
    const record = await this.#ground.store.namespace(namespace);
    if (record === undefined) {
      throw fail('NAMESPACE_UNKNOWN', `There is no certificate namespace "${namespace}".`, {
        hint: 'Create it in the authority, or correct the name.',
        detail: { field: 'namespace', value: namespace },
      });
    }
    const settings = readSettings(record.settings);
    const base = settings.crlBaseUrl === null ? this.#ground.crlBaseUrl : crlBase(settings.crlBaseUrl);
    const crlUrl = base === undefined ? undefined : `${base}/crl/${namespace}.crl`;
    return await this.#open(namespaceKeyName(namespace), settings, [OID.clientAuth], crlUrl);
  }

  async #services(): Promise<Ready> {
    const base = this.#ground.crlBaseUrl;
    const crlUrl = base === undefined ? undefined : `${base}/services.crl`;
    return await this.#open(SERVICES, readSettings({}), [OID.serverAuth], crlUrl);
  }

  async #open(
    name: string,
    settings: NamespaceSettings,
    purposes: readonly string[],
    crlUrl: string | undefined,
  ): Promise<Ready> {
    const material = await loadMaterial(this.#ground.store, this.#ground.keystore, name);
    if (material === undefined) {
      throw fail('AUTHORITY_MISSING', 'There is no intermediate that could issue this.', {
        hint: 'Create it in the authority, or import one.',
        detail: { name },
      });
    }
    const key: KeyObject = await openKey(material);
    const { certificate, above } = material;
    const terms: TemplateTerms = termsOf(certificate, key, { purposes, ...(crlUrl === undefined ? {} : { crlUrl }) });
    this.#pool?.setIssuer(name, terms, key);
    const all = [certificate, ...above].map(({ der }) => toPem('CERTIFICATE', der));
    return {
      ...{ name, settings, certificate, crlUrl },
      issuer: new Issuer(terms, key),
      // The last one is the root, which peers have; an issuer that is its own root has nothing above it.
      intermediates: all.slice(0, -1).join(''),
      authorities: all.join(''),
    };
  }
}
