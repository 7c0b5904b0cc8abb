import { isKeywayError } from '../../errors/index.ts';
import { type PublicKeyInfo, publicKeyOf } from '../certificate/keys.ts';
import { OID } from '../der/oids.ts';
import {
  badDer,
  bitsOf,
  childrenOf,
  type Der,
  expectTag,
  numberOf,
  oidOf,
  parseDer,
  TAG,
  whole,
} from '../der/reader.ts';
import { fail } from '../errors.ts';
import { pemBlock } from '../pem.ts';

/** A signing request above this is refused unread. RSA 4096 with many names needs under 4 KiB. */
export const CSR_MOST = 16384;
const LIMITS = { bytes: CSR_MOST, depth: 12, values: 400 };
const MOST_ATTRIBUTES = 20;
const MOST_EXTENSIONS = 40;

/** How a request is signed. */
export interface CsrSignature {
  readonly scheme: 'ECDSA' | 'RSA';
  readonly hash: 'SHA-256' | 'SHA-384' | 'SHA-512';
}

/** A PKCS#10 request (RFC 2986), taken apart; its signature is not yet checked. */
export interface SigningRequest {
  readonly der: Uint8Array;
  /** What is signed. */
  readonly info: Uint8Array;
  readonly key: PublicKeyInfo;
  readonly signature: Uint8Array;
  readonly algorithm: CsrSignature;
  /** The Name that is asked for, DER. For people to see; the authority never uses it. */
  readonly subject: Uint8Array;
  /** Extensions that are asked for, dotted. For people to see; the authority never uses them. */
  readonly extensions: readonly string[];
}

const ALGORITHMS: Readonly<Record<string, CsrSignature>> = {
  [OID.ecdsaSha256]: { scheme: 'ECDSA', hash: 'SHA-256' },
  [OID.ecdsaSha384]: { scheme: 'ECDSA', hash: 'SHA-384' },
  [OID.ecdsaSha512]: { scheme: 'ECDSA', hash: 'SHA-512' },
  [OID.rsaSha256]: { scheme: 'RSA', hash: 'SHA-256' },
  [OID.rsaSha384]: { scheme: 'RSA', hash: 'SHA-384' },
  [OID.rsaSha512]: { scheme: 'RSA', hash: 'SHA-512' },
};

/**
 * Takes a signing request apart: strict DER, at most 16 KiB, in a time in proportion to its length.
 * @param input DER, or PEM as text
 * @throws CSR_TOO_LARGE, BAD_CSR, BAD_PEM
 */
export function parseCsr(input: Uint8Array | string): SigningRequest {
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) throw badCsr('It is neither bytes nor text.');
  // As PEM a request is a third longer, and has line ends.
  const most = typeof input === 'string' ? CSR_MOST * 1.5 : CSR_MOST;
  if (input.length > most) {
    throw fail('CSR_TOO_LARGE', `The signing request has ${input.length} bytes, more than ${most}.`, {
      hint: 'A signing request for a device has a few hundred bytes: send it alone.',
      detail: { field: 'csr', bytes: input.length },
    });
  }
  const der =
    typeof input === 'string' ? pemBlock(input, 'CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST') : input.slice();
  try {
    return takeApart(der);
  } catch (error) {
    if (!isKeywayError(error, 'BAD_DER')) throw error;
    throw badCsr(error.message, { ...error.detail, field: 'csr' }, error);
  }
}

function badCsr(what: string, detail: Readonly<Record<string, unknown>> = { field: 'csr' }, cause?: unknown): Error {
  return fail('BAD_CSR', `The signing request cannot be read. ${what}`, {
    hint: 'Send PKCS#10 as DER or PEM, as openssl req, WebCrypto libraries or mbedTLS make it.',
    detail,
    ...(cause === undefined ? {} : { cause }),
  });
}

function takeApart(der: Uint8Array): SigningRequest {
  const outer = expectTag(parseDer(der, LIMITS), TAG.sequence, 'The request');
  const [info, algorithm, bits, more] = childrenOf(outer, 4);
  if (more !== undefined) throw badDer('The request has a fourth part', more.start);
  const infoDer = expectTag(info, TAG.sequence, 'What is signed');
  const [version, subject, key, attributes, fifth] = childrenOf(infoDer, 5);
  if (fifth !== undefined) throw badDer('What is signed has a fifth part', fifth.start);
  if (numberOf(expectTag(version, TAG.integer, 'The version'), 'The version') !== 0) {
    throw badDer('The version is not 0', version?.start ?? 0);
  }
  return {
    der,
    info: whole(infoDer),
    subject: whole(checkName(expectTag(subject, TAG.sequence, 'The subject'))),
    key: publicKeyOf(expectTag(key, TAG.sequence, 'The public key')),
    extensions: attributes === undefined ? [] : readAttributes(expectTag(attributes, 0xa0, 'The list of attributes')),
    algorithm: readAlgorithm(expectTag(algorithm, TAG.sequence, 'The signature algorithm')),
    signature: bitsOf(bits, 'The signature'),
  };
}

/** SEQUENCE of SETs of pairs. */
function checkName(name: Der): Der {
  for (const set of childrenOf(name, 50)) {
    const parts = childrenOf(expectTag(set, TAG.set, 'A part of the subject'), 10);
    if (parts.length === 0) throw badDer('A part of the subject is empty', set.start);
    for (const part of parts) {
      const [type, value, more] = childrenOf(expectTag(part, TAG.sequence, 'A part of the subject'), 3);
      expectTag(type, TAG.oid, 'The type of a part of the subject', part.start);
      if (value === undefined || more !== undefined) throw badDer('A part of the subject is no pair', part.start);
    }
  }
  return name;
}

function readAlgorithm(der: Der): CsrSignature {
  const [id, parameter, more] = childrenOf(der, 3);
  const dotted = oidOf(expectTag(id, TAG.oid, 'The signature algorithm', der.start));
  const found = ALGORITHMS[dotted];
  if (found === undefined || more !== undefined) {
    throw badCsr(`It is signed with ${dotted}, which is not taken.`, { field: 'csr', value: dotted });
  }
  // RFC 5758 §3.2: absent for ECDSA. RFC 4055 §5: NULL for RSA.
  const fits = found.scheme === 'ECDSA' ? parameter === undefined : parameter?.tag === TAG.null;
  if (!fits) throw badDer('The parameter of the signature algorithm is wrong', der.start);
  return found;
}

/** [0] IMPLICIT SET OF attributes; each once, of the extension request each extension once. */
function readAttributes(list: Der): string[] {
  const seen = new Set<string>();
  let extensions: string[] = [];
  for (const attribute of childrenOf(list, MOST_ATTRIBUTES)) {
    const [type, values, more] = childrenOf(expectTag(attribute, TAG.sequence, 'An attribute'), 3);
    const dotted = oidOf(expectTag(type, TAG.oid, 'The type of an attribute', attribute.start));
    const set = expectTag(values, TAG.set, 'The values of an attribute', attribute.start);
    if (more !== undefined) throw badDer('An attribute has a third part', more.start);
    if (seen.has(dotted)) throw badDer(`The attribute ${dotted} is there twice`, attribute.start);
    seen.add(dotted);
    if (dotted === OID.extensionRequest) extensions = readExtensions(set);
  }
  return extensions;
}

function readExtensions(set: Der): string[] {
  const [list, second] = childrenOf(set, 2);
  if (second !== undefined) throw badDer('There are two lists of extensions', second.start);
  const seen = new Set<string>();
  for (const extension of childrenOf(expectTag(list, TAG.sequence, 'The extensions', set.start), MOST_EXTENSIONS)) {
    const parts = childrenOf(expectTag(extension, TAG.sequence, 'An extension'), 3);
    const dotted = oidOf(expectTag(parts[0], TAG.oid, 'The type of an extension', extension.start));
    if (parts.length === 3) expectTag(parts[1], TAG.boolean, 'Whether an extension is critical');
    expectTag(parts[parts.length === 3 ? 2 : 1], TAG.octetString, 'The value of an extension', extension.start);
    if (seen.has(dotted)) throw badDer(`The extension ${dotted} is there twice`, extension.start);
    seen.add(dotted);
  }
  return [...seen];
}
