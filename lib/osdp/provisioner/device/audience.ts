import type { DeviceStatus, HostIdentity } from '../device.ts';
import { fail } from '../errors.ts';
import type { Edge } from '../types.ts';

interface Attached {
  readonly identity: HostIdentity;
  readonly since: number;
  readonly onEdge: (edge: Edge) => void;
}

/** Who is told: the one host that is attached, and whoever watches the status. Who listens and fails, fails alone. */
export class Audience {
  readonly #listeners = new Set<(status: DeviceStatus) => void>();
  readonly #onFailure: (error: Error) => void;
  #host: Attached | undefined;

  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure;
  }

  get host(): HostIdentity | undefined {
    return this.#host?.identity;
  }

  /** As it is shown. */
  get shown(): DeviceStatus['host'] {
    return this.#host === undefined ? null : { name: this.#host.identity.name, since: this.#host.since };
  }

  /** @returns lets it go; says whether it was still there. @throws HOST_ATTACHED */
  attach(identity: HostIdentity, since: number, onEdge: (edge: Edge) => void): () => boolean {
    if (this.#host !== undefined) {
      throw fail('HOST_ATTACHED', `${this.#host.identity.name} is attached.`, {
        hint: 'Let it go first.',
        detail: { host: this.#host.identity.name },
      });
    }
    const own: Attached = { identity, since, onEdge };
    this.#host = own;
    return () => {
      if (this.#host !== own) return false;
      this.#host = undefined;
      return true;
    };
  }

  dismiss(): void {
    this.#host = undefined;
  }

  watch(listener: (status: DeviceStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tellEdge(edge: Edge): void {
    this.#tell(() => this.#host?.onEdge(edge));
  }

  tellStatus(status: DeviceStatus): void {
    for (const listener of [...this.#listeners]) this.#tell(() => listener(status));
  }

  #tell(say: () => void): void {
    try {
      say();
    } catch (error) {
      this.#onFailure(error as Error);
    }
  }
}
