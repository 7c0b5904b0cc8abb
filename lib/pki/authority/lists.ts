import type { KeyObject } from 'node:crypto';
import { keyRecordSeal } from '../../vault/index.ts';
import type { Certificate } from '../certificate/inspect.ts';
import { crlEntries, packRevoked } from '../crl/build.ts';
import type { CrlOrder } from '../crl/types.ts';
import { fail } from '../errors.ts';
import { AUTHORITY_NAMESPACE } from '../names.ts';
import { type Ground, timeFor, wholeSeconds } from './ground.ts';
import type { Ready } from './issuers.ts';
import { loadMaterial, openKey, ROOT, termsOf } from './material.ts';
import { Issuer } from './mint.ts';

/** The key record that holds the root's list. */
const ROOT_LIST = 'ca.root.crl';
/** Counts the lists of the root. */
const ROOT_NUMBERS = `${AUTHORITY_NAMESPACE}.root`;
const YEAR = 365 * 86_400_000;

/** See Authority.issueCrl. */
export async function issueCrl(
  { store }: Ground,
  ready: Ready,
  namespace: string,
  { thisUpdate, nextUpdate, entries }: CrlOrder,
): Promise<{ der: Uint8Array; number: number }> {
  const number = await store.nextCrlNumber(namespace);
  const { crlUrl: url } = ready;
  const der = ready.issuer.list({ number, thisUpdate, nextUpdate, entries, ...(url === undefined ? {} : { url }) });
  return { der, number };
}

/** The root's list as it was signed last. */
export async function rootCrl({ store, keystore }: Ground): Promise<Uint8Array | undefined> {
  const sealed = await store.keyRecord(ROOT_LIST);
  if (sealed === undefined) return undefined;
  const { purpose, owner } = keyRecordSeal(ROOT_LIST);
  return new Uint8Array(keystore.unseal(purpose, sealed, owner));
}

/** See Authority.renewRootCrl. */
export async function renewRootCrl(ground: Ground, passphrase: Uint8Array | undefined): Promise<Uint8Array> {
  const root = await loadMaterial(ground.store, ground.keystore, ROOT);
  if (root === undefined) {
    throw fail('AUTHORITY_MISSING', 'This authority has no root yet.', { hint: 'Make or import a root first.' });
  }
  return await signRootCrl(ground, root.certificate, await openKey(root, passphrase));
}

/** Signs the list of the root while its key is at hand, and keeps it: with a passphrase before it, it seldom is. */
export async function signRootCrl(ground: Ground, root: Certificate, key: KeyObject): Promise<Uint8Array> {
  const { store, keystore } = ground;
  const now = await timeFor(ground);
  // Whatever is over by now stood in the list of the year before, and may go (RFC 5280 §3.3).
  const revoked = await store.revokedSince(AUTHORITY_NAMESPACE, now - YEAR);
  const entries = crlEntries(packRevoked(revoked.filter(({ kind }) => kind === 'intermediate'))).der;
  const thisUpdate = wholeSeconds(now);
  const nextUpdate = Math.min(thisUpdate + YEAR, root.notAfter);
  const number = await store.nextCrlNumber(ROOT_NUMBERS);
  const der = new Issuer(termsOf(root, key, { purposes: [] }), key).list({ number, thisUpdate, nextUpdate, entries });
  const { purpose, owner } = keyRecordSeal(ROOT_LIST);
  await store.putKeyRecord(ROOT_LIST, keystore.seal(purpose, der, owner));
  return der;
}
