import { OID } from '../der/oids.ts';
import { implicit, oid, sequence, setOf, utf8String } from '../der/writer.ts';
import { fail } from '../errors.ts';
import { clipped, hostName, quoted } from '../names.ts';

/** X.520: the upper bounds of the parts that we write. */
const COMMON_NAME_MOST = 64;
const CONTROL = /[\p{Cc}\p{Cs}\u2028\u2029]/u;

/**
 * A Name of RFC 5280 §4.1.2.4 with an organisation (when given) and a common name, as UTF8String.
 * @throws BAD_NAME blank, longer than 64 characters, or with control characters
 */
export function distinguishedName(commonName: string, organisation?: string): Uint8Array {
  const parts = organisation === undefined ? [] : [part(OID.organisation, organisation)];
  return sequence(...parts, part(OID.commonName, commonName));
}

const part = (type: string, text: string): Uint8Array => setOf(sequence(oid(type), utf8String(checked(text))));

function checked(text: string): string {
  if (typeof text !== 'string' || text.trim() === '' || [...text].length > COMMON_NAME_MOST || CONTROL.test(text)) {
    throw fail('BAD_NAME', `${quoted(text)} cannot stand in the subject of a certificate.`, {
      hint: 'Use 1 to 64 characters, none of them a control character.',
      detail: { field: 'name', value: clipped(text) },
    });
  }
  return text;
}

/** A name beside the subject (RFC 5280 §4.2.1.6). */
export interface AlternativeName {
  readonly kind: 'dns' | 'uri' | 'ip';
  readonly value: string;
}

const encoder = new TextEncoder();

/** The content of a subjectAltName extension. @throws BAD_NAME */
export function alternativeNames(names: readonly AlternativeName[]): Uint8Array {
  return sequence(...names.map(alternativeName));
}

function alternativeName({ kind, value }: AlternativeName): Uint8Array {
  if (kind === 'dns') return implicit(2, encoder.encode(hostName(value, { wildcard: true })));
  if (kind === 'uri') return implicit(6, encoder.encode(uri(value)));
  return implicit(7, ipBytes(value));
}

/** An absolute URI in ASCII, of at most 512 characters. @throws BAD_NAME */
export function uri(value: string): string {
  if (typeof value !== 'string' || value.length > 512 || !/^[A-Za-z][A-Za-z0-9+.-]*:[!-;=?-~]+$/.test(value)) {
    throw badName(value, 'an absolute URI in ASCII');
  }
  return value;
}

/** The 4 or 16 bytes of an IP address. @throws BAD_NAME */
export function ipBytes(value: string): Uint8Array {
  const text = typeof value === 'string' && value.length <= 45 ? value : '';
  const bytes = text.includes(':') ? ipv6(text) : ipv4(text);
  if (bytes === undefined) throw badName(value, 'an IP address');
  return bytes;
}

function ipv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((one) => /^(0|[1-9]\d{0,2})$/.test(one) && Number(one) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

function ipv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const sides = halves.map((half) => (half === '' ? [] : half.split(':')));
  const [head = [], tail = []] = sides;
  const groups = [...head, ...tail];
  const missing = 8 - groups.length;
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const all = [...head, ...Array.from({ length: missing }, () => '0'), ...tail];
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]));
}

function badName(value: unknown, wanted: string): Error {
  return fail('BAD_NAME', `${quoted(value)} is not ${wanted}.`, {
    hint: 'Correct it where it is configured.',
    detail: { field: 'name', value: clipped(value) },
  });
}
