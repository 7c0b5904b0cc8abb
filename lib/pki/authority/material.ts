import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { type Keystore, keyRecordSeal, wipe } from '../../vault/index.ts';
import { type Certificate, parseCertificate } from '../certificate/inspect.ts';
import type { TemplateTerms } from '../certificate/template.ts';
import { fail } from '../errors.ts';
import { plain } from '../platform.node.ts';
import type { AuthorityStore } from '../store.ts';
import { decryptPrivateKey, encryptPrivateKey } from './passphrase.ts';

/** The certificate and key of one issuing authority. */
export interface Material {
  readonly certificate: Certificate;
  /** Those above it, up to the root. */
  readonly above: readonly Certificate[];
  /** PKCS#8, DER, behind a passphrase (PBES2) when `encrypted`; null when it was taken out. */
  readonly key: Uint8Array | null;
  readonly encrypted: boolean;
}

/** Which key an authority signs with. */
export type AuthorityKeyKind = 'P-256' | 'RSA-3072' | 'RSA-4096';

const generate = promisify(generateKeyPair);

export const ROOT = 'ca.root';
export const SERVICES = 'ca.services';
export const namespaceKeyName = (namespace: string): string => `ca.namespace.${namespace}`;

export async function generateAuthorityKey(kind: AuthorityKeyKind): Promise<KeyObject> {
  if (kind === 'P-256') return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
  return (await generate('rsa', { modulusLength: kind === 'RSA-4096' ? 4096 : 3072 })).privateKey;
}

/** Keeps it, sealed. The copies of the key that this makes are overwritten; `passphrase` stays the caller's. */
export async function keepMaterial(
  store: AuthorityStore,
  keystore: Keystore,
  name: string,
  material: { certificate: Certificate; above: readonly Certificate[]; key: KeyObject | null },
  passphrase?: Uint8Array,
): Promise<void> {
  let key = material.key === null ? new Uint8Array(0) : plain(material.key.export({ type: 'pkcs8', format: 'der' }));
  if (key.length > 0 && passphrase !== undefined) key = await encryptPrivateKey(key, passphrase);
  const chain = [material.certificate, ...material.above].map(({ der }) => der);
  const record = packed([Uint8Array.of(passphrase === undefined ? 0 : 1), key, ...chain]);
  try {
    const { purpose, owner } = keyRecordSeal(name);
    await store.putKeyRecord(name, keystore.seal(purpose, record, owner));
  } finally {
    wipe(key);
    wipe(record);
  }
}

/** @throws the keystore's */
export async function loadMaterial(
  store: AuthorityStore,
  keystore: Keystore,
  name: string,
): Promise<Material | undefined> {
  const sealed = await store.keyRecord(name);
  if (sealed === undefined) return undefined;
  const { purpose, owner } = keyRecordSeal(name);
  const record = keystore.unseal(purpose, sealed, owner);
  try {
    const [flag, key, certificate, ...above] = unpacked(record);
    return {
      certificate: parseCertificate(certificate as Uint8Array),
      above: above.map(parseCertificate),
      key: key === undefined || key.length === 0 ? null : key,
      encrypted: flag?.[0] === 1,
    };
  } finally {
    wipe(record);
  }
}

/** Parts one after the other, each behind its length: bytes that can be overwritten, as a text cannot. */
function packed(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length);
    out.set(part, at + 4);
    at += 4 + part.length;
  }
  return out;
}

/** Copies. What was sealed is as it was packed. */
function unpacked(record: Buffer): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < record.length; ) {
    const length = record.readUInt32BE(at);
    parts.push(Uint8Array.from(record.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return parts;
}

/**
 * The key, ready to sign. The bytes in `material` are overwritten.
 * @throws ROOT_OUT, BAD_PASSPHRASE
 */
export async function openKey(material: Material, passphrase?: Uint8Array): Promise<KeyObject> {
  if (material.key === null) {
    throw fail('ROOT_OUT', 'The key of the root was taken out of this authority.', {
      hint: 'Put it back in with its passphrase, do this, and take it out again.',
    });
  }
  try {
    if (material.encrypted) return await decryptPrivateKey(material.key, passphrase);
    return createPrivateKey({ key: material.key as Buffer, format: 'der', type: 'pkcs8' });
  } finally {
    wipe(material.key);
  }
}

/** What certificates have in common that this authority issues. */
export function termsOf(
  issuer: Pick<Certificate, 'subject' | 'keyId'>,
  key: KeyObject,
  kind: Pick<TemplateTerms, 'pathLength' | 'purposes' | 'crlUrl'>,
): TemplateTerms {
  return {
    ...kind,
    signature: key.asymmetricKeyType === 'rsa' ? 'rsa-sha256' : 'ecdsa-sha256',
    issuer: issuer.subject,
    issuerKeyId: issuer.keyId === null ? null : Uint8Array.from(Buffer.from(issuer.keyId, 'hex')),
  };
}

/** Whether a key belongs to a certificate. */
export function belongs(key: KeyObject, certificate: Certificate): boolean {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return spki.equals(certificate.key.spki);
}
