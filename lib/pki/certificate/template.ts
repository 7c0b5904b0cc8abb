import { OID } from '../der/oids.ts';
import { TAG } from '../der/reader.ts';
import {
  bitString,
  boolean,
  concat,
  explicit,
  implicit,
  integer,
  lengthSize,
  NULL,
  namedBits,
  octets,
  oid,
  putHeader,
  sequence,
  time,
  tlv,
  unsigned,
} from '../der/writer.ts';

/** How the issuer signs. */
export type SignatureKind = 'ecdsa-sha256' | 'rsa-sha256';

/** What all certificates of one kind and issuer have in common. Plain data: it travels to a worker. */
export interface TemplateTerms {
  readonly signature: SignatureKind;
  /** The issuer's subject, DER. */
  readonly issuer: Uint8Array;
  /** The issuer's subjectKeyIdentifier; null for a certificate that signs itself. */
  readonly issuerKeyId: Uint8Array | null;
  /** For an authority: how many authorities may follow it, null for any number. Not given for others. */
  readonly pathLength?: number | null;
  /** Extended key usages, dotted. */
  readonly purposes: readonly string[];
  /** Where its issuer's revocation list is. */
  readonly crlUrl?: string;
}

/** What one certificate has of its own. */
export interface CertificateFields {
  /** Most significant byte first. */
  readonly serial: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  /** A Name, DER. */
  readonly subject: Uint8Array;
  /** A SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** 20 bytes. */
  readonly keyId: Uint8Array;
  /** The content of a subjectAltName, DER; null for none. */
  readonly alternativeNames: Uint8Array | null;
}

const VERSION_3 = explicit(0, integer(2));
/** AlgorithmIdentifiers. */
export const SIGNATURES: Readonly<Record<SignatureKind, Uint8Array>> = {
  'ecdsa-sha256': sequence(oid(OID.ecdsaSha256)),
  'rsa-sha256': sequence(oid(OID.rsaSha256), NULL),
};
const encoder = new TextEncoder();

/** An Extension, DER. */
export const extension = (type: string, critical: boolean, value: Uint8Array): Uint8Array =>
  critical ? sequence(oid(type), boolean(true), octets(value)) : sequence(oid(type), octets(value));

/** RFC 7093 §2: identifiers of keys have 160 bits. */
export const KEY_ID_BYTES = 20;
/** [3] of a TBSCertificate. */
const EXTENSIONS = 0xa3;
const NOTHING = new Uint8Array(0);
/** Key usages, RFC 5280 §4.2.1.3. */
const DIGITAL_SIGNATURE = 0;
const KEY_CERT_SIGN = 5;
const CRL_SIGN = 6;

/** Certificates of one kind and issuer (X.509 v3, RFC 5280), written as DER in one pass. */
export class CertificateTemplate {
  readonly #signature: Uint8Array;
  /** Signature algorithm and issuer. */
  readonly #issued: Uint8Array;
  /** Constraints, usage, and what stands before the bytes of the key's identifier. */
  readonly #before: Uint8Array;
  /** Purposes, the issuer's identifier, and where its list is. */
  readonly #after: Uint8Array;

  constructor(terms: TemplateTerms) {
    this.#signature = SIGNATURES[terms.signature];
    this.#issued = concat([this.#signature, terms.issuer]);
    const { pathLength } = terms;
    const authority = pathLength !== undefined;
    const constraints = authority ? [boolean(true), ...(pathLength === null ? [] : [integer(pathLength)])] : [];
    const usages = authority ? [KEY_CERT_SIGN, CRL_SIGN] : [DIGITAL_SIGNATURE];
    const keyId = extension(OID.subjectKeyId, false, octets(new Uint8Array(KEY_ID_BYTES)));
    this.#before = concat([
      extension(OID.basicConstraints, true, sequence(...constraints)),
      extension(OID.keyUsage, true, namedBits(usages)),
      keyId.subarray(0, -KEY_ID_BYTES),
    ]);
    this.#after = concat([
      ...(terms.purposes.length === 0
        ? []
        : [extension(OID.extendedKeyUsage, false, sequence(...terms.purposes.map(oid)))]),
      ...(terms.issuerKeyId === null
        ? []
        : [extension(OID.authorityKeyId, false, sequence(implicit(0, terms.issuerKeyId)))]),
      ...(terms.crlUrl === undefined ? [] : [extension(OID.crlDistributionPoints, false, crlPoint(terms.crlUrl))]),
    ]);
  }

  /** What is to be signed. */
  tbs(fields: CertificateFields): Uint8Array {
    const names =
      fields.alternativeNames === null ? NOTHING : extension(OID.subjectAltName, false, fields.alternativeNames);
    const validity = sequence(time(fields.notBefore), time(fields.notAfter));
    const extensions = [this.#before, fields.keyId, names, this.#after];
    const list = extensions.reduce((sum, { length }) => sum + length, 0);
    const wrapped = 1 + lengthSize(list) + list;
    const head = [VERSION_3, unsigned(fields.serial), this.#issued, validity, fields.subject, fields.spki];
    const content = head.reduce((sum, { length }) => sum + length, 1 + lengthSize(wrapped) + wrapped);
    const out = new Uint8Array(1 + lengthSize(content) + content);
    let at = putAll(out, putHeader(out, 0, TAG.sequence, content), head);
    at = putHeader(out, at, EXTENSIONS, wrapped);
    putAll(out, putHeader(out, at, TAG.sequence, list), extensions);
    return out;
  }

  /** The certificate: what was signed, and its signature. */
  certificate(tbs: Uint8Array, signature: Uint8Array): Uint8Array {
    return sequence(tbs, this.#signature, bitString(signature));
  }
}

/** @returns where the next one goes */
function putAll(out: Uint8Array, at: number, parts: readonly Uint8Array[]): number {
  let next = at;
  for (const part of parts) {
    out.set(part, next);
    next += part.length;
  }
  return next;
}

function crlPoint(url: string): Uint8Array {
  const name = implicit(6, encoder.encode(url));
  return sequence(sequence(tlv(0xa0, tlv(0xa0, name))));
}
