import { type Keystore, type RewrapReport, rewrapAll, type SealedStore, wipe } from '../../vault/index.ts';
import type { Certificate } from '../certificate/inspect.ts';
import { alternativeNames, distinguishedName } from '../certificate/names.ts';
import type { CrlOrder } from '../crl/types.ts';
import { OID } from '../der/oids.ts';
import { fail } from '../errors.ts';
import { AUTHORITY_NAMESPACE, deviceCommonName, namespaceName, normaliseMac } from '../names.ts';
import { crlBase, type NamespaceSettings, namesOf, readSettings } from '../settings.ts';
import type { AuthorityStore, CertificateRecord, JsonObject } from '../store.ts';
import {
  createIntermediate,
  createRoot,
  type IntermediateKind,
  keepCertificate,
  newSerial,
  recordOf,
  validity,
} from './ca.ts';
import { checkReason, issuedOf, serviceName, whileSmall } from './details.ts';
import { type Ground, timeFor } from './ground.ts';
import { type ImportSource, readImport } from './imports.ts';
import { Issuers, type Ready } from './issuers.ts';
import { issueCrl, renewRootCrl, rootCrl } from './lists.ts';
import { keepMaterial, loadMaterial, type Material, namespaceKeyName, ROOT, SERVICES } from './material.ts';
import type { Minted, MintOrder } from './mint.ts';
import { MintPool } from './pool.ts';
import { importRoot, keepImported, putRootBack, takeOutRoot } from './roots.ts';
import type {
  AuthorityOptions,
  AuthorityState,
  DeviceRequest,
  IntermediateTerms,
  Issued,
  RootTerms,
  ServiceRequest,
} from './types.ts';

const HOUR = 3_600_000;
const SUPERSEDED = 4;
const MOST_SERVICE_NAMES = 20;
const SERVICE_DAYS = 90;

/**
 * Issues certificates: a root, one intermediate for each certificate namespace, one for our own services. What it keeps
 * lies in the store, keys sealed by the keystore; it holds no state that the store does not have.
 */
export class Authority {
  readonly #ground: Ground;
  readonly #pool: MintPool | undefined;
  readonly #issuers: Issuers;
  /** Changes of authorities go one after the other. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(store: AuthorityStore, keystore: Keystore, options: AuthorityOptions = {}) {
    this.#ground = {
      ...{ store, keystore, organisation: options.organisation, clock: options.clock ?? Date.now },
      crlBaseUrl: options.crlBaseUrl === undefined ? undefined : crlBase(options.crlBaseUrl),
    };
    this.#pool = options.pool === undefined ? undefined : new MintPool(options.pool);
    this.#issuers = new Issuers(this.#ground, this.#pool);
  }

  /** What there is. */
  async state(): Promise<AuthorityState> {
    const root = await this.#peek(ROOT);
    const services = await this.#peek(SERVICES);
    return {
      demo: this.#ground.keystore.demo,
      root: root?.certificate ?? null,
      rootKey: root !== undefined && root.key !== null,
      services: services?.certificate ?? null,
    };
  }

  async #peek(name: string): Promise<Material | undefined> {
    const material = await loadMaterial(this.#ground.store, this.#ground.keystore, name);
    if (material?.key) wipe(material.key);
    return material;
  }

  /** @throws AUTHORITY_EXISTS, BAD_PASSPHRASE, BAD_NAME, BAD_SETTINGS, CLOCK_BEHIND */
  createRoot(terms: RootTerms = {}): Promise<Certificate> {
    return this.#change(() => createRoot(this.#ground, terms));
  }

  /**
   * Takes over a root that exists. `terms.passphrase` is what it is kept behind here.
   * @throws AUTHORITY_EXISTS, BAD_PASSPHRASE, and those of readImport
   */
  importRoot(source: ImportSource, terms: Pick<RootTerms, 'passphrase'> = {}): Promise<Certificate> {
    return this.#change(() => importRoot(this.#ground, source, terms.passphrase));
  }

  /**
   * Takes the key of the root out. `keep` gets all there will be of it, PKCS#8 DER behind the root's passphrase; only
   * when it has kept that, the key here is gone.
   * @param passphrase the root's; a new one when it has none
   * @throws AUTHORITY_MISSING, ROOT_OUT, BAD_PASSPHRASE, and what `keep` throws
   */
  takeOutRoot(passphrase: Uint8Array, keep: (key: Uint8Array) => Promise<void>): Promise<void> {
    return this.#change(() => takeOutRoot(this.#ground, passphrase, keep));
  }

  /** Puts the key of the root back in. @throws AUTHORITY_MISSING, BAD_PASSPHRASE, BAD_IMPORT */
  putRootBack(key: Uint8Array, passphrase: Uint8Array): Promise<void> {
    return this.#change(() => putRootBack(this.#ground, key, passphrase));
  }

  /**
   * A new certificate namespace with its own intermediate.
   * @throws BAD_NAMESPACE, NAMESPACE_EXISTS, BAD_SETTINGS, and those of createIntermediate
   */
  createNamespace(name: string, settings: JsonObject = {}, terms: IntermediateTerms = {}): Promise<Certificate> {
    return this.#change(async () => {
      await this.#newNamespace(name, settings);
      const kind: IntermediateKind = {
        name: namespaceKeyName(name),
        commonName: `Keyway ${name}`,
        purposes: [OID.clientAuth],
      };
      const certificate = await createIntermediate(this.#ground, kind, terms);
      await this.#keepNamespace(name, settings);
      return certificate;
    });
  }

  /**
   * A new certificate namespace whose issuing authority exists already.
   * @throws BAD_NAMESPACE, NAMESPACE_EXISTS, BAD_SETTINGS, and those of readImport
   */
  importNamespace(name: string, source: ImportSource, settings: JsonObject = {}): Promise<Certificate> {
    return this.#change(async () => {
      const { store, keystore } = this.#ground;
      await this.#newNamespace(name, settings);
      const imported = readImport(source, 0, await timeFor(this.#ground));
      await keepImported(store, imported.certificate, 'intermediate');
      await keepMaterial(store, keystore, namespaceKeyName(name), imported);
      await this.#keepNamespace(name, settings);
      return imported.certificate;
    });
  }

  async #newNamespace(name: string, settings: JsonObject): Promise<void> {
    readSettings(settings);
    const { store } = this.#ground;
    const key = await store.keyRecord(namespaceKeyName(namespaceName(name)));
    // One without the other: it stands in the registry alone, or its making was interrupted.
    if (key === undefined || (await store.namespace(name)) === undefined) return;
    throw fail('NAMESPACE_EXISTS', `The certificate namespace "${name}" exists already.`, {
      hint: 'Choose another name, or change its settings.',
      detail: { field: 'namespace', value: name },
    });
  }

  async #keepNamespace(name: string, settings: JsonObject): Promise<void> {
    await this.#ground.store.putNamespace({ name, settings });
    this.#issuers.forget(name);
  }

  /** The settings of a namespace, defaults included. @throws NAMESPACE_UNKNOWN */
  async settings(namespace: string): Promise<NamespaceSettings> {
    return (await this.#issuers.of(namespace)).settings;
  }

  /** Puts other settings in the place of a namespace's. @throws NAMESPACE_UNKNOWN, BAD_SETTINGS */
  changeSettings(namespace: string, settings: JsonObject): Promise<void> {
    return this.#change(async () => {
      readSettings(settings);
      await this.#issuers.of(namespace);
      await this.#keepNamespace(namespace, settings);
    });
  }

  /** The intermediate for certificates of our own listeners. @throws AUTHORITY_EXISTS, and those of createIntermediate */
  createServices(terms: IntermediateTerms = {}): Promise<Certificate> {
    return this.#change(async () => {
      if ((await this.#ground.store.keyRecord(SERVICES)) !== undefined) {
        throw fail('AUTHORITY_EXISTS', 'There is a services intermediate already.', { hint: 'Use it.' });
      }
      const kind = { name: SERVICES, commonName: 'Keyway services', purposes: [OID.serverAuth] };
      const certificate = await createIntermediate(this.#ground, kind, terms);
      this.#issuers.forget(AUTHORITY_NAMESPACE);
      return certificate;
    });
  }

  /** The certificate of the key that issues in a namespace. @throws NAMESPACE_UNKNOWN, AUTHORITY_MISSING */
  async issuer(namespace: string): Promise<Certificate> {
    return (await this.#issuers.of(namespace)).certificate;
  }

  /** A certificate of a namespace once more, as it was answered when it was issued. @throws NAMESPACE_UNKNOWN */
  async issued(record: CertificateRecord): Promise<Issued> {
    return issuedOf(record, await this.#issuers.of(record.namespace));
  }

  /** The certificates that devices of a namespace are verified with, PEM. @throws NAMESPACE_UNKNOWN */
  async authorities(namespace: string): Promise<string> {
    return (await this.#issuers.of(namespace)).authorities;
  }

  /** The time, for what is redeemed. @throws CLOCK_BEHIND */
  time(): Promise<number> {
    return timeFor(this.#ground);
  }

  /**
   * Issues a certificate for a device, pending until `markLive`. Subject and alternative names come from the request's
   * own fields, which the caller takes from the registry; of the CSR only the key is used.
   * @param now what `time` just gave, where it was asked already
   * @throws BAD_MAC, BAD_NAMESPACE, NAMESPACE_UNKNOWN, CLOCK_BEHIND, ISSUER_EXPIRED, DEVICE_HAS_LIVE, KEY_IN_USE, BAD_NAME, and
   * those of a signing request: CSR_TOO_LARGE, BAD_CSR, BAD_PEM, CSR_KEY_REFUSED, CSR_SIGNATURE
   */
  async issueDevice(request: DeviceRequest, now?: number): Promise<Issued> {
    const ready = await this.#issuers.of(namespaceName(request.namespace));
    return await this.#issueDevice(ready, request, now ?? (await timeFor(this.#ground)));
  }

  /** The same for many at once: a certificate or an error for each, in their order. */
  async issueDevices(requests: readonly DeviceRequest[]): Promise<PromiseSettledResult<Issued>[]> {
    const now = await timeFor(this.#ground);
    return await Promise.allSettled(
      requests.map(async (request) =>
        this.#issueDevice(await this.#issuers.of(namespaceName(request.namespace)), request, now),
      ),
    );
  }

  async #issueDevice(ready: Ready, request: DeviceRequest, now: number): Promise<Issued> {
    const { namespace, csr, serial = null, name = null } = request;
    const mac = normaliseMac(request.mac);
    const { settings } = ready;
    const names = namesOf(settings, { namespace, mac, serial, name });
    const times = validity(now, settings.validityHours * HOUR, ready.certificate);
    const order = {
      ...{ ...times, csr: whileSmall(csr), keys: settings.keys, serial: newSerial() },
      subject: distinguishedName(deviceCommonName(namespace, mac)),
      alternativeNames: names.length === 0 ? null : alternativeNames(names),
    };
    const minted = await this.#mint(ready, order);
    const own = { namespace, device: mac, kind: 'device', state: 'pending', ...times } as const;
    const record = recordOf(minted, order.serial, own);
    await this.#ground.store.addCertificate(record, {
      replace: request.replace === true,
      renew: request.renew === true,
    });
    return issuedOf(record, ready);
  }

  /** Issues a certificate for one of our own listeners, live at once. @throws AUTHORITY_MISSING, BAD_NAME, as issueDevice */
  async issueService(request: ServiceRequest): Promise<Issued> {
    const names = request.names.slice(0, MOST_SERVICE_NAMES + 1).map(serviceName);
    const [first] = names;
    const days = request.validityDays ?? SERVICE_DAYS;
    if (first === undefined || names.length > MOST_SERVICE_NAMES || !(days >= 1 && days <= 825)) {
      throw fail('BAD_NAME', `A service needs 1 to ${MOST_SERVICE_NAMES} names, and 1 to 825 days.`, {
        hint: 'Name the hosts and addresses under which it is reached.',
        detail: { field: 'names', names: names.length, days },
      });
    }
    const ready = await this.#issuers.of(AUTHORITY_NAMESPACE);
    const times = validity(await timeFor(this.#ground), days * 24 * HOUR, ready.certificate);
    const order: MintOrder = {
      ...{ ...times, csr: whileSmall(request.csr), keys: 'P-256 or RSA', serial: newSerial() },
      // A host name may be longer than a common name; clients look at the alternative names.
      subject: distinguishedName(first.value.length <= 64 ? first.value : 'Keyway service'),
      alternativeNames: alternativeNames(names),
    };
    const minted = await this.#mint(ready, order);
    const own = { namespace: AUTHORITY_NAMESPACE, device: null, kind: 'service', state: 'live', ...times } as const;
    const record = recordOf(minted, order.serial, own);
    await keepCertificate(this.#ground.store, record);
    return issuedOf(record, ready);
  }

  #mint(ready: Ready, order: MintOrder): Minted | Promise<Minted> {
    return this.#pool === undefined ? ready.issuer.mint(order) : this.#pool.mint(ready.name, order);
  }

  /**
   * The device holds the certificate: its NVS was verified. Other pending ones of the device are revoked, and its live
   * one, when this one was issued to replace it.
   * @throws CERTIFICATE_UNKNOWN, DEVICE_HAS_LIVE, CERTIFICATE_STATE
   */
  async markLive(serial: string): Promise<void> {
    const { store } = this.#ground;
    const record = await this.#record(serial);
    if (record.state === 'pending' && this.#ground.clock() >= record.notAfter) {
      throw fail(
        'CERTIFICATE_STATE',
        `The certificate ${serial} ended on ${new Date(record.notAfter).toISOString()}.`,
        {
          hint: 'Mint a new one for the device.',
          detail: { field: 'serial', value: serial, notAfter: record.notAfter },
        },
      );
    }
    await store.markLive(serial);
    if (record.device === null) return;
    const others = await store.certificatesOf(record.namespace, record.device);
    for (const other of others.filter(({ state, serial: its }) => state === 'pending' && its !== serial)) {
      await store.revoke(other.serial, SUPERSEDED, this.#ground.clock());
    }
  }

  /** @param reason CRLReason, default 0 (unspecified). @throws CERTIFICATE_UNKNOWN, CERTIFICATE_STATE */
  async revoke(serial: string, reason = 0): Promise<void> {
    checkReason(reason);
    await this.#record(serial);
    await this.#ground.store.revoke(serial, reason, this.#ground.clock());
  }

  /**
   * Revokes all certificates of a device that are not over (pending, live and superseded ones), and the device with them,
   * in one step. Permanent: it comes back with a new certificate. @returns their serial numbers
   */
  async revokeDevice(namespace: string, mac: string, reason = 0): Promise<string[]> {
    checkReason(reason);
    const { store, clock } = this.#ground;
    return [...(await store.revokeDevice(namespaceName(namespace), normaliseMac(mac), reason, clock()))];
  }

  /**
   * Signs a revocation list with the next number of the namespace; 'keyway' for that of our own services.
   * @throws NAMESPACE_UNKNOWN, AUTHORITY_MISSING, what the store and the keystore throw
   */
  async issueCrl(namespace: string, order: CrlOrder): Promise<{ der: Uint8Array; number: number }> {
    return await issueCrl(this.#ground, await this.#issuers.of(namespace), namespace, order);
  }

  /** The list of the root as it was signed last, DER: whenever its key was at hand, for a year. */
  rootCrl(): Promise<Uint8Array | undefined> {
    return rootCrl(this.#ground);
  }

  /** Signs the list of the root anew, for a year. @throws AUTHORITY_MISSING, ROOT_OUT, BAD_PASSPHRASE, CLOCK_BEHIND */
  renewRootCrl(passphrase?: Uint8Array): Promise<Uint8Array> {
    return this.#change(() => renewRootCrl(this.#ground, passphrase));
  }

  async #record(serial: string): Promise<CertificateRecord> {
    const record = await this.#ground.store.certificate(serial);
    if (record !== undefined) return record;
    throw fail('CERTIFICATE_UNKNOWN', `There is no certificate with the serial number ${JSON.stringify(serial)}.`, {
      hint: 'Look the serial number up in the list of certificates.',
      detail: { field: 'serial', value: serial },
    });
  }

  /**
   * Seals everything in the registry under the keystore's current key, after that was changed: see `rewrapAll`. Changes
   * of authorities wait for it.
   */
  rewrap(registry: SealedStore): Promise<RewrapReport> {
    return this.#change(() => rewrapAll(this.#ground.keystore, registry));
  }

  /** Ends the threads. The keystore stays its opener's. */
  async close(): Promise<void> {
    this.#issuers.forget();
    await this.#pool?.close();
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#changes.then(work);
    this.#changes = done.catch(() => undefined);
    return done;
  }
}
