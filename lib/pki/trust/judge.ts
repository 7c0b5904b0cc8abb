import { hash } from 'node:crypto';
import { type Certificate, parseCertificate } from '../certificate/inspect.ts';
import { AUTHORITY_NAMESPACE, clipped, quoted } from '../names.ts';
import type { CertificateRecord } from '../store.ts';
import type { TrustCode } from './errors.ts';
import { graceOf, renewedBy } from './grace.ts';
import { KnownIssuers, keyOf, signedBy } from './issuers.ts';
import { Recent } from './recent.ts';
import { RevokedSet } from './revoked.ts';
import { Standings } from './standing.ts';
import type { Admitted, Cut, Judge, JudgeOptions, JudgeRequest, Refused, TrustEvent, Verdict } from './types.ts';

/** What a certificate is, whatever the registry says of it: one of ours, for a client, and whose. */
interface Known {
  readonly namespace: string;
  readonly mac: string;
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly issuer: Certificate;
}

const REMEMBER = 20_000;
const COMMON_NAME = /^([A-Za-z0-9._-]{1,51}):([0-9a-f]{12})$/;
/** States of a device that its certificates do not outlive. */
const OUT = ['revoked', 'retired'];

/** Decides who is let in. See `Judge`. */
export function createJudge(options: JudgeOptions): Judge {
  return new RegistryJudge(options);
}

class RegistryJudge implements Judge {
  readonly #options: JudgeOptions;
  readonly #clock: () => number;
  readonly #issuers: KnownIssuers;
  readonly #revoked: RevokedSet;
  readonly #standings: Standings;
  /** By the fingerprint of the certificate; only those of ours, since strangers could crowd them out. */
  readonly #certificates: Recent<Known>;
  readonly #cuts = new Set<(cut: Cut) => void>();
  readonly #silence: () => void;
  /** The time of the registry's newest record, when it was last asked. */
  #newest = 0;
  /** What the clock said last. */
  #latest = 0;

  constructor(options: JudgeOptions) {
    const { store, authority, clock = Date.now, remember = REMEMBER } = options;
    this.#options = options;
    this.#clock = clock;
    this.#issuers = new KnownIssuers(store, authority);
    this.#revoked = new RevokedSet(store, clock);
    this.#standings = new Standings(store, remember);
    this.#certificates = new Recent(remember);
    this.#silence = store.subscribe((event) => this.#take(event));
    this.#revoked.read().catch(() => undefined);
  }

  get ready(): Promise<void> {
    return this.#revoked.read();
  }

  isRevoked(serial: string): boolean {
    return this.#revoked.has(serial);
  }

  async certificate(der: Uint8Array | undefined, request: JudgeRequest): Promise<Verdict> {
    if (der === undefined || der.length === 0) return refused('CERT_MISSING', 'It showed no certificate.');
    await this.#revoked.read();
    const fingerprint = hash('sha256', der, 'hex');
    const found = this.#certificates.get(fingerprint) ?? (await this.#identify(der));
    if ('ok' in found) return found;
    this.#certificates.set(fingerprint, found);
    return await this.#judge(found, der, request);
  }

  async used({ renewal, serial }: Admitted): Promise<void> {
    if (renewal) await this.#options.authority.markLive(serial);
  }

  onCut(listener: (cut: Cut) => void): () => void {
    this.#cuts.add(listener);
    return () => void this.#cuts.delete(listener);
  }

  close(): void {
    this.#silence();
    this.#cuts.clear();
    this.#standings.clear();
    this.#certificates.clear();
  }

  /** Who issued it, for what, and for whom: the same whenever it is asked. */
  async #identify(der: Uint8Array): Promise<Known | Refused> {
    let shown: Certificate;
    try {
      shown = parseCertificate(der);
    } catch (error) {
      return refused('CERT_UNREADABLE', error instanceof Error ? error.message : 'It cannot be read.');
    }
    const [, namespace, mac] = COMMON_NAME.exec(shown.commonName ?? '') ?? [];
    const { serial, notAfter } = shown;
    // A stranger's may be as long as it likes; what is said goes into the audit log.
    const said = { serial: clipped(serial), notAfter, ...(namespace && { namespace }), ...(mac && { mac }) };
    const candidates = await this.#issuers.of(shown.issuer);
    if (candidates.length === 0) return unknownIssuer(shown, said);
    const signers = candidates.filter(({ key }) => signedBy(shown, key));
    if (signers.length === 0) {
      const what = `It names ${quoted(shown.issuerText)} as its issuer, whose key has not signed it.`;
      return refused('CERT_FORGED', what, said);
    }
    if (shown.purposes?.includes('clientAuth') !== true || shown.authority !== null) {
      const what =
        shown.authority === null
          ? `for ${clipped(shown.purposes?.join(', ') || 'nothing in particular')}`
          : 'an authority’s';
      return refused('CERT_PURPOSE', `It is ${what}, not for a client.`, said);
    }
    const signer = signers.find((one) => one.namespace === namespace);
    if (signer === undefined || namespace === undefined || mac === undefined || namespace === AUTHORITY_NAMESPACE) {
      const theirs = signers.map((one) => `"${one.namespace}"`).join(', ');
      const what = `The key of the namespace ${theirs} has signed it, and its common name is ${quoted(shown.commonName)}.`;
      return refused('CERT_NAMESPACE', what, said);
    }
    const { notBefore } = shown;
    return { namespace, mac, serial, notBefore, notAfter, issuer: signer.certificate };
  }

  /** What the registry and the clock say of it now. */
  async #judge(known: Known, der: Uint8Array, request: JudgeRequest): Promise<Verdict> {
    const { namespace, mac, serial, notAfter } = known;
    const said = { namespace, mac, serial, notAfter };
    const no = (code: TrustCode, text: string): Refused => refused(code, text, said);
    if (request.namespace !== undefined && request.namespace !== namespace) {
      return no('CERT_OTHER_NAMESPACE', `It is of "${namespace}", and "${request.namespace}" is served here.`);
    }
    const now = await this.#now();
    const { issuer } = known;
    if (now < issuer.notBefore || now >= issuer.notAfter || this.#revoked.has(issuer.serial)) {
      return no('CERT_ISSUER', `"${issuer.subjectText}" is revoked, or not valid now.`);
    }
    const { device, records } = await this.#standings.of(namespace, mac, now);
    const record = records.find((one) => one.serial === serial) ?? (await this.#options.store.certificate(serial));
    if (record === undefined) return no('CERT_UNKNOWN', `The registry has no certificate ${serial}.`);
    if (!sameCertificate(record, known, der)) {
      return no('CERT_DIFFERS', `The registry has another certificate under the serial number ${serial}.`);
    }
    if (record.state === 'revoked' || this.#revoked.has(serial)) {
      return no('CERT_REVOKED', `The certificate ${serial} is revoked${endedBy(now, notAfter)}.`);
    }
    if (record.state === 'superseded') {
      return no('CERT_SUPERSEDED', `The device has renewed: ${serial} is superseded${endedBy(now, notAfter)}.`);
    }
    const renewal = record.state === 'pending' && record.renewal === true;
    if (record.state === 'pending' && !renewal) {
      return no('CERT_PENDING', `Nobody has confirmed that the device holds ${serial}.`);
    }
    if (device === undefined) return no('CERT_DEVICE_UNKNOWN', `"${namespace}" has no device ${mac}.`);
    if (OUT.includes(device.state)) return no('CERT_DEVICE_STATE', `The device ${mac} is ${device.state}.`);
    const settings = await this.#options.authority.settings(namespace);
    const renewed = renewal ? undefined : renewedBy(record, records, settings, now);
    if (renewed !== undefined) {
      return no('CERT_SUPERSEDED', `It was renewed by ${renewed}, more than ${settings.graceSupersededHours} h ago.`);
    }
    if (now < known.notBefore) return no('CERT_NOT_YET_VALID', `It is valid from ${iso(known.notBefore)} on.`);
    const yes = { ok: true, namespace, mac, serial, notAfter, record, device, records, renewal } as const;
    if (now < notAfter) return { ...yes, grace: false };
    const { use, newKey } = request;
    const grace = use === 'est' ? await graceOf(this.#options.store, record, device, settings, now, newKey) : '';
    if (typeof grace === 'string') return no('CERT_EXPIRED', `It ended on ${iso(notAfter)}.${grace}`);
    return { ...yes, ...grace, grace: true };
  }

  /** Never before the newest record: with a clock that is behind, what is over would be let in. */
  async #now(): Promise<number> {
    const now = this.#clock();
    const back = now < this.#newest || now < this.#latest;
    this.#latest = now;
    if (back || this.#newest === 0) this.#newest = await this.#options.store.newestTime();
    return Math.max(now, this.#newest);
  }

  #take(event: TrustEvent): void {
    this.#revoked.take(event);
    this.#standings.take(event);
    const { topic, namespace, subject, device, detail } = event;
    if (topic === 'registry.restored') this.#forgetIssuers();
    else if (topic === 'namespace.changed' && namespace !== null) this.#forgetIssuers(namespace);
    if (topic === 'certificate.revoked' || topic === 'certificate.superseded') {
      if (namespace === null || subject === null || typeof detail?.device !== 'string') return;
      const reason = topic === 'certificate.revoked' ? 'revoked' : 'superseded';
      this.#cut({ namespace, mac: detail.device, serials: [subject], reason });
      return;
    }
    if (device === undefined || device.mac === null) return;
    const own = { namespace: device.namespace, mac: device.mac, serials: null };
    if (topic === 'device.removed') this.#cut({ ...own, reason: 'removed' });
    if (topic === 'device.state' && OUT.includes(device.state)) {
      this.#cut({ ...own, reason: device.state as 'revoked' | 'retired' });
    }
  }

  #forgetIssuers(namespace?: string): void {
    this.#issuers.forget(namespace);
    this.#certificates.clear();
  }

  #cut(cut: Cut): void {
    for (const listener of this.#cuts) {
      try {
        listener(cut);
      } catch (error) {
        // One listener's fault must not keep another's sessions open.
        process.emitWarning(error instanceof Error ? error : String(error));
      }
    }
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();
const endedBy = (now: number, notAfter: number): string => (now < notAfter ? '' : `, and ended on ${iso(notAfter)}`);

function refused(code: TrustCode, text: string, said: Omit<Refused, 'ok' | 'code' | 'text'> = {}): Refused {
  return { ok: false, code, text, ...said };
}

/** The issuer's name is none of ours. */
function unknownIssuer(shown: Certificate, said: Omit<Refused, 'ok' | 'code' | 'text'>): Refused {
  const own = shown.issuerText === shown.subjectText ? keyOf(shown) : undefined;
  if (own !== undefined && signedBy(shown, own)) {
    return refused('CERT_SELF_SIGNED', `${quoted(shown.subjectText)} has signed it itself.`, said);
  }
  return refused('CERT_FOREIGN', `It was issued by ${quoted(shown.issuerText)}, which is none of ours.`, said);
}

/** Byte by byte: what else has this serial number is no certificate of ours, whoever signed it. */
function sameCertificate(record: CertificateRecord, known: Known, der: Uint8Array): boolean {
  if (record.kind !== 'device' || record.namespace !== known.namespace || record.device !== known.mac) return false;
  return Buffer.compare(record.der, der) === 0;
}
