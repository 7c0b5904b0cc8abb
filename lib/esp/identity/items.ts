import type { NvsItem } from '../nvs/types.ts';
import type { CertificateFacts } from './certificate.ts';
import { fail } from './errors.ts';
import {
  IDENTITY_LAYOUTS,
  type IdentityField,
  type IdentityLayoutName,
  type IdentityRole,
  identityLayout,
  isIdentityLayout,
} from './layouts.ts';
import { Malformed } from './pem.ts';
import { readField } from './values.ts';

/** A private key: the vault's handle of its PEM text, or the text itself. */
export type IdentityKey = { readonly handle: string } | { readonly value: string | Uint8Array };

/** Settings that some firmware keeps beside its identity. */
export interface IdentityExtra {
  /** gateway-esp. Default: what follows "SC-" or the last colon of the common name. */
  readonly deviceId?: string;
  /** gateway-esp. Default: the certificate's. */
  readonly commonName?: string;
  /** gateway-esp, which cannot do without. */
  readonly brokerHost?: string;
  /** gateway-esp. 1–65535, default 8883. */
  readonly brokerPort?: number;
  /** libscadable; left out, it uses what it was built with. */
  readonly brokerUrl?: string;
  readonly namespaceId?: string;
  readonly gatewayId?: string;
}

/** What goes into a chip. */
export interface IdentityParts {
  /** PEM: the device's certificate, and behind it whatever the device is to send along. */
  readonly certificate: string;
  /** PEM of PKCS#8, RFC 5915 or PKCS#1, without a passphrase. */
  readonly key: IdentityKey;
  /** PEM: the authority's chain. Only libscadable does without. */
  readonly ca?: string;
  readonly extra?: IdentityExtra;
}

export interface IdentityItemsOptions {
  /**
   * Whether blobs get a closing NUL, which mbedTLS wants counted in a PEM's length. Default true: a reader that adds its
   * own does not mind a second one. Strings have theirs in any case.
   */
  readonly terminate?: boolean;
}

const encoder = new TextEncoder();
const DEFAULT_PORT = 8883;

/**
 * The NVS entries of an identity, with names, types and lengths as that firmware reads them. What is no secret is
 * checked as the chip will check it, and so is a key that is given as a value; a handle stays closed.
 *
 * @throws BAD_IDENTITY_LAYOUT, BAD_IDENTITY (`detail.field`)
 */
export function identityItems(
  name: IdentityLayoutName,
  parts: IdentityParts,
  { terminate = true }: IdentityItemsOptions = {},
): NvsItem[] {
  const { fields } = identityLayout(checkLayout(name));
  const first = fields.find(({ role }) => role === 'certificate') as IdentityField;
  const leaf = check(first, encode('certificate', parts.certificate)).at(0);
  const settings = settingsOf(name, parts.extra ?? {}, leaf?.commonName ?? '');
  return fields.flatMap((field): NvsItem[] => {
    const { namespace, key, encoding, role, optional } = field;
    const place = { namespace, key, encoding, ...(encoding === 'blob' ? { terminate } : {}) };
    if (role === 'key') return [{ ...place, ...keyOf(field, parts.key) }];
    const text = role === 'certificate' ? parts.certificate : role === 'ca' ? parts.ca : settings[role];
    if (text === undefined || text === '') {
      if (optional) return [];
      throw bad(role, `is missing, and the layout "${name}" cannot do without`, 'Give it.');
    }
    check(field, encode(role, text));
    return [{ ...place, value: text }];
  });
}

/** NVS namespaces that a layout writes to: what `clears` of a recipe names when an identity is to go. */
export function identityNamespaces(name: IdentityLayoutName): string[] {
  return [...new Set(identityLayout(checkLayout(name)).fields.map(({ namespace }) => namespace))];
}

/** @throws BAD_IDENTITY_LAYOUT */
export function checkLayout(name: unknown): IdentityLayoutName {
  if (isIdentityLayout(name)) return name;
  const value = String(name).slice(0, 40);
  throw fail('BAD_IDENTITY_LAYOUT', `No NVS layout of an identity is called "${value}".`, {
    hint: `Layouts: ${IDENTITY_LAYOUTS.join(', ')}.`,
    detail: { field: 'layout', value },
  });
}

function encode(role: IdentityRole, text: unknown): Uint8Array {
  if (typeof text === 'string') return encoder.encode(text);
  throw bad(role, 'is no text', role === 'ca' || role === 'certificate' ? 'Give PEM.' : 'Give text.');
}

function check(field: IdentityField, bytes: Uint8Array): readonly CertificateFacts[] {
  try {
    return readField(field, bytes).certificates;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw bad(field.role, error.message, `It goes to ${field.namespace}/${field.key} as a ${field.encoding}.`);
  }
}

function keyOf(field: IdentityField, key: IdentityKey): Pick<NvsItem, 'handle' | 'value'> {
  const { handle, value } = { handle: undefined, value: undefined, ...key };
  if ((handle === undefined) === (value === undefined)) {
    throw bad('key', 'needs a handle or a value, and not both', 'Give exactly one of them.');
  }
  if (handle !== undefined) {
    if (typeof handle !== 'string' || handle === '')
      throw bad('key', 'has a handle that is no text', 'Give it as it is.');
    return { handle };
  }
  const given = value instanceof Uint8Array;
  const bytes = given ? value : encode('key', value);
  try {
    check(field, bytes);
  } finally {
    if (!given) bytes.fill(0);
  }
  return { value: value as string | Uint8Array };
}

function settingsOf(
  name: IdentityLayoutName,
  extra: IdentityExtra,
  commonName: string,
): Readonly<Partial<Record<IdentityRole, string | undefined>>> {
  const { brokerUrl, namespaceId, gatewayId, brokerHost, brokerPort = DEFAULT_PORT } = extra;
  if (name === 'libscadable') return { brokerUrl, namespaceId, gatewayId };
  if (name !== 'gateway-esp') return {};
  if (!Number.isInteger(brokerPort)) throw bad('brokerPort', 'is no whole number', 'Give 1 to 65535.');
  return {
    deviceId: extra.deviceId ?? /(?:^SC-|:)([^:]+)$/.exec(commonName)?.[1],
    commonName: extra.commonName ?? commonName,
    brokerHost,
    brokerPort: String(brokerPort),
  };
}

function bad(field: IdentityRole, what: string, hint: string): Error {
  return fail('BAD_IDENTITY', `The ${NAMES[field]} of the identity ${what}.`, { hint, detail: { field } });
}

/** As people call them. */
const NAMES: Readonly<Record<IdentityRole, string>> = {
  certificate: 'certificate',
  key: 'private key',
  ca: "authority's chain",
  deviceId: 'device id',
  commonName: 'common name',
  brokerHost: 'broker host',
  brokerPort: 'broker port',
  brokerUrl: 'broker URL',
  namespaceId: 'namespace id',
  gatewayId: 'gateway id',
};
