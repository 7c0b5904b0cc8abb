import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type Certificate, parseCertificate } from '../certificate/inspect.ts';
import { fail } from '../errors.ts';
import { parsePem } from '../pem.ts';
import { belongs } from './material.ts';
import { readPkcs12 } from './pkcs12.ts';

/** An authority that exists elsewhere. The caller overwrites what is secret. */
export type ImportSource =
  | {
      /** Its certificate and those above it, PEM, in any order. */
      readonly certificates: string;
      /** Its key: PKCS#8, SEC 1 or PKCS#1, PEM, with a passphrase or without. */
      readonly key: Uint8Array;
      readonly passphrase?: Uint8Array;
    }
  | {
      /** A PKCS#12 file. */
      readonly pkcs12: Uint8Array;
      readonly passphrase?: Uint8Array;
    };

/** An authority that may be taken over: its certificate, those above it up to the root, and its key. */
export interface Imported {
  readonly certificate: Certificate;
  readonly above: readonly Certificate[];
  readonly key: KeyObject;
}

const MOST_CERTIFICATES = 20;
const RSA_LEAST = 2048;

/**
 * Reads an authority and checks that it may issue: the key belongs to it, the chain reaches a root that signs itself,
 * every certificate of it is an authority's and valid at `now`, and nothing in it is critical and unknown.
 * @param below how many authorities must fit below it: 1 for a root, 0 for an issuer of devices
 * @throws BAD_IMPORT, BAD_PKCS12, BAD_CERTIFICATE, BAD_PEM, BAD_PASSPHRASE
 */
export function readImport(source: ImportSource, below: number, now: number): Imported {
  const { key, certificates } = 'pkcs12' in source ? readPkcs12(source.pkcs12, source.passphrase) : readPems(source);
  const certificate = certificates.find((one) => belongs(key, one));
  if (certificate === undefined) {
    throw refused('The key belongs to none of the certificates', 'Give the certificate that was issued for this key.');
  }
  checkKind(certificate);
  const above = chainOf(certificate, certificates);
  for (const [i, one] of [certificate, ...above].entries()) checkAuthority(one, below + i, now);
  return { certificate, above, key };
}

function readPems(source: { certificates: string; key: Uint8Array; passphrase?: Uint8Array }): {
  key: KeyObject;
  certificates: Certificate[];
} {
  const blocks = parsePem(source.certificates, MOST_CERTIFICATES).filter(({ label }) => label === 'CERTIFICATE');
  const certificates = blocks.map(({ bytes }) => parseCertificate(bytes));
  try {
    const key = createPrivateKey({
      key: source.key as Buffer,
      format: 'pem',
      // An empty one: else OpenSSL asks the terminal.
      passphrase: (source.passphrase ?? new Uint8Array(0)) as Buffer,
    });
    return { key, certificates };
  } catch {
    throw fail('BAD_PASSPHRASE', 'The key cannot be read: its passphrase is missing or wrong, or it is no PEM key.', {
      hint: 'Give the key as PEM (BEGIN … PRIVATE KEY) and the passphrase that it was written with.',
      detail: { field: 'key' },
    });
  }
}

function checkKind({ key }: Certificate): void {
  const fits = key.kind === 'P-256' || (key.kind === 'RSA' && (key.bits ?? 0) >= RSA_LEAST);
  if (!fits) throw refused(`Its key is of the kind ${key.name}`, `P-256 and RSA from ${RSA_LEAST} bits are taken.`);
}

/** Those above, by who signed whom; the last one signs itself. */
function chainOf(certificate: Certificate, all: readonly Certificate[]): Certificate[] {
  const above: Certificate[] = [];
  for (let last = certificate; !signs(last, last); ) {
    const next = all.find((one) => one !== last && !above.includes(one) && signs(one, last));
    if (next === undefined || above.length > 8) {
      throw refused(
        `Nobody among the certificates signed "${last.subjectText}"`,
        'Give all certificates up to the root.',
      );
    }
    above.push(next);
    last = next;
  }
  return above;
}

/** Whether `issuer` signed `subject`. */
export function signs(issuer: Certificate, subject: Certificate): boolean {
  if (Buffer.compare(issuer.subject, subject.issuer) !== 0) return false;
  const [above, below] = [new X509Certificate(issuer.der), new X509Certificate(subject.der)];
  return below.checkIssued(above) && below.verify(above.publicKey);
}

function checkAuthority(one: Certificate, below: number, now: number): void {
  const name = `"${one.subjectText}"`;
  const { authority, keyUsage, purposes } = one;
  if (authority === null || (keyUsage !== null && !keyUsage.includes('keyCertSign'))) {
    throw refused(
      `${name} is not the certificate of an authority`,
      'Its basicConstraints or keyUsage forbid to issue.',
    );
  }
  if (authority.pathLength < below) {
    throw refused(
      `${name} lets ${authority.pathLength} authorities follow, and ${below} would`,
      'Import it one level lower.',
    );
  }
  if (purposes !== null && !purposes.includes('clientAuth') && !purposes.includes('anyExtendedKeyUsage')) {
    throw refused(`${name} may not issue for clients`, 'Its extended key usages lack clientAuth.');
  }
  if (now < one.notBefore || now >= one.notAfter) {
    throw refused(
      `${name} is valid from ${date(one.notBefore)} to ${date(one.notAfter)}`,
      'It is over, or not yet valid.',
    );
  }
  if (one.unknownCritical.length > 0) {
    const list = one.unknownCritical.join(', ');
    throw refused(`${name} has critical extensions that are not known here: ${list}`, 'It cannot be used safely.');
  }
}

const date = (ms: number): string => new Date(ms).toISOString();

function refused(what: string, hint: string): Error {
  return fail('BAD_IMPORT', `The authority cannot be taken over. ${what}.`, {
    hint,
    detail: { field: 'certificates' },
  });
}
