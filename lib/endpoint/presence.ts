import { isKeywayError } from '../errors/index.ts';
import type { Registry } from '../registry/index.ts';
import { type Clock, realClock } from './clock.ts';
import { fail } from './errors.ts';
import type { DeviceName, Presence } from './types.ts';

/** Changes on their way into the registry at a time: as many as it commits together. */
const AT_ONCE = 64;
/** A device that comes and goes is written at most this often. */
const PAUSE_MS = 1_000;
/** What could not be written is tried again after so long. */
const AGAIN_MS = 10_000;
/** That nothing can be written is told again after so long. */
const TROUBLE_MS = 10_000;

export interface PresenceOptions {
  /** Something could not be written. */
  readonly onTrouble?: (error: Error) => void;
  readonly clock?: Clock;
}

interface Known {
  readonly device: DeviceName;
  wanted: { readonly state: 'online' | 'offline'; readonly reason: string | null };
  written: 'online' | 'offline' | undefined;
  writing: boolean;
  /** It was written a moment ago; what comes meanwhile waits for the end of the pause. */
  pause: (() => void) | undefined;
}

/**
 * Writes into the registry who is online: what a device has become since the last write, not every change, and many
 * devices in one commit, so that ten thousand that come back at once do not flood it. A device that may not change to
 * that state (it was revoked, it is being flashed) keeps its own.
 */
export function registryPresence(
  registry: Pick<Registry, 'device' | 'setState'>,
  options: PresenceOptions = {},
): Presence {
  return new RegistryPresence(registry, options);
}

class RegistryPresence implements Presence {
  readonly #registry: Pick<Registry, 'device' | 'setState'>;
  readonly #clock: Clock;
  readonly #onTrouble: (error: Error) => void;
  readonly #known = new Map<string, Known>();
  readonly #due = new Set<Known>();
  #writing = 0;
  #troubleAt = Number.NEGATIVE_INFINITY;
  #closing = false;
  #idle: (() => void) | undefined;

  constructor(registry: Pick<Registry, 'device' | 'setState'>, { clock, onTrouble }: PresenceOptions) {
    this.#registry = registry;
    this.#clock = clock ?? realClock;
    this.#onTrouble = onTrouble ?? (() => undefined);
  }

  online(device: DeviceName): void {
    this.#want(device, 'online', null);
  }

  offline(device: DeviceName, reason: string): void {
    this.#want(device, 'offline', reason);
  }

  #want({ namespace, mac }: DeviceName, state: 'online' | 'offline', reason: string | null): void {
    const key = `${namespace}:${mac}`;
    const known = this.#known.get(key);
    if (known === undefined) {
      const device = { namespace, mac };
      const fresh: Known = { device, wanted: { state, reason }, written: undefined, writing: false, pause: undefined };
      this.#known.set(key, fresh);
      this.#due.add(fresh);
    } else {
      known.wanted = { state, reason };
      if (!known.writing && known.pause === undefined) this.#due.add(known);
    }
    this.#pump();
  }

  #pump(): void {
    for (const known of this.#due) {
      if (this.#writing >= AT_ONCE) return;
      this.#due.delete(known);
      if (known.written === known.wanted.state) continue;
      known.writing = true;
      this.#writing++;
      void this.#write(known);
    }
    if (this.#writing === 0) this.#idle?.();
  }

  async #write(known: Known): Promise<void> {
    const { state, reason } = known.wanted;
    let written: Known['written'] = state;
    try {
      const device = await this.#registry.device(known.device);
      if (device !== undefined) await this.#registry.setState(device.id, state, { reason, by: { actor: 'endpoint' } });
    } catch (cause) {
      if (!isKeywayError(cause, 'DEVICE_STATE', 'DEVICE_UNKNOWN')) {
        const { namespace, mac } = known.device;
        // Whoever closes does not wait for a registry that may be gone for good.
        if (!this.#closing) written = undefined;
        this.#trouble(
          fail('PRESENCE_FAILED', `That ${namespace}:${mac} is ${state} could not be written into the registry.`, {
            hint: 'Look after the registry; the endpoint goes on, and tries again.',
            cause,
          }),
        );
      }
    }
    known.written = written;
    known.writing = false;
    this.#writing--;
    const pause = written === undefined ? AGAIN_MS : PAUSE_MS;
    if (this.#closing) this.#due.add(known);
    else known.pause = this.#clock.at(this.#clock.now() + pause, () => this.#rested(known));
    this.#pump();
  }

  #trouble(error: Error): void {
    const now = this.#clock.now();
    if (now - this.#troubleAt < TROUBLE_MS) return;
    this.#troubleAt = now;
    this.#onTrouble(error);
  }

  #rested(known: Known): void {
    known.pause = undefined;
    if (known.written !== known.wanted.state) {
      this.#due.add(known);
      this.#pump();
    } else if (known.written === 'offline') this.#known.delete(`${known.device.namespace}:${known.device.mac}`);
  }

  /** Writes what is left without any pause. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const known of this.#known.values()) {
      known.pause?.();
      known.pause = undefined;
      if (!known.writing) this.#due.add(known);
    }
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    this.#pump();
    await idle;
    this.#known.clear();
  }
}

/**
 * Puts devices offline that the registry has online and no endpoint has a session of: those that were lost with an
 * endpoint that did not end well. Call it some minutes after the start, when those that are still there are back, and
 * with every endpoint that writes into this registry.
 * @param namespaces the certificate namespaces that they let in: others may have brokers of their own; default all
 * @returns how many
 */
export async function settlePresence(
  registry: Pick<Registry, 'devices' | 'setState'>,
  endpoints: readonly { isOnline(device: DeviceName): boolean }[],
  namespaces?: readonly string[],
): Promise<number> {
  let settled = 0;
  for (let after: string | null | undefined; after !== null; ) {
    const from = after === undefined ? {} : { after };
    const page = await registry.devices({ states: ['online'] }, { limit: 1000, ...from });
    for (const { id, namespace, mac } of page.items) {
      if (mac === null || namespaces?.includes(namespace) === false) continue;
      if (endpoints.some((one) => one.isOnline({ namespace, mac }))) continue;
      const how = { reason: 'connection lost', from: ['online'], by: { actor: 'endpoint' } } as const;
      settled += await registry.setState(id, 'offline', how).then(
        () => 1,
        (error: unknown) => {
          if (isKeywayError(error, 'DEVICE_STATE', 'DEVICE_UNKNOWN')) return 0;
          throw error;
        },
      );
    }
    after = page.next;
  }
  return settled;
}
