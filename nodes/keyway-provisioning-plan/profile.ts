import { type CheckedProfile, checkProfile } from '../../lib/osdp/index.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { buses, type ProvisioningPlanConfig, strategies } from './config.ts';

/** The profile that the fields of the dialog say. @throws BAD_FIELD, BAD_EXPRESSION, BAD_PROFILE_FIELD */
export async function profileFromFields(fields: Fields<ProvisioningPlanConfig>): Promise<CheckedProfile> {
  const strategy = await fields.choice('strategy', strategies);
  const place =
    strategy === 'manual'
      ? { addresses: (await fields.words('addresses')).map(numberIn) }
      : { count: await fields.number('count'), startAddress: await fields.number('startAddress', { blank: 1 }) };
  const serials = serialsIn(await fields.value('serials'));
  return checkProfile({
    name: await fields.text('profileName'),
    strategy,
    ...place,
    baudRate: await fields.number('baudRate', { blank: 9600 }),
    capabilities: await fields.words('capabilities'),
    timeoutMs: await fields.seconds('attempt'),
    autoVerify: await fields.boolean('autoVerify'),
    autonomous: await fields.boolean('autonomous'),
    armingHours: await hoursIn(fields),
    bus: await fields.choice('bus', buses),
    factory: {
      address: await fields.number('factoryAddress', { blank: 0 }),
      baudRate: await fields.number('factoryBaudRate', { blank: 9600 }),
    },
    ...(serials.length === 0 ? {} : { serials }),
  });
}

/** What is no whole number stays as it is, and is refused by name. */
function numberIn(word: string): number | string {
  return /^\d+$/.test(word) ? Number(word) : word;
}

async function hoursIn(fields: Fields<ProvisioningPlanConfig>): Promise<number> {
  const value = await fields.value('armingHours');
  if (value === undefined || value === null || value === '') return 8;
  return Number(value);
}

/** A list, or a text with commas between; nothing between two commas lets any reader do. @throws BAD_FIELD */
function serialsIn(value: unknown): unknown[] {
  if (value === undefined || value === null || value === '') return [];
  if (Array.isArray(value)) return value;
  if (typeof value === 'string') return value.split(/[,;]/).map((serial) => serial.trim());
  throw fail('BAD_FIELD', 'The field "serials" must be a list, or a text with commas between.', {
    hint: 'Open the node and look where the field takes its value from.',
    detail: { field: 'serials' },
  });
}
