import type { NvsItem, NvsRecipe, PlanOptions } from '../../lib/esp/index.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { checkItems, itemsOfRows, itemsOfValue } from '../shared/nvs-items.ts';
import { keyHandleIn } from '../shared/nvs-keys.ts';
import type { FlashPlanConfig } from './config.ts';
import { identityFrom } from './identity.ts';

/** The NVS partition that the node is to plan; nothing when it leaves NVS alone. @throws BAD_FIELD, BAD_NVS_CSV */
export async function nvsFrom(
  config: FlashPlanConfig,
  fields: Fields<FlashPlanConfig>,
): Promise<NonNullable<PlanOptions['nvs']>> {
  if (config.nvs === 'none' && config.identity === 'none') return [];
  const identity = await identityFrom(config, fields);
  const items = [...identity.items, ...(await itemsFrom(config, fields))];
  checkItems(items);
  // What another attempt left in the namespaces of the identity goes, whatever it was called.
  const clears = [...new Set([...(await fields.words('clears')), ...identity.namespaces])];
  const recipe: NvsRecipe = {
    mode: config.nvsMode,
    items,
    ...(config.nvsMode === 'merge' && clears.length > 0 ? { clears } : {}),
    encryption: await encryptionOf(config, fields),
  };
  const partition = (await fields.text('partition')) ?? 'nvs';
  const offset = await placed('nvsOffset', fields);
  const size = await placed('nvsSize', fields);
  return [{ partition, recipe, ...(offset === null ? {} : { offset }), ...(size === null ? {} : { size }) }];
}

function itemsFrom({ nvs, entries }: FlashPlanConfig, fields: Fields<FlashPlanConfig>): Promise<NvsItem[]> {
  if (nvs === 'table') return itemsOfRows(fields, entries);
  if (nvs === 'none') return Promise.resolve([]);
  return fields.value('nvsValue').then((value) => itemsOfValue(value, 'nvsValue'));
}

async function encryptionOf(
  { nvsScheme: scheme }: FlashPlanConfig,
  fields: Fields<FlashPlanConfig>,
): Promise<NvsRecipe['encryption']> {
  if (scheme === 'none') return { scheme };
  const handle = keyHandleIn(await fields.value('nvsKey'), 'keyway-flash');
  if (handle !== undefined) return { scheme, handle };
  if (scheme === 'nvs_keys') return { scheme };
  throw fail(
    'BAD_FIELD',
    'The field "nvsKey" is blank, and the HMAC scheme needs the key that is burnt into the chip.',
    {
      hint: 'Put a secret node in front that turns the key into a handle for keyway-flash.',
      detail: { field: 'nvsKey' },
    },
  );
}

async function placed(field: 'nvsOffset' | 'nvsSize', fields: Fields<FlashPlanConfig>): Promise<number | null> {
  const value = await fields.number(field, { blank: -1, min: -1 });
  return value < 0 ? null : value;
}
