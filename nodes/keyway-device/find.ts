import { KeywayError } from '../../lib/errors/index.ts';
import { namespaceName, normaliseMac } from '../../lib/pki/index.ts';
import type { Device, DeviceKey, Registry } from '../../lib/registry/index.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import type { DeviceConfig } from './config.ts';

/** What the fields say of one device. */
export interface Named {
  readonly namespace: string;
  /** 12 lower-case hex digits. */
  readonly mac: string | null;
  readonly serial: string | null;
  readonly name: string | null;
}

/** @throws BAD_FIELD, BAD_MAC, BAD_NAMESPACE */
export async function namedBy(fields: Fields<DeviceConfig>): Promise<Named> {
  const namespace = await fields.text('namespace');
  if (namespace === undefined) throw blank('namespace', 'The field "namespace" is blank.');
  const [mac, serial, name] = [await fields.text('mac'), await fields.text('serial'), await fields.text('deviceName')];
  if (mac === undefined && serial === undefined && name === undefined) {
    throw blank('mac', 'MAC, serial number and name are all blank.');
  }
  return {
    namespace: namespaceName(namespace),
    mac: mac === undefined ? null : normaliseMac(mac),
    serial: serial ?? null,
    name: name ?? null,
  };
}

/** @throws DEVICE_UNKNOWN */
export async function find(registry: Registry, { namespace, mac, serial, name }: Named): Promise<Device> {
  const key: DeviceKey =
    mac !== null ? { namespace, mac } : serial !== null ? { namespace, serial } : { namespace, name: name as string };
  const device = await registry.device(key);
  if (device !== undefined) return device;
  const [field = '', value = ''] = Object.entries(key).find(([known]) => known !== 'namespace') ?? [];
  throw new KeywayError(
    'DEVICE_UNKNOWN',
    `The registry has no device with the ${field} "${value}" in "${namespace}".`,
    {
      hint: 'Add it first, or correct what it is looked for by.',
      detail: { field, value },
    },
  );
}

function blank(field: string, message: string): Error {
  return fail('BAD_FIELD', message, {
    hint: 'Fill the field in, or look where it takes its value from.',
    detail: { field },
  });
}
