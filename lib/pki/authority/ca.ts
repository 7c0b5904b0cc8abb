import { createPublicKey, type KeyObject, randomFillSync } from 'node:crypto';
import { type Certificate, parseCertificate } from '../certificate/inspect.ts';
import { publicKeyOf } from '../certificate/keys.ts';
import { distinguishedName } from '../certificate/names.ts';
import { parseDer } from '../der/reader.ts';
import { fail } from '../errors.ts';
import { AUTHORITY_NAMESPACE } from '../names.ts';
import { toHex } from '../pem.ts';
import type { AuthorityStore, CertificateKind, CertificateRecord } from '../store.ts';
import { BACKDATE, type Ground, timeFor, wholeSeconds } from './ground.ts';
import { signRootCrl } from './lists.ts';
import { generateAuthorityKey, keepMaterial, loadMaterial, openKey, ROOT, termsOf } from './material.ts';
import { Issuer, type Minted } from './mint.ts';
import { checkPassphrase } from './passphrase.ts';
import type { IntermediateTerms, RootTerms } from './types.ts';

const DAY = 86_400_000;
const ROOT_DAYS = 7305;
const INTERMEDIATE_DAYS = 3652;
const DEMO_DAYS = 30;
const iso = (ms: number): string => new Date(ms).toISOString();

/** 128 random bits; from one draw for many, since each draw is a call into the system. */
export function newSerial(): Uint8Array {
  if (drawn >= POOL.length) {
    randomFillSync(POOL);
    drawn = 0;
  }
  const serial = POOL.slice(drawn, drawn + 16);
  drawn += 16;
  return serial;
}

const POOL = new Uint8Array(4096);
let drawn = POOL.length;

/** The validity of what is issued now: five minutes back, and not beyond its issuer's end. @throws ISSUER_EXPIRED */
export function validity(
  now: number,
  forMs: number,
  issuer: Certificate | null,
): { notBefore: number; notAfter: number } {
  if (issuer !== null && (now < issuer.notBefore || now >= issuer.notAfter)) {
    throw fail('ISSUER_EXPIRED', `"${issuer.subjectText}" is valid until ${iso(issuer.notAfter)}.`, {
      hint: 'Make or import a new one: it cannot issue any more.',
      detail: { notBefore: issuer.notBefore, notAfter: issuer.notAfter },
    });
  }
  const end = wholeSeconds(now + forMs);
  return { notBefore: wholeSeconds(now - BACKDATE), notAfter: issuer === null ? end : Math.min(end, issuer.notAfter) };
}

/** The record of a certificate that was just made. */
export function recordOf(
  minted: Minted,
  serial: Uint8Array,
  own: Pick<CertificateRecord, 'namespace' | 'device' | 'kind' | 'state' | 'notBefore' | 'notAfter'>,
): CertificateRecord {
  return { ...own, serial: toHex(serial), der: minted.der, publicKeyHash: minted.publicKeyHash };
}

/** A new root. @throws AUTHORITY_EXISTS, BAD_PASSPHRASE, BAD_NAME, BAD_SETTINGS, CLOCK_BEHIND */
export async function createRoot(ground: Ground, terms: RootTerms): Promise<Certificate> {
  const { keystore, store } = ground;
  if (!keystore.demo || terms.passphrase !== undefined) checkPassphrase(terms.passphrase);
  await noRootYet(store);
  const days = daysOf(terms.validityDays, ROOT_DAYS, keystore.demo);
  const subject = distinguishedName(terms.name ?? 'Keyway root', ground.organisation);
  const times = validity(await timeFor(ground), days * DAY, null);
  const key = await generateAuthorityKey(terms.key ?? 'P-256');
  const own = { subject, keyId: null } as const;
  const certificate = await signAuthority(
    ground,
    { kind: 'root', key, ...times, subject, pathLength: 1, purposes: [] },
    {
      issuer: own,
      key,
      crlUrl: undefined,
    },
  );
  await keepMaterial(store, keystore, ROOT, { certificate, above: [], key }, terms.passphrase);
  await signRootCrl(ground, certificate, key);
  return certificate;
}

/** @throws AUTHORITY_EXISTS */
export async function noRootYet(store: AuthorityStore): Promise<void> {
  if ((await store.keyRecord(ROOT)) === undefined) return;
  throw fail('AUTHORITY_EXISTS', 'This authority has a root already.', {
    hint: 'Keep it, or start with an empty registry: certificates under it would be orphans.',
  });
}

function daysOf(days: number | undefined, usual: number, demo: boolean): number {
  const found = days ?? (demo ? DEMO_DAYS : usual);
  const most = demo ? DEMO_DAYS : 3 * ROOT_DAYS;
  if (Number.isInteger(found) && found >= 1 && found <= most) return found;
  throw fail('BAD_SETTINGS', `An authority cannot be valid for ${found} days.`, {
    hint: `Choose 1 to ${most}${demo ? ': a demonstration lives no longer' : ''}.`,
    detail: { field: 'validityDays', value: found },
  });
}

/** What an intermediate is for. */
export interface IntermediateKind {
  /** Of its key record. */
  readonly name: string;
  readonly commonName: string;
  readonly purposes: readonly string[];
}

/** A new intermediate under the root. @throws AUTHORITY_MISSING, ROOT_OUT, BAD_PASSPHRASE, BAD_NAME, ISSUER_EXPIRED */
export async function createIntermediate(
  ground: Ground,
  kind: IntermediateKind,
  terms: IntermediateTerms,
): Promise<Certificate> {
  const { keystore, store } = ground;
  const root = await loadMaterial(store, keystore, ROOT);
  if (root === undefined) {
    throw fail('AUTHORITY_MISSING', 'This authority has no root yet.', { hint: 'Make or import a root first.' });
  }
  const rootKey = await openKey(root, terms.passphrase);
  const days = daysOf(terms.validityDays, INTERMEDIATE_DAYS, keystore.demo);
  const times = validity(await timeFor(ground), days * DAY, root.certificate);
  const key = await generateAuthorityKey(terms.key ?? 'P-256');
  const subject = distinguishedName(kind.commonName, ground.organisation);
  const certificate = await signAuthority(
    ground,
    { kind: 'intermediate', key, ...times, subject, pathLength: 0, purposes: kind.purposes },
    { issuer: root.certificate, key: rootKey, crlUrl: ground.crlBaseUrl && `${ground.crlBaseUrl}/root.crl` },
  );
  await keepMaterial(store, keystore, kind.name, { certificate, above: [root.certificate, ...root.above], key });
  // Its key is at hand: so its list starts its year anew.
  await signRootCrl(ground, root.certificate, rootKey);
  return certificate;
}

interface AuthorityToSign {
  readonly kind: Extract<CertificateKind, 'root' | 'intermediate'>;
  readonly key: KeyObject;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly subject: Uint8Array;
  readonly pathLength: number;
  readonly purposes: readonly string[];
}

async function signAuthority(
  ground: Ground,
  { kind, key, notBefore, notAfter, subject, pathLength, purposes }: AuthorityToSign,
  by: { issuer: Pick<Certificate, 'subject' | 'keyId'>; key: KeyObject; crlUrl: string | undefined },
): Promise<Certificate> {
  const spki = publicKeyOf(parseDer(new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }))));
  const serial = newSerial();
  const terms = termsOf(by.issuer, by.key, { pathLength, purposes, ...(by.crlUrl && { crlUrl: by.crlUrl }) });
  const order = { serial, notBefore, notAfter, subject, alternativeNames: null };
  const minted = new Issuer(terms, by.key).sign(order, spki);
  const own = { namespace: AUTHORITY_NAMESPACE, device: null, kind, state: 'live', notBefore, notAfter } as const;
  await keepCertificate(ground.store, recordOf(minted, serial, own));
  return parseCertificate(minted.der);
}

/** Keeps the certificate of an authority or service, in the namespace that holds those. */
export async function keepCertificate(store: AuthorityStore, record: CertificateRecord): Promise<void> {
  if ((await store.namespace(AUTHORITY_NAMESPACE)) === undefined) {
    await store.putNamespace({ name: AUTHORITY_NAMESPACE, settings: {} });
  }
  await store.addCertificate(record);
}
