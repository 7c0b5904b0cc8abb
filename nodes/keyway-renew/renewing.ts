import { createCsr } from '../../lib/pki/index.ts';
import { createEstClient, type EstCertificate, nodePki } from '../../lib/pki/node.ts';
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
  /** PEM, a secret: overwrite it. */
  readonly key: Buffer;
}

export interface RenewTerms {
  readonly url: string;
  readonly label: string | undefined;
  readonly servername: string | undefined;
  readonly signal: AbortSignal;
}

/** EST simplereenroll with a new key (RFC 7030 §4.2.2). @throws EST_* */
export async function renewBy(own: OwnIdentity, terms: RenewTerms): Promise<Renewed> {
  const { url, label, servername, signal } = terms;
  const client = createEstClient({
    url,
    trust: own.ca,
    ...(label === undefined ? {} : { label }),
    ...(servername === undefined ? {} : { servername }),
  });
  const request = await createCsr(nodePki, own.commonName);
  const certificate = await client.reenroll(request.der, own, { signal });
  const der = await request.key.exportPrivateKey();
  try {
    return { certificate, key: pemBytes('PRIVATE KEY', der) };
  } finally {
    der.fill(0);
  }
}
