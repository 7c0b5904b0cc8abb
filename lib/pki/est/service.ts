import { hash } from 'node:crypto';
import { isKeywayError, KeywayError } from '../../errors/index.ts';
import type { Issued } from '../authority/types.ts';
import { checkKeyPolicy } from '../certificate/keys.ts';
import type { SigningRequest } from '../csr/parse.ts';
import { wrongSignature } from '../csr/verify.ts';
import { secretKind, ticketHash } from '../enrol/tickets.ts';
import { AUTHORITY_NAMESPACE, deviceCommonName } from '../names.ts';
import { parsePem } from '../pem.ts';
import { verifyNow } from '../platform.node.ts';
import { createRefusals, type Refusals } from '../trust/refusals.ts';
import type { Admitted } from '../trust/types.ts';
import { answer, refusal, statusOf } from './answers.ts';
import { CSR_ATTRIBUTES } from './attributes.ts';
import { fail } from './errors.ts';
import { certsOnly } from './pkcs7.ts';
import { commonNameOf, readBasic, readCsr, readTarget } from './request.ts';
import { tell } from './tell.ts';
import type { Est, EstEvent, EstOptions, EstRequest, EstResponse } from './types.ts';

const CERTS = 'application/pkcs7-mime';
const CERTS_ONLY = `${CERTS}; smime-type=certs-only`;
const ATTRIBUTES = 'application/csrattrs';
/** Renewals of one device that nobody has used: more is a device that does something else than renew. */
const MOST_UNUSED = 8;
const CLOCK_MS = 1000;

/**
 * The EST service (RFC 7030, 8951): cacerts, csrattrs, simpleenroll with a ticket, simplereenroll with the current
 * certificate. The label of the path is the certificate namespace. Clients get a status; `onEvent` and the audit log
 * get the reason.
 */
export function createEst(options: EstOptions): Est {
  const service = new EstService(options);
  return (request) => service.answer(request);
}

/** What is known of a request by the time that it fails. */
interface Known {
  namespace?: string | undefined;
  mac?: string | undefined;
  serial?: string | undefined;
}

class EstService {
  readonly #options: EstOptions;
  readonly #clock: () => number;
  readonly #refusals: Refusals;
  /** Devices whose one renewal in grace is being made. */
  readonly #inGrace = new Map<string, Promise<unknown>>();
  /** What the clock said when it was compared with the registry, and when that was. */
  #checked = { clock: 0, at: Number.NEGATIVE_INFINITY };

  constructor(options: EstOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    this.#refusals = options.refusals ?? createRefusals({ store: options.store, clock: this.#clock });
  }

  async answer(request: EstRequest): Promise<EstResponse> {
    const known: Known = {};
    try {
      const { operation, label } = readTarget(request);
      known.namespace = label;
      if (label !== undefined && !this.#serves(label)) throw notServed(label);
      if (operation === 'simpleenroll') return await this.#enroll(request, label, known);
      if (operation === 'simplereenroll') return await this.#reenroll(request, label, known);
      const namespace = label ?? (await this.#onlyNamespace());
      const authorities = parsePem(await this.#options.authority.authorities(namespace)).map(({ bytes }) => bytes);
      return operation === 'cacerts' ? answer(CERTS, certsOnly(authorities)) : answer(ATTRIBUTES, CSR_ATTRIBUTES);
    } catch (error) {
      return this.#refused(request, known, error);
    }
  }

  #serves(namespace: string): boolean {
    const { namespaces } = this.#options;
    return namespace !== AUTHORITY_NAMESPACE && (namespaces === undefined || namespaces.includes(namespace));
  }

  /** Without a label, where there is no choice. @throws EST_NOT_FOUND */
  async #onlyNamespace(): Promise<string> {
    const all = this.#options.namespaces ?? (await this.#options.store.namespaces()).map(({ name }) => name);
    const [only, more] = all.filter((name) => name !== AUTHORITY_NAMESPACE);
    if (only !== undefined && more === undefined) return only;
    throw fail('EST_NOT_FOUND', 'The path has no label, and several certificate namespaces are served.', {
      hint: 'Ask for /.well-known/est/<namespace>/….',
    });
  }

  async #enroll(request: EstRequest, label: string | undefined, known: Known): Promise<EstResponse> {
    const user = readBasic(request);
    // Some clients first ask without credentials, to be challenged: that is nothing to write down.
    if (user === null) return refusal(401);
    const { mac, password } = user;
    const namespace = label ?? user.namespace ?? (await this.#onlyNamespace());
    Object.assign(known, { namespace, mac });
    if (user.namespace !== undefined && user.namespace !== namespace) throw notServed(user.namespace);
    if (!this.#serves(namespace)) throw notServed(namespace);
    const csr = readCsr(request);
    const { authority, store } = this.#options;
    const settings = await authority.settings(namespace);
    // Before the ticket is used up: a request that cannot be granted leaves it good.
    checkKeyPolicy(csr.key, settings.keys);
    if (!verifyNow(csr.key, csr.algorithm, csr.signature, csr.info)) throw wrongSignature();
    const now = await authority.time();
    const kind = secretKind(password);
    const terms =
      kind === 'ticket' || kind === 'replace'
        ? await store.redeemTicket(ticketHash(password, namespace, mac), now)
        : undefined;
    if (terms === undefined)
      throw fail('EST_UNAUTHORISED', 'The ticket is unknown, used, over, or for another device.');
    const device = await store.device({ namespace, mac });
    if (device === undefined) throw new KeywayError('CERT_DEVICE_UNKNOWN', `"${namespace}" has no device ${mac}.`);
    const { serial, name } = device;
    const replace = kind === 'replace';
    const held = await store.certificatesOf(namespace, mac, now);
    if (!replace && held.some(({ state }) => state === 'live')) {
      throw new KeywayError(
        'DEVICE_HAS_LIVE',
        `The device ${mac} holds a live certificate, and the ticket may not replace it.`,
      );
    }
    const issued = await authority.issueDevice(
      { namespace, mac, csr, serial, name, ...(replace ? { replace } : { renew: true }) },
      now,
    );
    // Who was to be replaced may be anybody: it ends at once, not when the new one is first used.
    if (replace) await authority.markLive(issued.serial);
    return this.#granted(request, 'est.enrolled', issued, {});
  }

  async #reenroll(request: EstRequest, label: string | undefined, known: Known): Promise<EstResponse> {
    const verdict = await this.#admitted(request, label, known);
    const csr = readCsr(request);
    const { namespace, mac, grace } = verdict;
    const expected = deviceCommonName(namespace, mac);
    if (commonNameOf(csr) !== expected) {
      throw fail('EST_SUBJECT', `The request does not ask for the subject CN=${expected} of its certificate.`, {
        hint: 'Ask for the subject that the certificate has (RFC 7030 §4.2.2).',
      });
    }
    if (!grace) return await this.#renew(request, verdict, csr);
    // Once means once: whoever comes second finds that the device has a newer one.
    return await this.#alone(expected, async () =>
      this.#renew(request, await this.#admitted(request, label, known), csr),
    );
  }

  async #admitted(request: EstRequest, label: string | undefined, known: Known): Promise<Admitted> {
    const newKey = (): string | undefined => askedKey(request);
    const asked = { use: 'est', newKey, ...(label === undefined ? {} : { namespace: label }) } as const;
    const verdict = await this.#options.judge.certificate(request.certificate, asked);
    const { namespace, mac, serial } = verdict;
    Object.assign(known, { namespace: namespace ?? label, mac, serial });
    if (!verdict.ok) throw new KeywayError(verdict.code, verdict.text);
    if (!this.#serves(verdict.namespace)) throw notServed(verdict.namespace);
    return verdict;
  }

  async #renew(request: EstRequest, verdict: Admitted, csr: SigningRequest): Promise<EstResponse> {
    const { namespace, mac, serial, record, records, device, grace } = verdict;
    const { authority, judge } = this.#options;
    const keyHash = keyHashOf(csr);
    const unused = records.filter((one) => one.state === 'pending' && one.renewal === true && one.serial !== serial);
    const told = { previous: serial, ...(grace ? { grace } : {}) };
    const again = verdict.again ?? unused.find(({ publicKeyHash }) => publicKeyHash === keyHash);
    if (again !== undefined) {
      // The answer was lost: it is given once more, to who holds its key.
      if (!verifyNow(csr.key, csr.algorithm, csr.signature, csr.info)) throw wrongSignature();
      return this.#granted(request, 'est.reenrolled', await authority.issued(again), told);
    }
    const settings = await authority.settings(namespace);
    const old = [record, ...records].some(({ publicKeyHash }) => publicKeyHash === keyHash);
    if (old && settings.rekey === 'required') {
      throw fail('EST_REKEY', `The namespace "${namespace}" demands a new key with every renewal.`, {
        hint: 'Make a new key for the request.',
      });
    }
    if (unused.length >= MOST_UNUSED) {
      throw fail('EST_TOO_MANY', `The device ${mac} has ${unused.length} renewals that it has not used.`);
    }
    await judge.used(verdict);
    const { serial: maker, name } = device;
    const order = { namespace, mac, csr, serial: maker, name, renew: true } as const;
    const issued = await authority.issueDevice(order, await this.#time());
    return this.#granted(request, 'est.reenrolled', issued, told);
  }

  /**
   * The time, as Authority.time gives it: asked once a second, since it takes a way to the registry and back.
   * @throws CLOCK_BEHIND
   */
  async #time(): Promise<number> {
    const now = this.#clock();
    if (now < this.#checked.clock || performance.now() - this.#checked.at > CLOCK_MS) {
      this.#checked = { clock: await this.#options.authority.time(), at: performance.now() };
      return this.#checked.clock;
    }
    this.#checked = { ...this.#checked, clock: now };
    return now;
  }

  async #alone(device: string, work: () => Promise<EstResponse>): Promise<EstResponse> {
    const before = this.#inGrace.get(device) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#inGrace.set(device, mine);
    try {
      return await mine;
    } finally {
      if (this.#inGrace.get(device) === mine) this.#inGrace.delete(device);
    }
  }

  #granted(
    request: EstRequest,
    topic: 'est.enrolled' | 'est.reenrolled',
    issued: Issued,
    more: Pick<EstEvent, 'previous' | 'grace'>,
  ): EstResponse {
    const { namespace, mac, serial, notAfter, der } = issued;
    this.#tell({ topic, source: request.source ?? null, namespace, mac, serial, notAfter, ...more });
    return answer(CERTS_ONLY, certsOnly([der]));
  }

  #refused(request: EstRequest, known: Known, error: unknown): EstResponse {
    const status = statusOf(error);
    const code = isKeywayError(error) ? error.code : 'INTERNAL';
    const text = isKeywayError(error) ? error.message : 'An error that nobody has foreseen.';
    const { namespace, mac, serial } = known;
    const { source } = request;
    const topic = status >= 500 ? 'est.failed' : 'est.refused';
    const outcome = status >= 500 ? 'failed' : 'denied';
    this.#refusals.write({ action: topic, actor: 'keyway-est', source, code, text, namespace, mac, serial, outcome });
    const who = { namespace: namespace ?? null, mac: mac ?? null, serial: serial ?? null };
    this.#tell({ topic, source: source ?? null, ...who, code, text });
    return refusal(status, isKeywayError(error) ? error.detail?.allow : undefined);
  }

  #tell(event: Omit<EstEvent, 'at'>): void {
    tell(this.#options, { ...event, at: this.#clock() });
  }
}

const keyHashOf = ({ key }: SigningRequest): string => hash('sha256', key.spki, 'hex');

/** What cannot be read asks for no key: it is refused for what its certificate is. */
function askedKey(request: EstRequest): string | undefined {
  try {
    return keyHashOf(readCsr(request));
  } catch {
    return undefined;
  }
}

function notServed(namespace: string): Error {
  return fail('EST_NOT_FOUND', `The certificate namespace ${JSON.stringify(namespace)} is not served here.`);
}
