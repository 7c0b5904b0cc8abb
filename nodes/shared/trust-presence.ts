import {
  type DeviceEndpoint,
  type DeviceName,
  type Presence,
  registryPresence,
  settlePresence,
} from '../../lib/endpoint/index.ts';
import type { Registry } from '../../lib/registry/index.ts';

/** After the start of an endpoint, in ms: by then those devices that are still there are back. */
const SETTLE_MS = 180_000;

/** An endpoint, as far as it is needed here. */
type Endpoint = Pick<DeviceEndpoint, 'isOnline' | 'sessions'>;

/** One endpoint's part in what the registry has of who is online. */
export interface PresenceHold extends Presence {
  /** The endpoint listens. */
  joins(endpoint: Endpoint): void;
}

interface Shared {
  presence: Presence;
  /** Those that listen, and the certificate namespaces that they let in. */
  readonly endpoints: Map<Endpoint, readonly string[]>;
  /** Each is told what goes wrong. */
  readonly complaints: Set<(error: unknown) => void>;
  users: number;
  timer: NodeJS.Timeout | undefined;
  readonly silence: () => void;
}

const shared = new WeakMap<Registry, Shared>();

/**
 * Tells a registry who is online, together with all endpoints that write into it: a device that goes at one and has
 * come at another is online. What a crash left online and did not come back goes offline some minutes after the start.
 */
export function holdPresence(
  registry: Registry,
  namespaces: readonly string[],
  onTrouble: (error: unknown) => void,
  settleMs = SETTLE_MS,
): PresenceHold {
  const all = shared.get(registry) ?? makeShared(registry);
  shared.set(registry, all);
  all.users++;
  all.complaints.add(onTrouble);
  let own: Endpoint | undefined;
  let closed = false;
  return {
    joins(endpoint) {
      own = endpoint;
      all.endpoints.set(endpoint, namespaces);
      clearTimeout(all.timer);
      all.timer = setTimeout(() => void settle(registry, all).catch((error) => complain(all, error)), settleMs).unref();
    },
    online: (device) => all.presence.online(device),
    offline(device, reason) {
      if (!isElsewhere(all, own, device)) all.presence.offline(device, reason);
    },
    async close() {
      if (closed) return;
      closed = true;
      if (own !== undefined) all.endpoints.delete(own);
      all.complaints.delete(onTrouble);
      if (--all.users > 0) return;
      shared.delete(registry);
      clearTimeout(all.timer);
      all.silence();
      await all.presence.close();
    },
  };
}

function makeShared(registry: Registry): Shared {
  const all: Shared = {
    presence: registryPresence(registry, { onTrouble: (error) => complain(all, error) }),
    endpoints: new Map(),
    complaints: new Set(),
    users: 0,
    timer: undefined,
    silence: registry.subscribe(({ topic }) => {
      if (topic === 'registry.restored') tellAnew(registry, all).catch((error) => complain(all, error));
    }),
  };
  return all;
}

function complain({ complaints }: Shared, error: unknown): void {
  for (const one of complaints) one(error);
}

/** A restored registry has those online who were when it was put aside. */
async function tellAnew(registry: Registry, all: Shared): Promise<void> {
  const before = all.presence;
  all.presence = registryPresence(registry, { onTrouble: (error) => complain(all, error) });
  await before.close();
  for (const endpoint of all.endpoints.keys()) {
    for (const { namespace, mac } of endpoint.sessions()) all.presence.online({ namespace, mac });
  }
  await settle(registry, all);
}

async function settle(registry: Registry, { endpoints }: Shared): Promise<void> {
  await settlePresence(registry, [...endpoints.keys()], [...endpoints.values()].flat());
}

function isElsewhere({ endpoints }: Shared, own: Endpoint | undefined, device: DeviceName): boolean {
  return [...endpoints.keys()].some((endpoint) => endpoint !== own && endpoint.isOnline(device));
}
