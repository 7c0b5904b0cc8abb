import { type IdentityLayoutName, identityBytes, type NvsContent, readIdentity } from '../../esp/index.ts';

/** What the application has of its identity. */
export interface OwnIdentity {
  readonly namespace: string;
  readonly mac: string;
  readonly commonName: string;
  /** The device's certificate and what stands behind it, PEM. */
  readonly certificate: Uint8Array;
  /** PEM; undefined where the layout does without. */
  readonly ca: Uint8Array | undefined;
  /** PEM, a secret: overwrite it. */
  readonly key: Buffer;
  /** ms since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Broker beside the identity. */
  readonly broker: URL | null;
}

/** Undefined where an entry is missing or malformed. */
export function ownIdentity(content: Pick<NvsContent, 'entries'>, layout: IdentityLayoutName): OwnIdentity | undefined {
  const { certificate: facts, faults, settings } = readIdentity(content, layout);
  const key = identityBytes(content, layout, 'key');
  const certificate = identityBytes(content, layout, 'certificate');
  const name = /^(.+):([0-9a-f]{12})$/.exec(facts?.commonName ?? '');
  if (faults.length > 0 || facts === null || key === undefined || certificate === undefined || name === null) {
    key?.fill(0);
    return undefined;
  }
  const [commonName, namespace = '', mac = ''] = name;
  const { notBefore, notAfter } = facts;
  const ca = identityBytes(content, layout, 'ca');
  const secret = Buffer.from(key.buffer, key.byteOffset, key.length);
  const host = settings.brokerHost === undefined ? undefined : `mqtts://${settings.brokerHost}:${settings.brokerPort}`;
  const place = settings.brokerUrl ?? host;
  const broker = place !== undefined && URL.canParse(place) ? new URL(place) : null;
  return { namespace, mac, commonName, certificate, ca, key: secret, notBefore, notAfter, broker };
}
