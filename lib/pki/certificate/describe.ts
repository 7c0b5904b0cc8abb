import { toHex } from '../pem.ts';
import type { PkiPlatform } from '../platform.ts';
import { type Certificate, parseCertificate } from './inspect.ts';

/** A certificate for people, as JSON can hold it. Nothing of it is verified. */
export interface CertificateDescription {
  /** "CN=plant:246f28aabbcc" */
  readonly subject: string;
  readonly issuer: string;
  readonly commonName: string | null;
  /** Lower-case hex, at least 32 digits. */
  readonly serial: string;
  /** ISO 8601, UTC. */
  readonly notBefore: string;
  readonly notAfter: string;
  readonly state: 'not yet valid' | 'valid' | 'over';
  /** Until notAfter, rounded down; negative when that is past. */
  readonly hoursLeft: number;
  /** "P-256", "RSA 2048" */
  readonly key: string;
  readonly signature: string;
  readonly authority: boolean;
  readonly keyUsage: readonly string[];
  /** "clientAuth"; empty when it says nothing, which allows everything. */
  readonly purposes: readonly string[];
  /** "dns:broker.example.com" */
  readonly names: readonly string[];
  readonly crlUrls: readonly string[];
  readonly keyId: string | null;
  readonly authorityKeyId: string | null;
  /** SHA-256 of the certificate, lower-case hex. */
  readonly fingerprint: string;
  /** SHA-256 of its SubjectPublicKeyInfo, lower-case hex. */
  readonly publicKeyHash: string;
}

const HOUR = 3_600_000;

/**
 * Describes a certificate for people.
 * @param input DER, or PEM as text: its first certificate
 * @param now ms since 1970
 * @throws BAD_CERTIFICATE, BAD_PEM
 */
export async function describeCertificate(
  platform: Pick<PkiPlatform, 'sha256'>,
  input: Uint8Array | string | Certificate,
  now: number,
): Promise<CertificateDescription> {
  const found = typeof input === 'string' || input instanceof Uint8Array ? parseCertificate(input) : input;
  return {
    subject: found.subjectText,
    issuer: found.issuerText,
    commonName: found.commonName,
    serial: found.serial,
    notBefore: new Date(found.notBefore).toISOString(),
    notAfter: new Date(found.notAfter).toISOString(),
    state: now < found.notBefore ? 'not yet valid' : now < found.notAfter ? 'valid' : 'over',
    hoursLeft: Math.floor((found.notAfter - now) / HOUR),
    key: found.key.name,
    signature: found.signatureAlgorithm,
    authority: found.authority !== null,
    keyUsage: found.keyUsage ?? [],
    purposes: found.purposes ?? [],
    names: found.alternativeNames.map(({ kind, value }) => `${kind}:${value}`),
    crlUrls: found.crlUrls,
    keyId: found.keyId,
    authorityKeyId: found.authorityKeyId,
    fingerprint: toHex(await platform.sha256(found.der)),
    publicKeyHash: toHex(await platform.sha256(found.key.spki)),
  };
}
