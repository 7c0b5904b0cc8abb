import { createHash } from 'node:crypto';
import type { Certificate } from '../../lib/pki/index.ts';
import type { CertificateRecord } from '../../lib/registry/index.ts';
import { withColons } from '../shared/registry.ts';

const DAY = 86_400_000;
const iso = (ms: number): string => new Date(ms).toISOString();

/** Days until then, rounded down to a hundredth; negative when it is over. */
function daysUntil(ms: number, now: number): number {
  return Math.floor((100 * (ms - now)) / DAY) / 100;
}

/** A certificate of the registry, for people and flows. */
export function shownRecord(record: CertificateRecord, now: number): Record<string, unknown> {
  const { serial, namespace, device, kind, state, notBefore, notAfter, reason, revokedAt } = record;
  return {
    serial,
    namespace,
    mac: device === null ? null : withColons(device),
    kind,
    state,
    notBefore: iso(notBefore),
    notAfter: iso(notAfter),
    daysLeft: daysUntil(notAfter, now),
    ...(reason === undefined ? {} : { reason }),
    ...(revokedAt === undefined ? {} : { revoked: iso(revokedAt) }),
  };
}

/** What stands in a certificate, for people and flows. Nothing of it is verified. */
export function shownCertificate(certificate: Certificate, now: number): Record<string, unknown> {
  const { der, key, authority, alternativeNames, notBefore, notAfter } = certificate;
  const { serial, subjectText, issuerText, commonName, signatureAlgorithm, keyUsage, purposes } = certificate;
  return {
    serial,
    subject: subjectText,
    issuer: issuerText,
    commonName,
    notBefore: iso(notBefore),
    notAfter: iso(notAfter),
    daysLeft: daysUntil(notAfter, now),
    key: key.name,
    signatureAlgorithm,
    authority: authority !== null,
    keyUsage: keyUsage ?? [],
    purposes: purposes ?? [],
    alternativeNames: alternativeNames.map(({ kind, value }) => `${kind}:${value}`),
    keyId: certificate.keyId,
    authorityKeyId: certificate.authorityKeyId,
    crlUrls: certificate.crlUrls,
    fingerprint: createHash('sha256').update(der).digest('hex'),
  };
}
