import { createHash, createPrivateKey, generateKeyPair, type KeyObject, randomBytes, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { codeOf } from '../../../errors/index.ts';
import { parsePem, toPem } from '../../../pki/index.ts';
import { CertificateTemplate, distinguishedName, signingKey } from '../../../pki/node.ts';
import { type Keystore, wipe, writeSecretFile } from '../../../vault/index.ts';
import { fail } from './errors.ts';

/** What one side shows of itself: a certificate that it signed itself, and its key. */
export interface LinkIdentity {
  /** PEM. */
  readonly certificate: string;
  readonly key: KeyObject;
  /** SHA-256 of the certificate in DER, hex: by this the other side knows it. */
  readonly fingerprint: string;
}

/** A pinned certificate is known by its bytes: its dates mean nothing, and gateways may not know the date. */
const FROM = Date.UTC(2000, 0, 1);
/** RFC 5280 §4.1.2.5: no well-defined end. */
const UNTIL = Date.UTC(9999, 11, 31, 23, 59, 59);
/** In a SubjectPublicKeyInfo of P-256, where the bits of its key begin. */
const KEY_AT = 26;
const PURPOSE = 'osdp-provisioner-link';
const CLIENT_AND_SERVER = ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1'];

const generate = promisify(generateKeyPair);
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** SHA-256 of a certificate in DER, hex. */
export const fingerprintOf = (der: Uint8Array): string => sha256(der).toString('hex');

/**
 * A new P-256 key with a certificate of its own (X.509 v3, RFC 5280).
 * @param name 1 … 64 characters, for people
 * @throws BAD_NAME
 */
export async function makeLinkIdentity(name: string): Promise<LinkIdentity> {
  const subject = distinguishedName(name);
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  const { spki } = signingKey(privateKey);
  const template = new CertificateTemplate({
    signature: 'ecdsa-sha256',
    issuer: subject,
    issuerKeyId: null,
    purposes: CLIENT_AND_SERVER,
  });
  const serial = randomBytes(16);
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40;
  const tbs = template.tbs({
    serial,
    notBefore: FROM,
    notAfter: UNTIL,
    subject,
    spki,
    keyId: sha256(spki.subarray(KEY_AT)).subarray(0, 20),
    alternativeNames: null,
  });
  const der = template.certificate(tbs, sign('sha256', tbs, privateKey));
  return { certificate: toPem('CERTIFICATE', der), key: privateKey, fingerprint: fingerprintOf(der) };
}

/**
 * The identity that a file keeps, its key sealed by the keystore; a new one when there is no such file.
 * @throws LINK_FILE, the keystore's
 */
export async function openLinkIdentity(path: string, name: string, keystore: Keystore): Promise<LinkIdentity> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') throw badFile(path, cause);
    const made = await makeLinkIdentity(name);
    await writeSecretFile(path, Buffer.from(identityText(made, keystore)));
    return made;
  }
  const { certificate, sealed } = readIdentity(path, text);
  const der = parsePem(certificate)[0]?.bytes;
  if (der === undefined) throw badFile(path, undefined);
  const fingerprint = fingerprintOf(der);
  const pkcs8 = keystore.unseal(PURPOSE, sealed, fingerprint);
  try {
    return { certificate, key: createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }), fingerprint };
  } finally {
    wipe(pkcs8);
  }
}

function identityText({ certificate, key, fingerprint }: LinkIdentity, keystore: Keystore): string {
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  try {
    const sealed = Buffer.from(keystore.seal(PURPOSE, pkcs8, fingerprint)).toString('base64');
    return `${JSON.stringify({ kind: 'keyway-link-identity', version: 1, certificate, sealed }, null, 2)}\n`;
  } finally {
    wipe(pkcs8);
  }
}

function readIdentity(path: string, text: string): { certificate: string; sealed: Buffer } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badFile(path, cause);
  }
  const { kind, version, certificate, sealed } = (value ?? {}) as Record<string, unknown>;
  if (kind !== 'keyway-link-identity' || version !== 1) throw badFile(path, undefined);
  if (typeof certificate !== 'string' || typeof sealed !== 'string') throw badFile(path, undefined);
  return { certificate, sealed: Buffer.from(sealed, 'base64') };
}

function badFile(path: string, cause: unknown): Error {
  return fail('LINK_FILE', `The identity in ${path} cannot be read (${codeOf(cause, 'it is none of ours')}).`, {
    hint: 'Restore it from a backup, or move it away and pair anew.',
    detail: { field: 'path', value: path },
    ...(cause === undefined ? {} : { cause }),
  });
}
