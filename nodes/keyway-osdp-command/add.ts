import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { readerOf } from '../shared/osdp-job.ts';
import type { KnownReader } from '../shared/osdp-keys.ts';
import type { Message } from '../shared/types.ts';
import { addedSecurities, type CommandConfig } from './config.ts';

/** The reader that a message adds to a bus. @throws BAD_FIELD */
export async function addedReader(fields: Fields<CommandConfig>, address: number, msg: Message): Promise<KnownReader> {
  const security = await fields.choice('security', addedSecurities);
  const { name } = readerOf(msg);
  const known = { address, name: typeof name === 'string' ? name : '', security };
  if (security !== 'handle') return { ...known, key: '' };
  const key = await fields.text('key');
  if (key !== undefined) return { ...known, key };
  throw fail('BAD_FIELD', 'The field "key" holds no handle.', {
    hint: 'Put a secret node in front that makes a handle of the key, for the node type keyway-osdp-bus.',
    detail: { field: 'key' },
  });
}
