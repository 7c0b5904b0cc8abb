import { toHex } from '../digest.ts';
import { type Der, derOf, derValues, TAG } from './der.ts';
import { Malformed, pemBlocks } from './pem.ts';

/** What a certificate says, as far as a bench and a chip's log need it. Nothing of it is verified. */
export interface CertificateFacts {
  /** CN of the subject, and of the issuer; null where there is none. */
  readonly commonName: string | null;
  readonly issuer: string | null;
  /** Lower-case hex, at least 32 digits. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly der: Uint8Array;
}

const VERSION = 0xa0;
const COMMON_NAME = '550403';

/** Reads the head of an X.509 certificate (RFC 5280 §4.1). @throws Malformed */
export function readCertificate(der: Uint8Array): CertificateFacts {
  const [tbs, algorithm, signature, ...more] = derValues(derOf(der, TAG.sequence, 'certificate').content);
  expect(tbs, TAG.sequence);
  expect(algorithm, TAG.sequence);
  expect(signature, TAG.bits);
  if (more.length > 0) throw noCertificate();
  const fields = derValues((tbs as Der).content);
  if (fields[0]?.tag === VERSION) fields.shift();
  const [serial, , issuer, validity, subject, key] = fields;
  const [notBefore, notAfter, ...other] = derValues(expect(validity, TAG.sequence).content);
  expect(key, TAG.sequence);
  // A subject may be empty (RFC 5280 §4.1.2.6).
  if (other.length > 0 || subject?.tag !== TAG.sequence) throw noCertificate();
  return {
    commonName: commonName(subject),
    issuer: commonName(expect(issuer, TAG.sequence)),
    serial: toHex(expect(serial, TAG.integer).content)
      .replace(/^00(?=.)/, '')
      .padStart(32, '0'),
    notBefore: time(notBefore),
    notAfter: time(notAfter),
    der: der.slice(),
  };
}

/** The certificates of a PEM text, at least one. @throws Malformed */
export function readCertificates(text: Uint8Array): CertificateFacts[] {
  const blocks = pemBlocks(text);
  const other = blocks.find(({ label }) => label !== 'CERTIFICATE' && label !== 'X509 CERTIFICATE');
  if (other !== undefined) throw new Malformed(`holds a PEM block ${other.label} where a certificate belongs`);
  if (blocks.length === 0) throw new Malformed('is no PEM: there is no BEGIN CERTIFICATE in it');
  return blocks.map(({ der }) => readCertificate(der));
}

function noCertificate(): Malformed {
  return new Malformed('is no X.509 certificate');
}

function expect(value: Der | undefined, tag: number): Der {
  if (value?.tag !== tag || value.content.length === 0) throw noCertificate();
  return value;
}

/** The first CN of a Name. */
function commonName({ content }: Der): string | null {
  for (const set of derValues(content)) {
    for (const pair of derValues(expect(set, TAG.set).content)) {
      const [type, text] = derValues(expect(pair, TAG.sequence).content);
      if (toHex(expect(type, TAG.oid).content) !== COMMON_NAME) continue;
      if (text === undefined) throw noCertificate();
      return decode(text);
    }
  }
  return null;
}

const decoders: Readonly<Record<number, string>> = {
  12: 'utf-8',
  19: 'utf-8',
  22: 'utf-8',
  20: 'latin1',
  30: 'utf-16be',
};

function decode({ tag, content }: Der): string {
  const encoding = decoders[tag];
  if (encoding === undefined) throw noCertificate();
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    throw noCertificate();
  }
}

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

/** RFC 5280 §4.1.2.5: to the second, in UTC; two-digit years are those from 1950 on. */
function time(value: Der | undefined): number {
  const text = value === undefined ? '' : String.fromCharCode(...value.content.subarray(0, 20));
  const year = value?.tag === UTC_TIME ? (text < '5' ? '20' : '19') : '';
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(year + text);
  if (match === null || (value?.tag !== UTC_TIME && value?.tag !== GENERALIZED_TIME)) throw noCertificate();
  const iso = `${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}.000Z`;
  const ms = Date.parse(iso);
  // A 31st of February would roll over into March.
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso) throw noCertificate();
  return ms;
}
