import { decodeNvsKeys, type NvsKeys, nvsKeysFrom, nvsKeysFromHmac } from '../../lib/esp/index.ts';
import { nodePlatform } from '../../lib/esp/node.ts';
import { isHandle } from '../../lib/vault/index.ts';
import { fail } from './errors.ts';

/** Bytes of the key that is burnt into the chip, in the HMAC scheme. */
const HMAC_KEY = 32;
/** Bytes of both keys of an encrypted NVS partition. */
const BOTH_KEYS = 64;

/** The handle that a field holds; undefined when it is blank. What is there may be the key itself: it is not told. @throws BAD_FIELD */
export function keyHandleIn(value: unknown, redeemer: string, field = 'nvsKey'): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (isHandle(value)) return value;
  throw fail('BAD_FIELD', `The field "${field}" holds no handle.`, {
    hint: `Put a secret node in front that turns the key into a handle for ${redeemer}.`,
    detail: { field },
  });
}

/** The keys of an NVS partition, from whichever form the secret has: its length tells. @throws BAD_NVS_KEYS */
export async function nvsKeysOf(secret: Uint8Array): Promise<NvsKeys> {
  if (secret.length === HMAC_KEY) return await nvsKeysFromHmac(secret, nodePlatform);
  return secret.length === BOTH_KEYS ? nvsKeysFrom(secret) : decodeNvsKeys(secret);
}
