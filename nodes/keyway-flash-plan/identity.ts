import { type IdentityExtra, identityItems, identityNamespaces, type NvsItem } from '../../lib/esp/index.ts';
import { isHandle } from '../../lib/vault/index.ts';
import type { Fields } from '../shared/evaluate.ts';
import { fail } from '../shared/identity-errors.ts';
import type { FlashPlanConfig } from './config.ts';

/** Where brokers listen for TLS. */
const BROKER_PORT = 8883;

/** What of the work piece's identity goes onto the chip. */
interface Parts {
  readonly namespace: string;
  readonly chain: string;
  readonly ca: string;
  readonly key: string;
}

/** The NVS entries of the unit's identity, and the NVS namespaces that are theirs; none where the plan leaves it out. */
export async function identityFrom(
  config: FlashPlanConfig,
  fields: Fields<FlashPlanConfig>,
): Promise<{ items: NvsItem[]; namespaces: string[] }> {
  const layout = config.identity;
  if (layout === 'none') return { items: [], namespaces: [] };
  const { namespace, chain, ca, key } = partsIn(await fields.value('identityFrom'));
  const host = await fields.text('broker');
  const port = await fields.number('brokerPort', { min: 1, max: 65_535, blank: BROKER_PORT });
  const extra: IdentityExtra = {
    brokerPort: port,
    namespaceId: namespace,
    ...(host === undefined ? {} : { brokerHost: host, brokerUrl: `mqtts://${host}:${port}` }),
  };
  const items = identityItems(layout, { certificate: chain, key: { handle: key }, ca, extra });
  return { items, namespaces: identityNamespaces(layout) };
}

/** @throws NO_IDENTITY */
function partsIn(value: unknown): Parts {
  const { namespace, chain, ca, key } = (value ?? {}) as Partial<Record<keyof Parts, unknown>>;
  if (typeof chain !== 'string' || typeof ca !== 'string' || typeof namespace !== 'string') {
    throw noIdentity(
      'There is no identity in the message.',
      'Put a mint node in front, or point the field at where it is.',
    );
  }
  if (isHandle(key)) return { namespace, chain, ca, key };
  throw noIdentity(
    'The identity in the message has no key that could be flashed.',
    'Let a mint node make the key: one that was made elsewhere stays there.',
  );
}

function noIdentity(message: string, hint: string): Error {
  return fail('NO_IDENTITY', message, { hint, detail: { field: 'identityFrom' } });
}
