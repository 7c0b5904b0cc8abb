import { formatProvisionerAddress, parseProvisionerAddress } from '../link/address.ts';
import { type HostOptions, ProvisionerHost } from './host.ts';

/** One user's hold of a host that several share. */
export interface SharedHost {
  readonly host: ProvisionerHost;
  /** The last one that lets go closes it. */
  release(): Promise<void>;
}

const shared = new Map<string, { readonly host: ProvisionerHost; users: number }>();

/**
 * The host of a provisioner that this process has already, or a new one: however many flows work with one provisioner,
 * to it they are one host. The options are those of whoever comes first.
 * @throws BAD_LINK_ADDRESS
 */
export function shareHost(address: string, options: HostOptions): SharedHost {
  const key = `${formatProvisionerAddress(parseProvisionerAddress(address))} ${options.identity?.fingerprint ?? ''}`;
  const known = shared.get(key) ?? { host: ProvisionerHost.start(address, options), users: 0 };
  shared.set(key, known);
  known.users++;
  let held = true;
  return {
    host: known.host,
    release: async () => {
      if (!held) return;
      held = false;
      known.users--;
      if (known.users > 0) return;
      if (shared.get(key) === known) shared.delete(key);
      await known.host.close();
    },
  };
}
