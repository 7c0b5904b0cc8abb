import type { By, Device, Registry, RegistryEvent } from '../../lib/registry/index.ts';
import type { Keystore } from '../../lib/vault/index.ts';
import { fail } from './identity-errors.ts';
import type { RedNode, Device as Unit } from './types.ts';

/** A registry that is open, and the keystore that seals what lies in it. */
export interface OpenRegistry {
  readonly registry: Registry;
  readonly keystore: Keystore;
  /** Keeps it open until the job that calls it has ended, also when the flow is deployed again. @returns what ends it */
  hold(): () => void;
}

/** A deployed keyway-registry node. */
export interface DeployedRegistry {
  readonly id: string;
  readonly name: string;
  /** The same one for all; what failed is tried again. @throws what the keystore and the registry throw */
  open(): Promise<OpenRegistry>;
  /** Tells every change from here on, also while the registry is not open yet. @returns what ends it */
  listen(listener: (event: RegistryEvent) => void): () => void;
}

const registries = new Map<string, DeployedRegistry>();

export function deployRegistry(registry: DeployedRegistry): () => void {
  registries.set(registry.id, registry);
  return () => {
    if (registries.get(registry.id) === registry) registries.delete(registry.id);
  };
}

/** The deployed registry of that id. @throws REGISTRY_NOT_SET */
export function registryById(id: string): DeployedRegistry {
  const found = registries.get(id);
  if (found !== undefined) return found;
  throw fail('REGISTRY_NOT_SET', 'The node names no registry, or one that is not deployed.', {
    hint: 'Open the node, choose its registry and deploy.',
    detail: { field: 'registry' },
  });
}

/** Who asks, for the audit log. */
export function byNode(node: RedNode): By {
  return { actor: node.type, source: (node.name || node.id).slice(0, 128) };
}

/** A MAC as the work piece has it: aa:bb:cc:dd:ee:ff. */
export function withColons(mac: string): string {
  return (mac.match(/../g) ?? []).join(':');
}

/** A device of the registry for people and flows: its MAC with colons, its times as text. */
export function shownDevice(device: Device): Record<string, unknown> {
  const { mac, stateAt, createdAt, changedAt, ...rest } = device;
  const [stateSince, created, changed] = [stateAt, createdAt, changedAt].map((ms) => new Date(ms).toISOString());
  return { ...rest, mac: mac === null ? null : withColons(mac), stateSince, created, changed };
}

/** Lays what the registry knows over the work piece; what it does not know stays. */
export function addDevice(unit: Unit | undefined, device: Device): Unit {
  const { id, namespace, mac, serial, name, state } = device;
  const known = Object.entries({ serial, name }).filter(([, value]) => value !== null);
  const own = mac === null ? {} : { mac: withColons(mac) };
  return { ...unit, id, namespace, ...own, ...Object.fromEntries(known), state };
}
