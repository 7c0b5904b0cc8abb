import { checkKeyPolicy, type KeyPolicy } from '../certificate/keys.ts';
import { fail } from '../errors.ts';
import type { PkiPlatform } from '../platform.ts';
import { parseCsr, type SigningRequest } from './parse.ts';

/**
 * Parses a request and checks that its sender holds the key.
 * @throws CSR_TOO_LARGE, BAD_CSR, BAD_PEM, CSR_KEY_REFUSED, CSR_SIGNATURE
 */
export async function verifyCsr(
  platform: PkiPlatform,
  input: Uint8Array | string,
  policy: KeyPolicy = 'P-256',
): Promise<SigningRequest> {
  const request = parseCsr(input);
  checkKeyPolicy(request.key, policy);
  const holds = await platform.verify(request.key, request.algorithm, request.signature, request.info);
  if (!holds) throw wrongSignature();
  return request;
}

export function wrongSignature(): Error {
  return fail('CSR_SIGNATURE', 'The signature of the signing request does not fit its key.', {
    hint: 'Make the request again: it was changed on its way, or signed with another key.',
    detail: { field: 'csr' },
  });
}
