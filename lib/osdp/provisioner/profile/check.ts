import { BAUD_RATES } from '../../panel/types.ts';
import { STEPS_MOST } from '../types.ts';
import { EXPECTED_CAPABILITIES, isExpectedCapability } from './capabilities.ts';
import { fail } from './errors.ts';
import { Field, isObject } from './fields.ts';
import { readSerial } from './steps.ts';
import {
  ADDRESS_STRATEGIES,
  type AddressStrategy,
  type CheckedProfile,
  PROFILE_DEFAULTS,
  PROFILE_KIND,
  PROFILE_VERSION,
  type ProfileWarning,
  type ProvisioningProfile,
} from './types.ts';

/** The highest address that a reader may have; 127 is the configuration address. */
const LAST_ADDRESS = 126;
const NAME_MOST = 64;
const TIMEOUT_MOST = 600_000;
/** A full step takes above a second at 9600 baud; a reader that restarts after COMSET takes a few more. */
const TIMEOUT_SHORT = 3000;
const ARMING_MOST = 168;
const RATES = [...BAUD_RATES].sort((a, b) => a - b);

const FIELDS = [
  'kind',
  'version',
  'name',
  'count',
  'strategy',
  'startAddress',
  'addresses',
  'baudRate',
  'capabilities',
  'timeoutMs',
  'autoVerify',
  'autonomous',
  'armingHours',
  'bus',
  'factory',
  'serials',
];

/**
 * Reads a profile from an object of any origin. What is left out has the value of PROFILE_DEFAULTS; `name` and `count`
 * must be there (`count` not with a manual list), and a field that no profile has is refused.
 *
 * @returns the profile whole and in its normal form, frozen, and what a person should know of it.
 * @throws BAD_PROFILE, BAD_PROFILE_FIELD (detail: field, value), PROFILE_TOO_NEW
 */
export function checkProfile(input: unknown): CheckedProfile {
  if (!isObject(input)) {
    throw fail('BAD_PROFILE', 'The provisioning profile is no object.', {
      hint: 'Give an object with name, count and what differs from the defaults.',
      detail: { field: 'profile' },
    });
  }
  const field = new Field(input);
  checkVersion(input);
  field.only(FIELDS);
  const strategy = field.choice('strategy', ADDRESS_STRATEGIES, PROFILE_DEFAULTS.strategy);
  const place = strategy === 'manual' ? listed(field) : counted(field, strategy);
  const factory = field.object('factory');
  factory?.only(['address', 'baudRate']);
  const profile: ProvisioningProfile = Object.freeze({
    kind: PROFILE_KIND,
    version: PROFILE_VERSION,
    name: field.text('name', NAME_MOST),
    strategy,
    ...place,
    baudRate: field.choice('baudRate', RATES, PROFILE_DEFAULTS.baudRate),
    capabilities: Object.freeze(capabilitiesIn(field)),
    timeoutMs: field.whole('timeoutMs', 0, TIMEOUT_MOST, PROFILE_DEFAULTS.timeoutMs),
    autoVerify: field.flag('autoVerify', PROFILE_DEFAULTS.autoVerify),
    autonomous: field.flag('autonomous', PROFILE_DEFAULTS.autonomous),
    armingHours: field.positive('armingHours', ARMING_MOST, PROFILE_DEFAULTS.armingHours),
    bus: field.choice('bus', ['single', 'multi'] as const, PROFILE_DEFAULTS.bus),
    factory: Object.freeze({
      address: factory?.whole('address', 0, LAST_ADDRESS, 0) ?? PROFILE_DEFAULTS.factory.address,
      baudRate:
        factory?.choice('baudRate', RATES, PROFILE_DEFAULTS.factory.baudRate) ?? PROFILE_DEFAULTS.factory.baudRate,
    }),
    serials: Object.freeze(serialsIn(field, place.count)),
  });
  return { profile, warnings: warningsOf(profile) };
}

/** @throws BAD_PROFILE, PROFILE_TOO_NEW */
function checkVersion(input: Readonly<Record<string, unknown>>): void {
  const { kind = PROFILE_KIND, version = PROFILE_VERSION } = input;
  if (kind !== PROFILE_KIND) {
    throw fail('BAD_PROFILE', 'The object is something else than a provisioning profile.', {
      hint: `A profile says "kind": "${PROFILE_KIND}".`,
      detail: { field: 'kind' },
    });
  }
  if (version === PROFILE_VERSION) return;
  if (Number.isInteger(version) && (version as number) > PROFILE_VERSION) {
    throw fail('PROFILE_TOO_NEW', `The profile has version ${String(version)}; known here is ${PROFILE_VERSION}.`, {
      hint: 'Update Keyway, or write the profile with this release.',
      detail: { field: 'version', value: version },
    });
  }
  throw new Field(input).bad('version', String(PROFILE_VERSION));
}

type Place = Pick<ProvisioningProfile, 'count' | 'startAddress' | 'addresses'>;

function counted(field: Field, strategy: AddressStrategy): Place {
  if (field.list('addresses', STEPS_MOST).length > 0)
    throw field.bad('addresses', `left out: the addresses are ${strategy}`);
  const count = field.whole('count', 1, STEPS_MOST);
  const startAddress = field.whole('startAddress', 0, LAST_ADDRESS, PROFILE_DEFAULTS.startAddress);
  const last = startAddress + count - 1;
  if (last <= LAST_ADDRESS) return { count, startAddress, addresses: PROFILE_DEFAULTS.addresses };
  throw fail(
    'BAD_PROFILE_FIELD',
    `${count} readers from address ${startAddress} on would need address ${last}; the last one is ${LAST_ADDRESS}.`,
    {
      hint: `From address ${startAddress} on there is room for ${LAST_ADDRESS - startAddress + 1}.`,
      detail: { field: 'count', value: count, startAddress, last },
    },
  );
}

function listed(field: Field): Place {
  const addresses = field.list('addresses', STEPS_MOST);
  if (addresses.length === 0) throw field.bad('addresses', `a list of 1 to ${STEPS_MOST} addresses`);
  const seen = new Set<number>();
  for (const [at, address] of addresses.entries()) {
    const legal = Number.isInteger(address) && (address as number) >= 0 && (address as number) <= LAST_ADDRESS;
    const name = `addresses[${at}]`;
    if (!legal) throw field.bad(name, `a whole number from 0 to ${LAST_ADDRESS}`, address);
    if (seen.has(address as number)) throw field.bad(name, 'another address: no two readers may share one', address);
    seen.add(address as number);
  }
  field.whole('startAddress', 0, LAST_ADDRESS, 0);
  const count = field.whole('count', 1, STEPS_MOST, addresses.length);
  if (count !== addresses.length) throw field.bad('count', `${addresses.length}, as many as the list has`);
  const list = Object.freeze([...seen]);
  return { count, startAddress: list[0] as number, addresses: list };
}

function capabilitiesIn(field: Field): string[] {
  const words = field.list('capabilities', EXPECTED_CAPABILITIES.length);
  return words.map((word, at) => {
    const name = `capabilities[${at}]`;
    if (!isExpectedCapability(word)) throw field.bad(name, `one of ${EXPECTED_CAPABILITIES.join(', ')}`, word);
    if (words.indexOf(word) < at) throw field.bad(name, 'named once', word);
    return word;
  });
}

function serialsIn(field: Field, count: number): string[] {
  const serials = field.list('serials', STEPS_MOST);
  if (serials.length !== 0 && serials.length !== count)
    throw field.bad('serials', `a list of ${count}, one a reader, or left out`);
  const read = serials.map((serial, at) => {
    const known = readSerial(serial);
    if (known !== undefined) return known;
    throw field.bad(`serials[${at}]`, 'eight hex digits, or blank', serial);
  });
  const twice = read.findIndex((serial, at) => serial !== '' && read.indexOf(serial) < at);
  if (twice >= 0) throw field.bad(`serials[${twice}]`, 'named once', read[twice]);
  return read;
}

function warningsOf(profile: ProvisioningProfile): ProfileWarning[] {
  const warnings: ProfileWarning[] = [];
  const { bus, factory, timeoutMs } = profile;
  if (bus === 'multi' && mayUse(profile, factory.address)) {
    const text = `Address ${factory.address} is where new readers answer: the reader that gets it is done last.`;
    warnings.push({
      code: 'FACTORY_ADDRESS',
      field: profile.strategy === 'manual' ? 'addresses' : 'startAddress',
      text,
    });
  }
  if (timeoutMs > 0 && timeoutMs < TIMEOUT_SHORT) {
    const text = `${timeoutMs} ms are short: a reader may take longer to change its rate and to take its key.`;
    warnings.push({ code: 'SHORT_TIMEOUT', field: 'timeoutMs', text });
  }
  return warnings;
}

/** Whether one of the readers gets the address, or may draw it. */
function mayUse({ strategy, startAddress, count, addresses }: ProvisioningProfile, address: number): boolean {
  if (strategy === 'manual') return addresses.includes(address);
  return address >= startAddress && (strategy === 'random' || address < startAddress + count);
}
