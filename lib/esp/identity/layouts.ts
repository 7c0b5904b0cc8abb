import type { NvsEncoding } from '../nvs/types.ts';

/**
 * Which firmware reads the identity. `scadable`: the bootstrap firmware and the device library as SCADABLE's guide
 * documents them. `libscadable`: SCADABLE's public device library. `gateway-esp`: SCADABLE's public gateway component.
 */
export type IdentityLayoutName = 'scadable' | 'libscadable' | 'gateway-esp';

/** What an entry of an identity holds. */
export type IdentityRole =
  | 'certificate'
  | 'key'
  | 'ca'
  | 'deviceId'
  | 'commonName'
  | 'brokerHost'
  | 'brokerPort'
  | 'brokerUrl'
  | 'namespaceId'
  | 'gatewayId';

/** One entry that the firmware reads. */
export interface IdentityField {
  readonly role: IdentityRole;
  /** NVS namespace. */
  readonly namespace: string;
  readonly key: string;
  readonly encoding: Extract<NvsEncoding, 'string' | 'blob'>;
  /** Whether the firmware does without it. */
  readonly optional: boolean;
  /** Most bytes that the firmware takes, without a closing NUL. */
  readonly longest: number;
}

/** Where a firmware looks for its identity. */
export interface IdentityLayout {
  readonly name: IdentityLayoutName;
  readonly fields: readonly IdentityField[];
}

/** A string of NVS, without its NUL. */
const STRING = 3999;
/** Readers of blobs take what NVS gives them; this is what a certificate chain can sensibly need. */
const BLOB = 32_768;
/** Buffers of gateway-esp, less the NUL. */
const GATEWAY = { pem: 3071, deviceId: 63, commonName: 95, host: 127, port: 15 } as const;

const field =
  (namespace: string, encoding: IdentityField['encoding']) =>
  (role: IdentityRole, key: string, longest: number, optional = false): IdentityField => ({
    role,
    namespace,
    key,
    encoding,
    optional,
    longest,
  });

const guide = field('scadable_certs', 'blob');
const library = field('scadable_certs', 'string');
const settings = field('scadable_cfg', 'string');

const LAYOUTS: Readonly<Record<IdentityLayoutName, readonly IdentityField[]>> = {
  scadable: [guide('certificate', 'cert', BLOB), guide('key', 'key', BLOB), guide('ca', 'ca', BLOB)],
  libscadable: [
    library('certificate', 'device_cert', STRING),
    library('key', 'device_key', STRING),
    library('ca', 'ca_cert', STRING, true),
    settings('brokerUrl', 'broker_url', 159, true),
    settings('namespaceId', 'namespace_id', 63, true),
    settings('gatewayId', 'gateway_id', 63, true),
  ],
  'gateway-esp': [
    settings('deviceId', 'device_id', GATEWAY.deviceId),
    settings('commonName', 'common_name', GATEWAY.commonName),
    settings('certificate', 'cert_pem', GATEWAY.pem),
    settings('key', 'key_pem', GATEWAY.pem),
    settings('ca', 'ca_pem', GATEWAY.pem),
    settings('brokerHost', 'mqtt_host', GATEWAY.host),
    settings('brokerPort', 'mqtt_port', GATEWAY.port),
  ],
};

/** Names of all layouts. */
export const IDENTITY_LAYOUTS = Object.keys(LAYOUTS) as readonly IdentityLayoutName[];

export const isIdentityLayout = (name: unknown): name is IdentityLayoutName =>
  typeof name === 'string' && Object.hasOwn(LAYOUTS, name);

/** The layout of that name. */
export function identityLayout(name: IdentityLayoutName): IdentityLayout {
  return { name, fields: LAYOUTS[name] };
}
