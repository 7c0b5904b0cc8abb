import { fail } from './errors.ts';
import { findInPools } from './pools.ts';
import type { PortTarget } from './port-target.ts';
import type { Message } from './types.ts';

export type { PortTarget } from './port-target.ts';

/** A port that may be used: a deployed keyway-port node. */
export interface DeployedPort {
  readonly id: string;
  readonly name: string;
  /** Where it leads now; asked each time, since what it names may come and go. @throws PORT_NOT_SET, BAD_FIELD */
  target(): PortTarget;
}

/** A deployed keyway-virtual-chip node. */
export interface DeployedChip<S = unknown> {
  readonly id: string;
  /** Name of its socket: it is reached as `virtual:<name>`. */
  readonly name: string;
  readonly bench: S;
}

const ports = new Map<string, DeployedPort>();
const chips = new Map<string, DeployedChip>();

export function deployPort(port: DeployedPort): () => void {
  ports.set(port.id, port);
  return () => {
    if (ports.get(port.id) === port) ports.delete(port.id);
  };
}

export function deployChip(chip: DeployedChip): () => void {
  chips.set(chip.id, chip);
  return () => {
    if (chips.get(chip.id) === chip) chips.delete(chip.id);
  };
}

export function deployedPorts(): DeployedPort[] {
  return [...ports.values()];
}

export function chipById(id: string): DeployedChip | undefined {
  return chips.get(id);
}

export function chipByName(name: string): DeployedChip | undefined {
  return [...chips.values()].find((chip) => chip.name === name);
}

/**
 * The port a message is to be worked on: the node's own, or the one that `msg.device.port` names: a deployed port by
 * name or address, one that a deployed pool allows, or a deployed chip. What is deployed says what may be used, so no
 * message can reach another port.
 *
 * @throws PORT_NOT_SET, PORT_NOT_ALLOWED, BAD_FIELD
 */
export async function choosePort(configured: string, msg: Message): Promise<PortTarget> {
  if (configured !== '') {
    const port = ports.get(configured);
    if (port !== undefined) return port.target();
    throw fail('PORT_NOT_SET', 'The port that the node names is not deployed.', {
      hint: 'Open the node, choose its port and deploy.',
      detail: { field: 'port' },
    });
  }
  const wanted = msg.device?.port;
  if (typeof wanted !== 'string' || wanted === '') {
    throw fail('PORT_NOT_SET', 'The node has no port, and msg.device.port is empty.', {
      hint: 'Choose a port in the node, or put the name of a deployed port into msg.device.port.',
      detail: { field: 'port' },
    });
  }
  const target = findPort(wanted) ?? (await findInPools(wanted)) ?? findChip(wanted);
  if (target !== undefined) return target;
  throw fail('PORT_NOT_ALLOWED', `No deployed port is called "${wanted}" or has that address, and no pool names it.`, {
    hint: 'Add a keyway port with this name or address, or a port pool that names it: no message may use another port.',
    detail: { field: 'msg.device.port', value: wanted },
  });
}

function findPort(wanted: string): PortTarget | undefined {
  for (const port of ports.values()) if (port.name === wanted) return port.target();
  for (const port of ports.values()) {
    const target = targetOf(port);
    if (target?.address === wanted) return target;
  }
  return undefined;
}

/** A port that leads nowhere at present is none that matches. */
function targetOf(port: DeployedPort): PortTarget | undefined {
  try {
    return port.target();
  } catch {
    return undefined;
  }
}

function findChip(wanted: string): PortTarget | undefined {
  const chip = chipByName(wanted.replace(/^virtual:/, ''));
  return chip === undefined ? undefined : { address: `virtual:${chip.name}`, name: chip.name, baudRate: 115200 };
}
