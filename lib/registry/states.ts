import type { DeviceState } from './types.ts';

/**
 * Where a device may go from where it stands. A flash that failed leads back to `registered`: what is on the chip is
 * then unknown. A revoked device comes back by being flashed again. A retired one must be taken back first.
 */
export const TRANSITIONS: Readonly<Record<DeviceState, readonly DeviceState[]>> = {
  registered: ['flashing', 'awaiting-setup', 'online', 'revoked', 'retired'],
  flashing: ['flashing', 'registered', 'awaiting-setup', 'online', 'revoked', 'retired'],
  'awaiting-setup': ['flashing', 'online', 'expired', 'revoked', 'retired'],
  online: ['offline', 'flashing', 'expired', 'revoked', 'retired'],
  offline: ['online', 'flashing', 'expired', 'revoked', 'retired'],
  expired: ['flashing', 'awaiting-setup', 'online', 'offline', 'revoked', 'retired'],
  revoked: ['flashing', 'retired'],
  retired: ['registered'],
};

export const DEVICE_STATES = Object.keys(TRANSITIONS) as readonly DeviceState[];

/** Whether a device may go from one state to the other. */
export function mayBecome(from: DeviceState, to: DeviceState): boolean {
  return TRANSITIONS[from].includes(to);
}
