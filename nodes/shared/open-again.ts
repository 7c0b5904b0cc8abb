import { isSameDevice, type KnownDevice, type PortInfo, waitForDevice } from '../../lib/link/index.ts';
import type { PortTarget } from './deployed.ts';
import { type OpenPort, openPort } from './open-port.ts';

export interface ReopenOptions {
  signal: AbortSignal;
  /** How long the device is awaited, in ms. */
  timeoutMs: number;
}

/**
 * Opens the port of a device that was lost once the device is there again, wherever it comes up. A port that has just
 * come may not be ready yet: whoever asks tries again.
 * @throws DEVICE_NOT_BACK, CANCELLED, and what opening throws
 */
export async function openAgain(
  lost: KnownDevice,
  target: PortTarget,
  owner: string,
  options: ReopenOptions,
): Promise<OpenPort> {
  const found = await waitForDevice(lost, options);
  return await openPort(portOf(target, found), owner, options.signal);
}

/** The same port where its device came up. One that is borrowed is its lender's at one address alone. */
function portOf(target: PortTarget, found: PortInfo): PortTarget {
  if (isSameDevice({ address: target.address }, found)) return target;
  const { lender: _none, ...rest } = target;
  return { ...rest, address: found.address };
}
