import { formatAddress, listPorts, type PortInfo, parseAddress, type UsbIdentity } from '../../lib/link/index.ts';
import { fail } from './errors.ts';
import type { PortTarget } from './port-target.ts';

/** Ports that messages may name although no keyway-port node leads there: a deployed keyway-port-pool node. */
export interface DeployedPool {
  readonly id: string;
  readonly name: string;
  /** How many of its ports may be worked on at once; 0 = any number. */
  readonly atOnce: number;
  /** Rate of the chips' consoles, in baud. */
  readonly baudRate: number;
  /** Whether it names a port that is known by these addresses, and of which USB says that. */
  allows(addresses: readonly string[], usb: UsbIdentity | undefined): boolean;
}

/** The ports of a pool that are being worked on, each with how many jobs it has, and the jobs that wait. */
interface Desk {
  readonly busy: Map<string, number>;
  readonly waiting: { readonly address: string; grant(): void }[];
}

export interface SlotOptions {
  readonly signal: AbortSignal;
  /** Whether to wait for a place; else BUSY. */
  readonly wait: boolean;
  /** Called when there is something to wait for. */
  onWaiting?(): void;
}

const pools = new Map<string, DeployedPool>();
const desks = new Map<string, Desk>();

export function deployPool(pool: DeployedPool): () => void {
  pools.set(pool.id, pool);
  serve(pool.id);
  return () => {
    if (pools.get(pool.id) === pool) pools.delete(pool.id);
  };
}

/** The pool that a node names, while it is deployed. */
export function poolById(id: string): DeployedPool | undefined {
  return pools.get(id);
}

/** The first pool that names a port, for whoever lists ports. */
export function poolOf(port: PortInfo): DeployedPool | undefined {
  return [...pools.values()].find((pool) => pool.allows([port.address, port.stableName], port.usb));
}

/** A port by its address, or by the name under which it is listed. What is plugged in is also known by its USB ids. */
export async function findInPools(wanted: string): Promise<PortTarget | undefined> {
  if (pools.size === 0) return undefined;
  const listed = await listPorts().catch((): PortInfo[] => []);
  const written = addressIn(wanted);
  const isIt = (port: PortInfo): boolean =>
    written === undefined ? port.name === wanted : port.address === written || port.stableName === written;
  const found = listed.filter(isIt);
  const [port] = found;
  // Two adapters of one make have one name: only an address tells them apart.
  if (found.length > 1) return undefined;
  const address = port?.address ?? written;
  if (address === undefined) return undefined;
  const addresses = port === undefined ? [address] : [port.address, port.stableName];
  for (const pool of pools.values()) {
    if (!pool.allows(addresses, port?.usb)) continue;
    const { id, baudRate } = pool;
    // The address is its name too: the nodes behind find the port by it, plugged in or not.
    return { address, name: address, baudRate, pool: id };
  }
  return undefined;
}

function addressIn(text: string): string | undefined {
  try {
    return formatAddress(parseAddress(text));
  } catch {
    return undefined;
  }
}

/**
 * Waits until the pool that a port was chosen from lets one more of its ports be worked on. Jobs for the same port
 * share its place: they wait for each other anyway. A port that is no pool's never waits.
 *
 * @returns the way to give the place back. Call it once the port is given back too.
 * @throws BUSY where it may not wait, and the reason of `signal`.
 */
export async function poolSlot(target: PortTarget, options: SlotOptions): Promise<() => void> {
  const { signal, wait, onWaiting } = options;
  const { pool: id, address } = target;
  signal.throwIfAborted();
  if (id === undefined) return () => undefined;
  const desk: Desk = desks.get(id) ?? { busy: new Map(), waiting: [] };
  if (!wait && !fits(id, desk, address)) throw noPlace(id, target, desk);
  desks.set(id, desk);
  await new Promise<void>((resolve, reject) => {
    const abandon = (): void => {
      desk.waiting.splice(desk.waiting.indexOf(entry), 1);
      forgetIdle(id, desk);
      reject(signal.reason);
    };
    const entry = {
      address,
      grant: () => {
        signal.removeEventListener('abort', abandon);
        resolve();
      },
    };
    desk.waiting.push(entry);
    signal.addEventListener('abort', abandon, { once: true });
    serve(id);
    if (desk.waiting.includes(entry)) onWaiting?.();
  });
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    const left = (desk.busy.get(address) ?? 1) - 1;
    if (left > 0) desk.busy.set(address, left);
    else desk.busy.delete(address);
    serve(id);
  };
}

/** Lets those in whose turn it is. The limit is the pool's as it is deployed now. */
function serve(id: string): void {
  const desk = desks.get(id);
  if (desk === undefined) return;
  for (const entry of [...desk.waiting]) {
    if (!fits(id, desk, entry.address)) continue;
    desk.waiting.splice(desk.waiting.indexOf(entry), 1);
    desk.busy.set(entry.address, (desk.busy.get(entry.address) ?? 0) + 1);
    entry.grant();
  }
  forgetIdle(id, desk);
}

/** Whether a job for that port may begin now. */
function fits(id: string, { busy }: Desk, address: string): boolean {
  const limit = pools.get(id)?.atOnce ?? 0;
  return limit === 0 || busy.has(address) || busy.size < limit;
}

function noPlace(id: string, { name }: PortTarget, { busy }: Desk): Error {
  const pool = pools.get(id)?.name ?? id;
  const ports = [...busy.keys()];
  return fail('BUSY', `The port ${name} has to wait: ${ports.length} of the port pool ${pool} are worked on at once.`, {
    hint: `Wait until one of them is done (${ports.join(', ')}), let the node queue its messages, or let the pool do more at once.`,
    detail: { port: name, pool },
  });
}

function forgetIdle(id: string, desk: Desk): void {
  if (desk.busy.size === 0 && desk.waiting.length === 0 && desks.get(id) === desk) desks.delete(id);
}
