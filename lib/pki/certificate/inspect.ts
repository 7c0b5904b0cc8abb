import { isKeywayError } from '../../errors/index.ts';
import { OID, OID_NAMES } from '../der/oids.ts';
import {
  badDer,
  bitsOf,
  childrenOf,
  contentOf,
  type Der,
  expectTag,
  numberOf,
  oidOf,
  parseDer,
  readDer,
  TAG,
  textOf,
  timeOf,
  whole,
} from '../der/reader.ts';
import { fail } from '../errors.ts';
import { pemBlock, toHex } from '../pem.ts';
import { type PublicKeyInfo, publicKeyOf } from './keys.ts';
import type { AlternativeName } from './names.ts';

const LIMITS = { bytes: 65536, depth: 16, values: 2000 };

/** A certificate, taken apart; nothing of it is verified. Times are ms since 1970. */
export interface Certificate {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
  /** Lower-case hex, at least 32 digits. */
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly subject: Uint8Array;
  readonly issuer: Uint8Array;
  /** For people, as RFC 4514 writes it but in the order in which it stands: "O=Example, CN=a". */
  readonly subjectText: string;
  readonly issuerText: string;
  readonly commonName: string | null;
  readonly key: PublicKeyInfo;
  /** For people. */
  readonly signatureAlgorithm: string;
  /** Null for a certificate that may not issue; else how many authorities may follow, Infinity for any number. */
  readonly authority: { readonly pathLength: number } | null;
  /** Null when it says nothing about it. */
  readonly keyUsage: readonly string[] | null;
  readonly purposes: readonly string[] | null;
  readonly alternativeNames: readonly (AlternativeName | { readonly kind: 'other'; readonly value: string })[];
  readonly keyId: string | null;
  readonly authorityKeyId: string | null;
  readonly crlUrls: readonly string[];
  /** Dotted, of extensions that are critical and not among the above. */
  readonly unknownCritical: readonly string[];
}

const KEY_USAGES = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
];

/**
 * Takes a certificate apart (RFC 5280), strictly and within 64 KiB.
 * @param input DER, or PEM as text: its first certificate
 * @throws BAD_CERTIFICATE, BAD_PEM
 */
export function parseCertificate(input: Uint8Array | string): Certificate {
  try {
    return takeApart(typeof input === 'string' ? pemBlock(input, 'CERTIFICATE') : copied(input));
  } catch (error) {
    if (!isKeywayError(error, 'BAD_DER')) throw error;
    throw fail('BAD_CERTIFICATE', `The certificate cannot be read. ${error.message}`, {
      hint: 'Give an X.509 certificate as DER or PEM.',
      detail: { ...error.detail, field: 'certificate' },
      cause: error,
    });
  }
}

function copied(bytes: Uint8Array): Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw badDer('There are neither bytes nor text', 0);
  // One too many is enough to be refused.
  return bytes.slice(0, LIMITS.bytes + 1);
}

function takeApart(der: Uint8Array): Certificate {
  const outer = expectTag(parseDer(der, LIMITS), TAG.sequence, 'The certificate');
  const [tbs, algorithm, bits, more] = childrenOf(outer, 4);
  if (more !== undefined) throw badDer('The certificate has a fourth part', more.start);
  const tbsDer = expectTag(tbs, TAG.sequence, 'What is signed');
  const parts = childrenOf(tbsDer, 10);
  const explicitVersion = parts[0]?.tag === 0xa0;
  const version = explicitVersion ? numberOf(readDer(der, parts[0]?.content, parts[0]?.end), 'The version') : 0;
  const [serial, inner, issuer, validity, subject, key, ...rest] = explicitVersion ? parts.slice(1) : parts;
  const serialDer = expectTag(serial, TAG.integer, 'The serial number');
  const innerDer = expectTag(inner, TAG.sequence, 'The signature algorithm');
  const outerDer = expectTag(algorithm, TAG.sequence, 'The signature algorithm');
  if (!equal(whole(innerDer), whole(outerDer))) throw badDer('The two signature algorithms differ', outerDer.start);
  const [from, to] = childrenOf(expectTag(validity, TAG.sequence, 'The validity'), 2);
  if (from === undefined || to === undefined) throw badDer('The validity is not two times', validity?.start ?? 0);
  const issuerDer = expectTag(issuer, TAG.sequence, 'The issuer');
  const subjectDer = expectTag(subject, TAG.sequence, 'The subject');
  const subjectParts = nameParts(subjectDer);
  const list = rest.find(({ tag }) => tag === 0xa3);
  if (list !== undefined && version !== 2)
    throw badDer('There are extensions in a certificate of version 1 or 2', list.start);
  const algorithmId = oidOf(expectTag(childrenOf(outerDer, 2)[0], TAG.oid, 'The signature algorithm'));
  return {
    der,
    tbs: whole(tbsDer),
    signature: bitsOf(bits, 'The signature'),
    serial: serialText(serialDer),
    notBefore: timeOf(from),
    notAfter: timeOf(to),
    subject: whole(subjectDer),
    issuer: whole(issuerDer),
    subjectText: nameText(subjectParts),
    issuerText: nameText(nameParts(issuerDer)),
    commonName: subjectParts.findLast(([type]) => type === OID.commonName)?.[1] ?? null,
    key: publicKeyOf(expectTag(key, TAG.sequence, 'The public key')),
    signatureAlgorithm: OID_NAMES[algorithmId] ?? algorithmId,
    ...readExtensions(list),
  };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function serialText(der: Der): string {
  const bytes = contentOf(der);
  return toHex(bytes.length > 1 && bytes[0] === 0 ? bytes.subarray(1) : bytes).padStart(32, '0');
}

function nameParts(name: Der): [string, string][] {
  return childrenOf(name, 100).flatMap((set) =>
    childrenOf(expectTag(set, TAG.set, 'A part of a name'), 20).map((pair): [string, string] => {
      const [type, value, more] = childrenOf(expectTag(pair, TAG.sequence, 'A part of a name'), 3);
      if (value === undefined || more !== undefined) throw badDer('A part of a name is no pair', pair.start);
      return [oidOf(expectTag(type, TAG.oid, 'The type of a part of a name')), textOf(value)];
    }),
  );
}

/** RFC 4514 §2.4, and control characters shown, so that a name cannot draw lines of its own. */
function nameText(parts: readonly (readonly [string, string])[]): string {
  return parts.map(([type, value]) => `${OID_NAMES[type] ?? type}=${shown(value)}`).join(', ');
}

function shown(value: string): string {
  return visible(value.replace(/[\\,+"<>;=]|^[# ]| $/g, (character) => `\\${character}`));
}

function visible(value: string): string {
  return value.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

type Extensions = Pick<
  Certificate,
  | 'authority'
  | 'keyUsage'
  | 'purposes'
  | 'alternativeNames'
  | 'keyId'
  | 'authorityKeyId'
  | 'crlUrls'
  | 'unknownCritical'
>;

function readExtensions(list: Der | undefined): Extensions {
  const found: { -readonly [K in keyof Extensions]: Extensions[K] } = {
    authority: null,
    keyUsage: null,
    purposes: null,
    alternativeNames: [],
    keyId: null,
    authorityKeyId: null,
    crlUrls: [],
    unknownCritical: [],
  };
  if (list === undefined) return found;
  const seen = new Set<string>();
  const all = expectTag(readDer(list.bytes, list.content, list.end), TAG.sequence, 'The extensions');
  for (const extension of childrenOf(all, 60)) {
    const parts = childrenOf(expectTag(extension, TAG.sequence, 'An extension'), 3);
    const type = oidOf(expectTag(parts[0], TAG.oid, 'The type of an extension', extension.start));
    if (seen.has(type)) throw badDer(`The extension ${type} is there twice`, extension.start);
    seen.add(type);
    const flag = parts.length === 3 ? expectTag(parts[1], TAG.boolean, 'Whether an extension is critical') : undefined;
    const value = expectTag(
      parts[flag === undefined ? 1 : 2],
      TAG.octetString,
      'The value of an extension',
      extension.start,
    );
    const critical = flag?.bytes[flag.content] === 0xff;
    readExtension(found, type, contentOf(value), critical);
  }
  return found;
}

function readExtension(
  found: { -readonly [K in keyof Extensions]: Extensions[K] },
  type: string,
  value: Uint8Array,
  critical: boolean,
): void {
  const read = (tag: number): Der => expectTag(parseDer(value, LIMITS), tag, `The extension ${type}`);
  switch (type) {
    case OID.basicConstraints: {
      const [first, second] = childrenOf(read(TAG.sequence), 2);
      if (first === undefined || first.tag !== TAG.boolean || first.bytes[first.content] === 0) return;
      const most = second === undefined ? Number.POSITIVE_INFINITY : numberOf(second, 'The length of the path');
      found.authority = { pathLength: most };
      return;
    }
    case OID.keyUsage:
      found.keyUsage = bitNames(read(TAG.bitString));
      return;
    case OID.extendedKeyUsage:
      found.purposes = childrenOf(read(TAG.sequence), 50).map((one) => OID_NAMES[oidOf(one)] ?? oidOf(one));
      return;
    case OID.subjectAltName:
      found.alternativeNames = childrenOf(read(TAG.sequence), 500).map(alternativeName);
      return;
    case OID.subjectKeyId:
      found.keyId = toHex(contentOf(read(TAG.octetString)));
      return;
    case OID.authorityKeyId: {
      const id = childrenOf(read(TAG.sequence), 3).find(({ tag }) => tag === 0x80);
      found.authorityKeyId = id === undefined ? null : toHex(contentOf(id));
      return;
    }
    case OID.crlDistributionPoints:
      found.crlUrls = childrenOf(read(TAG.sequence), 20).flatMap(urlsOf);
      return;
    default:
      if (critical) found.unknownCritical = [...found.unknownCritical, OID_NAMES[type] ?? type];
  }
}

function bitNames(der: Der): string[] {
  const bits = contentOf(der).subarray(1);
  return KEY_USAGES.filter((_, i) => ((bits[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0);
}

const latin1 = (bytes: Uint8Array): string => visible(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

function alternativeName(der: Der): Certificate['alternativeNames'][number] {
  const bytes = contentOf(der);
  if (der.tag === 0x82) return { kind: 'dns', value: latin1(bytes) };
  if (der.tag === 0x86) return { kind: 'uri', value: latin1(bytes) };
  if (der.tag === 0x87 && bytes.length === 4) return { kind: 'ip', value: bytes.join('.') };
  if (der.tag === 0x87 && bytes.length === 16) {
    const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
    return { kind: 'ip', value: groups.map((group) => group.toString(16)).join(':') };
  }
  return { kind: 'other', value: `tag ${der.tag & 0x1f}, ${bytes.length} bytes` };
}

/** DistributionPoint → [0] → [0] fullName → [6] URIs. */
function urlsOf(point: Der): string[] {
  const name = childrenOf(expectTag(point, TAG.sequence, 'A distribution point'), 3).find(({ tag }) => tag === 0xa0);
  const full = name === undefined ? undefined : childrenOf(name, 1)[0];
  if (full?.tag !== 0xa0) return [];
  return childrenOf(full, 20)
    .filter(({ tag }) => tag === 0x86)
    .map((uri) => latin1(contentOf(uri)));
}
