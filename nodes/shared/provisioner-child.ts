import { claimPort, parseAddress } from '../../lib/link/index.ts';
import { type SpawnedProvisioner, type SpawnOptions, spawnProvisioner } from '../../lib/osdp/node.ts';
import type { PortTarget } from './port-target.ts';
import { BusBridge } from './provisioner-bridge.ts';
import { fail } from './provisioner-errors.ts';

/** What an embedded provisioner is started with; the port is given by where it leads. */
export interface ChildSettings extends Omit<SpawnOptions, 'port' | 'onLine' | 'onState' | 'program'> {
  readonly name: string;
}

interface Child {
  /** What it was started with: another setting is another child. */
  readonly like: string;
  readonly running: Promise<Running>;
}

interface Running {
  readonly spawned: SpawnedProvisioner;
  stop(): Promise<void>;
}

/** By the id of their config node. They outlive it: a redeploy leaves a provisioner working. */
const children = new Map<string, Child>();

/**
 * The address of the provisioner that works for a config node: the one that runs already, or a new process.
 * @param onLine what it says from now on
 * @throws PORT_NOT_SUITABLE, PORT_BUSY, and what spawnProvisioner throws
 */
export async function childFor(
  id: string,
  target: PortTarget,
  settings: ChildSettings,
  onLine: (text: string) => void,
): Promise<string> {
  const like = JSON.stringify([target.address, settings]);
  const before = children.get(id);
  if (before?.like === like) {
    listeners.set(id, onLine);
    const running = await before.running.catch(() => undefined);
    if (running !== undefined) return running.spawned.address;
  }
  await endProvisioner(id);
  listeners.set(id, onLine);
  const running = start(id, target, settings);
  const child = { like, running };
  children.set(id, child);
  try {
    return (await running).spawned.address;
  } catch (error) {
    if (children.get(id) === child) children.delete(id);
    throw error;
  }
}

/** Who hears what a provisioner says: the config node as it is deployed now. */
const listeners = new Map<string, (text: string) => void>();

/** Ends the provisioner of a config node that is no more. */
export async function endProvisioner(id: string): Promise<void> {
  const child = children.get(id);
  children.delete(id);
  listeners.delete(id);
  const running = await child?.running.catch(() => undefined);
  await running?.stop();
}

/** Ends all of them. */
export async function endProvisioners(): Promise<void> {
  await Promise.all([...children.keys()].map((id) => endProvisioner(id)));
}

async function start(id: string, target: PortTarget, settings: ChildSettings): Promise<Running> {
  const { address, release } = await takeOver(target, `provisioner ${settings.name}`);
  try {
    const onLine = (text: string): void => listeners.get(id)?.(text);
    const spawned = await spawnProvisioner({ ...settings, port: address, onLine });
    return {
      spawned,
      stop: async () => {
        await spawned.stop();
        await release();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** The port is the provisioner's alone: who else wants it in this Node-RED is told so. */
async function takeOver(
  target: PortTarget,
  owner: string,
): Promise<{ readonly address: string; release(): Promise<void> }> {
  if (target.lender !== undefined) {
    throw fail('PORT_NOT_SUITABLE', `The port "${target.name}" is borrowed from a serial-port node.`, {
      hint: 'A provisioner keeps its port: choose one that leads to the device itself.',
      detail: { field: 'port', value: target.address },
    });
  }
  const address = parseAddress(target.address);
  if (address.kind === 'virtual') {
    const bridge = await BusBridge.open(address.name, owner);
    return { address: bridge.address, release: () => bridge.close() };
  }
  const release = claimPort(target.address, owner);
  return { address: target.address, release: async () => release() };
}
