import { codeOf } from '../../../errors/index.ts';
import { listPorts } from '../../../link/index.ts';
import type { Hello } from '../link/messages.ts';
import { type GreetOptions, greet } from './greet.ts';

/** A provisioner that answered. */
export interface Discovered {
  /** For `ProvisionerHost` and `pairProvisioner`. */
  readonly address: string;
  readonly name: string;
  readonly software: string;
  readonly modes: Hello['modes'];
  /** By this it is known, wherever it is plugged in; null on a unix socket. */
  readonly fingerprint: string | null;
  /** Whether it knows this host. */
  readonly paired: boolean;
  /** Whether it shows a pairing code just now. */
  readonly pairing: boolean;
  /** Who is attached; null when nobody is, or this host is not paired with it. */
  readonly host: Hello['host'];
}

export interface DiscoverOptions extends GreetOptions {
  /** Addresses that may be provisioners: known ones, those of a configuration. */
  readonly addresses?: readonly string[];
  /**
   * Also look at the free USB serial ports and virtual ports of this machine. Each is opened, and some bytes are sent to
   * it: what hangs there sees them. Default false.
   */
  readonly ports?: boolean;
}

/** For one address, ms. */
const TIMEOUT_MS = 1000;
const AT_ONCE = 4;

/** Asks each address for its hello. What does not answer as a provisioner does is left out. */
export async function discoverProvisioners(options: DiscoverOptions): Promise<Discovered[]> {
  const wanted = [...new Set([...(options.addresses ?? []), ...(options.ports === true ? await freePorts() : [])])];
  const found: (Discovered | undefined)[] = [];
  const work = async (): Promise<void> => {
    for (let address = wanted.shift(); address !== undefined; address = wanted.shift()) {
      found.push(await probe(address, options));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found.filter((one) => one !== undefined).sort((a, b) => (a.address < b.address ? -1 : 1));
}

async function freePorts(): Promise<string[]> {
  const ports = await listPorts().catch(() => []);
  return ports
    .filter((port) => port.heldBy === undefined && (port.kind === 'virtual' || port.usb !== undefined))
    .map((port) => `serial:${port.address}`);
}

async function probe(address: string, options: DiscoverOptions): Promise<Discovered | undefined> {
  try {
    const { session, hello, binding, released } = await greet(
      address,
      { timeoutMs: TIMEOUT_MS, ...options },
      () => undefined,
    );
    session.close();
    await released;
    const { name, software, modes, paired, pairing, host } = hello;
    return { address, name, software, modes, paired, pairing, host, fingerprint: binding?.provisioner ?? null };
  } catch (error) {
    // What cannot be an address is the caller's mistake; anything else is no provisioner.
    if (codeOf(error) === 'BAD_LINK_ADDRESS' || codeOf(error) === 'BAD_LINK_OPTION') throw error;
    return undefined;
  }
}
