import { type CertificateFacts, readCertificates } from './certificate.ts';
import { checkKey } from './key.ts';
import type { IdentityField } from './layouts.ts';
import { Malformed } from './pem.ts';

/** What the value of one field says; null for a key, and for what is plain text. */
export interface FieldFacts {
  readonly certificates: readonly CertificateFacts[];
  readonly text: string | null;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const NOTHING: FieldFacts = { certificates: [], text: null };

/**
 * Judges a value as the firmware does that reads it. `bytes` are without the closing NUL.
 * @throws Malformed
 */
export function readField({ role, longest }: IdentityField, bytes: Uint8Array): FieldFacts {
  if (bytes.length === 0) throw new Malformed('is empty');
  if (bytes.includes(0)) throw new Malformed('has a NUL before its end');
  if (bytes.length > longest) throw new Malformed(`has ${bytes.length} bytes, and the chip takes ${longest} at most`);
  if (role === 'key') {
    checkKey(bytes);
    return NOTHING;
  }
  if (role === 'certificate' || role === 'ca') return { certificates: certificatesOf(role, bytes), text: null };
  return { certificates: [], text: textOf(role, bytes) };
}

function certificatesOf(role: 'certificate' | 'ca', bytes: Uint8Array): CertificateFacts[] {
  const certificates = readCertificates(bytes);
  if (role === 'certificate' && certificates[0]?.commonName === null) {
    throw new Malformed('is a certificate without a common name');
  }
  return certificates;
}

function textOf(role: IdentityField['role'], bytes: Uint8Array): string {
  let text: string;
  try {
    text = strictUtf8.decode(bytes);
  } catch {
    throw new Malformed('is no UTF-8');
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text)) throw new Malformed('has control characters in it');
  if (role === 'brokerPort' && !(/^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65535)) {
    throw new Malformed('is no port from 1 to 65535');
  }
  if (role === 'brokerHost' && !/^[A-Za-z0-9.:_-]+$/.test(text)) throw new Malformed('is no host name or address');
  if (role === 'brokerUrl' && !/^(mqtts?|wss?):\/\/[^\s/]+/.test(text)) throw new Malformed('is no URL of a broker');
  return text;
}
