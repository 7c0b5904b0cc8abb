import { realpathSync } from 'node:fs';
import { formatAddress, parseAddress } from './address.ts';
import { fail } from './errors.ts';

/** Gives a port back. Harmless when called again. */
export type Release = () => void;

const owners = new Map<string, { owner: string }>();

/**
 * Takes a port for one owner in this process. `openLink` does this for you; claim by hand when a port is used by
 * other means, for instance while it is borrowed.
 *
 * @param owner who holds it, in words for another user: "flash bench-1".
 * @throws PORT_BUSY naming the holder; BAD_ADDRESS.
 */
export function claimPort(address: string, owner: string): Release {
  const key = ownershipKey(address);
  const holder = owners.get(key);
  if (holder !== undefined) {
    throw fail('PORT_BUSY', `The port ${address} is held by ${holder.owner}.`, {
      hint: 'Wait until it is released, or choose another port.',
      detail: { field: 'address', value: address, heldBy: holder.owner },
    });
  }
  const entry = { owner };
  owners.set(key, entry);
  return () => {
    if (owners.get(key) === entry) owners.delete(key);
  };
}

/** Who holds the port in this process, in the words of `claimPort`. */
export function holderOf(address: string): string | undefined {
  return owners.get(ownershipKey(address))?.owner;
}

/**
 * One key a port, whichever of its names was used: /dev/serial/by-id/… is a symbolic link to /dev/ttyUSB0.
 * @throws BAD_ADDRESS
 */
export function ownershipKey(text: string): string {
  const address = parseAddress(text);
  if (address.kind !== 'serial') return formatAddress(address).toLowerCase();
  if (!address.path.startsWith('/')) return address.path.toUpperCase();
  try {
    return realpathSync(address.path);
  } catch {
    return address.path;
  }
}
