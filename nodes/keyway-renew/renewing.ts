import { createPrivateKey } from 'node:crypto';
import { isKeywayError } from '../../lib/errors/index.ts';
import { createCsr } from '../../lib/pki/index.ts';
import { createEstClient, type EstCertificate, nodePki, signingKey } from '../../lib/pki/node.ts';
import { pemBytes } from '../shared/pem-bytes.ts';

/** What is renewed, while its key is at hand. */
export interface OwnIdentity {
  /** Certificate and intermediates, PEM. */
  readonly certificate: string;
  /** PEM, a secret: it is overwritten by whoever gave it. */
  readonly key: Uint8Array;
  /** PEM. */
  readonly ca: string;
  readonly commonName: string;
}

/** A new key and its certificate. */
export interface Renewed {
  readonly certificate: EstCertificate;
  /** PEM, a secret: it is overwritten by whoever gave it. */
  readonly key: Buffer;
}

export interface RenewTerms {
  readonly url: string;
  readonly label: string | undefined;
  readonly servername: string | undefined;
  readonly signal: AbortSignal;
}

/** PEM, a secret: overwrite it. */
export async function makeKey(): Promise<Buffer> {
  const der = await (await nodePki.generateKey()).exportPrivateKey();
  try {
    return pemBytes('PRIVATE KEY', der);
  } finally {
    der.fill(0);
  }
}

/** EST simplereenroll for that key (RFC 7030 §4.2.2). @param key PEM @throws EST_* */
export async function renewBy(own: OwnIdentity, key: Buffer, terms: RenewTerms): Promise<EstCertificate> {
  const { url, label, servername, signal } = terms;
  const client = createEstClient({
    url,
    trust: own.ca,
    ...(label === undefined ? {} : { label }),
    ...(servername === undefined ? {} : { servername }),
  });
  const request = await createCsr(nodePki, own.commonName, signingKey(createPrivateKey(key)));
  return await client.reenroll(request.der, own, { signal });
}

/** Whether the server said that the request itself is wrong: the same one again would be refused for ever. */
export function refusesRequest(error: unknown): boolean {
  return isKeywayError(error) && error.code === 'EST_REFUSED' && error.detail?.status === 400;
}
