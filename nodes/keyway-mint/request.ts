import { parseCsr } from '../../lib/pki/index.ts';
import { fail } from '../shared/errors.ts';

/** A signing request that can be read: one that cannot must not leave a device behind. @throws BAD_FIELD, BAD_CSR, BAD_PEM */
export function csrIn(value: unknown): Uint8Array | string {
  if (value instanceof Uint8Array || (typeof value === 'string' && value !== '')) {
    parseCsr(value);
    return value;
  }
  throw fail('BAD_FIELD', 'The field "csr" holds neither a text nor a Buffer.', {
    hint: 'Open the node and look where the field takes its value from.',
    detail: { field: 'csr' },
  });
}
