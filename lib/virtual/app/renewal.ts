import { createCsr, toPemBytes } from '../../pki/index.ts';
import type { OwnIdentity } from './identity.ts';
import type { NewIdentity } from './nvs-identity.ts';

/** A new key, and what asks for its certificate. */
export type RenewalRequest = Awaited<ReturnType<typeof createCsr>>;

export interface RenewalOptions {
  readonly url: string;
  /** Of `renewalRequest`. The same one again gets the same certificate, should the answer have been lost. */
  readonly request: RenewalRequest;
  readonly serverName: string | undefined;
  readonly identity: OwnIdentity;
  /** Milliseconds since 1970; null where the chip does not know. */
  readonly time: (() => number) | null;
  readonly signal: AbortSignal;
}

export async function renewalRequest(commonName: string): Promise<RenewalRequest> {
  // Loaded where it is first needed: most chips of a bench never renew.
  const { nodePki } = await import('../../pki/node.ts');
  return await createCsr(nodePki, commonName);
}

/**
 * A certificate for the new key by EST simplereenroll, with the current certificate (RFC 7030 §4.2.2).
 * @throws EST_*
 */
export async function renew(options: RenewalOptions): Promise<NewIdentity> {
  const { url, serverName, identity, request, time, signal } = options;
  const { createEstClient } = await import('../../pki/node.ts');
  const client = createEstClient({
    url,
    label: identity.namespace,
    trust: text(identity.ca ?? new Uint8Array(0)),
    clock: time,
    ...(serverName === undefined ? {} : { servername: serverName }),
  });
  const own = { certificate: text(identity.certificate), key: identity.key };
  const issued = await client.reenroll(request.der, own, { signal });
  const der = await request.key.exportPrivateKey();
  try {
    return { key: toPemBytes('PRIVATE KEY', der), certificate: Buffer.from(issued.chain) };
  } finally {
    der.fill(0);
  }
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
