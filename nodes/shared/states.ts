import type { By, Device, Registry } from '../../lib/registry/index.ts';

/** A device by the two things that its certificate says. `mac`: 12 lower-case hex digits. */
export interface DeviceName {
  readonly namespace: string;
  readonly mac: string;
}

/** The device is being written to. @throws DEVICE_STATE it is retired; what the registry throws */
export async function bringToFlashing(
  registry: Registry,
  name: DeviceName,
  reason: string,
  by: By,
): Promise<Device | undefined> {
  const device = await registry.device(name);
  if (device === undefined) return undefined;
  return await registry.setState(device.id, 'flashing', { reason, by });
}

/** The device holds its identity and has not been heard of yet. @throws DEVICE_STATE; what the registry throws */
export async function bringToSetup(
  registry: Registry,
  name: DeviceName,
  reason: string,
  by: By,
): Promise<Device | undefined> {
  const device = await registry.device(name);
  if (device === undefined) return undefined;
  // From anywhere but retirement the way leads through flashing.
  if (device.state !== 'flashing' && device.state !== 'awaiting-setup') {
    await registry.setState(device.id, 'flashing', { reason, by });
  }
  return await registry.setState(device.id, 'awaiting-setup', { reason, by });
}
