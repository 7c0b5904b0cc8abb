import type { AlternativeName } from '../certificate/names.ts';
import { ipBytes } from '../certificate/names.ts';
import { CSR_MOST, type SigningRequest } from '../csr/parse.ts';
import { fail } from '../errors.ts';
import { hostName } from '../names.ts';
import { toPem } from '../pem.ts';
import type { CertificateRecord } from '../store.ts';
import type { Ready } from './issuers.ts';
import type { Issued } from './types.ts';

/** RFC 5280 §5.3.1; 7 is unused, and 8 and 6 take back, which nothing here does. */
const REASONS = [0, 1, 2, 3, 4, 5, 9, 10];

/** A copy for a worker is made only of what is not refused anyway. */
export function whileSmall(csr: Uint8Array | string | SigningRequest): Uint8Array | string | SigningRequest {
  if (typeof csr !== 'string' && !(csr instanceof Uint8Array)) return isRequest(csr) ? csr : new Uint8Array(0);
  return csr.length > 2 * CSR_MOST ? csr.slice(0, 2 * CSR_MOST) : csr;
}

/** Callers in plain JavaScript give anything. */
function isRequest(csr: unknown): csr is SigningRequest {
  return typeof csr === 'object' && csr !== null && 'info' in csr && 'key' in csr && 'signature' in csr;
}

export function serviceName(value: string): AlternativeName {
  try {
    ipBytes(value);
    return { kind: 'ip', value };
  } catch {
    return { kind: 'dns', value: hostName(value, { wildcard: true }) };
  }
}

export function checkReason(reason: number): void {
  if (REASONS.includes(reason)) return;
  throw fail('CERTIFICATE_STATE', `${reason} is no reason that a certificate can be revoked for.`, {
    hint: `Use one of ${REASONS.join(', ')} (RFC 5280 §5.3.1).`,
    detail: { field: 'reason', value: reason },
  });
}

export function issuedOf(record: CertificateRecord, ready: Ready): Issued {
  const { serial, namespace, device, state, notBefore, notAfter, der, publicKeyHash } = record;
  const pem = toPem('CERTIFICATE', der);
  const { intermediates, authorities } = ready;
  return {
    ...{ serial, namespace, mac: device, state, notBefore, notAfter, der, pem, publicKeyHash, authorities },
    chain: pem + intermediates,
  };
}
