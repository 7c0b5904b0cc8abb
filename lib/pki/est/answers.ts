import { isKeywayError } from '../../errors/index.ts';
import type { EstResponse } from './types.ts';

/** What a client is told: a status. Why, is in the audit log. */
const STATUS: Readonly<Record<string, number>> = {
  EST_BAD_REQUEST: 400,
  EST_SUBJECT: 400,
  EST_REKEY: 400,
  BAD_CSR: 400,
  BAD_PEM: 400,
  CSR_KEY_REFUSED: 400,
  CSR_SIGNATURE: 400,
  EST_UNAUTHORISED: 401,
  DEVICE_HAS_LIVE: 403,
  KEY_IN_USE: 403,
  CERTIFICATE_STATE: 403,
  NAMESPACE_UNKNOWN: 404,
  EST_NOT_FOUND: 404,
  EST_METHOD: 405,
  EST_TOO_LARGE: 413,
  CSR_TOO_LARGE: 413,
  EST_MEDIA_TYPE: 415,
  EST_TOO_MANY: 429,
};

const TEXTS: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Unauthorised',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  413: 'Too large',
  415: 'Unsupported media type',
  429: 'Too many requests',
  500: 'Internal error',
  503: 'Not available',
};

/** The status for an error: what is no fault of the client's is 503, and what nobody knows 500. */
export function statusOf(error: unknown): number {
  if (!isKeywayError(error)) return 500;
  return error.code.startsWith('CERT_') ? 403 : (STATUS[error.code] ?? 503);
}

export function refusal(status: number, allow?: unknown): EstResponse {
  return {
    status,
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'Cache-Control': 'no-store',
      ...(status === 401 ? { 'WWW-Authenticate': 'Basic realm="keyway"' } : {}),
      ...(status === 405 && typeof allow === 'string' ? { Allow: allow } : {}),
      ...(status === 429 ? { 'Retry-After': '3600' } : {}),
      ...(status === 503 ? { 'Retry-After': '60' } : {}),
    },
    body: `${TEXTS[status] ?? 'Error'}\n`,
  };
}

/** Base64 in one line with one line feed: some clients take neither more lines nor none. */
export function answer(type: string, der: Uint8Array): EstResponse {
  return {
    status: 200,
    headers: { 'Content-Type': type, 'Cache-Control': 'no-store' },
    body: `${Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64')}\n`,
  };
}
