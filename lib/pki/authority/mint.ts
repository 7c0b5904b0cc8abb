import { hash, type KeyObject, sign } from 'node:crypto';
import { checkKeyPolicy, type KeyPolicy } from '../certificate/keys.ts';
import { CertificateTemplate, KEY_ID_BYTES, type TemplateTerms } from '../certificate/template.ts';
import { type CrlFields, crlBody, crlOf } from '../crl/build.ts';
import { parseCsr, type SigningRequest } from '../csr/parse.ts';
import { wrongSignature } from '../csr/verify.ts';
import { verifyNow } from '../platform.node.ts';

/** A certificate that is to be made of a signing request. Plain data: it travels to a worker. */
export interface MintOrder {
  /** One that was taken apart is not read again. */
  readonly csr: Uint8Array | string | SigningRequest;
  readonly keys: KeyPolicy;
  /** 16 bytes. */
  readonly serial: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  /** A Name, DER. */
  readonly subject: Uint8Array;
  /** The content of a subjectAltName, DER; null for none. */
  readonly alternativeNames: Uint8Array | null;
}

/** A certificate that was made. */
export interface Minted {
  readonly der: Uint8Array;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly publicKeyHash: string;
}

/** The leftmost 160 bits of the SHA-256 of a public key's bits: RFC 7093 §2, method 1. */
export function keyIdOf(key: Uint8Array): Uint8Array {
  return hash('sha256', key, 'buffer').subarray(0, KEY_ID_BYTES);
}

/** One issuing key with what its certificates have in common: the hot path, on one thread. */
export class Issuer {
  readonly #template: CertificateTemplate;
  readonly #key: KeyObject;
  readonly #terms: TemplateTerms;

  constructor(terms: TemplateTerms, key: KeyObject) {
    this.#template = new CertificateTemplate(terms);
    this.#key = key;
    this.#terms = terms;
  }

  /**
   * Checks a request and its proof of possession, and makes the certificate that is ordered.
   * @throws CSR_TOO_LARGE, BAD_CSR, BAD_PEM, CSR_KEY_REFUSED, CSR_SIGNATURE
   */
  mint(order: MintOrder): Minted {
    const { csr } = order;
    const request = typeof csr === 'string' || csr instanceof Uint8Array ? parseCsr(csr) : csr;
    checkKeyPolicy(request.key, order.keys);
    const { key, algorithm, signature, info } = request;
    if (!verifyNow(key, algorithm, signature, info)) throw wrongSignature();
    return this.sign(order, key);
  }

  /** Makes a revocation list. @param url where it is served, as the certificates say; not given for the root's */
  list(fields: Pick<CrlFields, 'number' | 'thisUpdate' | 'nextUpdate' | 'entries' | 'url'>): Uint8Array {
    const { signature, issuer, issuerKeyId } = this.#terms;
    const body = crlBody({ ...fields, signature, issuer, issuerKeyId });
    return crlOf(body, signature, sign('sha256', body, this.#key));
  }

  /** Makes a certificate for a key that is known to be its owner's. */
  sign(order: Omit<MintOrder, 'csr' | 'keys'>, key: { readonly spki: Uint8Array; readonly key: Uint8Array }): Minted {
    const { serial, notBefore, notAfter, subject, alternativeNames } = order;
    const own = { serial, notBefore, notAfter, subject, alternativeNames };
    const tbs = this.#template.tbs({ ...own, spki: key.spki, keyId: keyIdOf(key.key) });
    const der = this.#template.certificate(tbs, sign('sha256', tbs, this.#key));
    return { der, publicKeyHash: hash('sha256', key.spki, 'hex') };
  }
}
