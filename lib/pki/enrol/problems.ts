import { isKeywayError } from '../../errors/index.ts';

/** An answer of the enrolment service, to be written to whoever asked. */
export interface EnrolResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What callers are told of; all else is an error of ours. */
const STATUS: Readonly<Record<string, number>> = {
  ENROL_BAD_REQUEST: 400,
  BAD_MAC: 400,
  BAD_NAMESPACE: 400,
  BAD_CSR: 400,
  BAD_PEM: 400,
  CSR_KEY_REFUSED: 400,
  CSR_SIGNATURE: 400,
  CSR_TOO_LARGE: 413,
  ENROL_UNAUTHORISED: 401,
  ENROL_FORBIDDEN: 403,
  ENROL_NOT_FOUND: 404,
  NAMESPACE_UNKNOWN: 404,
  CERTIFICATE_UNKNOWN: 404,
  DEVICE_HAS_LIVE: 409,
  KEY_IN_USE: 409,
  CERTIFICATE_STATE: 409,
  CLOCK_BEHIND: 503,
  ISSUER_EXPIRED: 503,
  AUTHORITY_MISSING: 503,
  AUTHORITY_CLOSED: 503,
  WORKER_LOST: 503,
};

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Unauthorised',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  500: 'Internal error',
  503: 'Not available',
};

/** RFC 9457, with our code. What is no error of the caller's says nothing of what is within. */
export function problem(error: unknown): EnrolResponse {
  const known = isKeywayError(error) ? STATUS[error.code] : undefined;
  const override = isKeywayError(error) ? error.detail?.status : undefined;
  const status = typeof override === 'number' ? override : (known ?? (isKeywayError(error) ? 503 : 500));
  const body = {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    code: isKeywayError(error) ? error.code : 'INTERNAL',
    ...(known !== undefined && isKeywayError(error) ? { detail: error.message, hint: error.hint } : {}),
  };
  return {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...(status === 401 ? { 'WWW-Authenticate': 'Bearer realm="keyway"' } : {}),
      ...(status === 405 ? { Allow: 'POST' } : {}),
    },
    body: JSON.stringify(body),
  };
}
