import { claimPort, type Release, watchMemoryPorts } from '../../lib/link/index.ts';
import { type ReaderBus, type Service, serveRfc2217 } from '../../lib/virtual/index.ts';
import { readersByName } from './osdp-readers.ts';
import { fail } from './provisioner-errors.ts';

const HOST = '127.0.0.1';
/** Before a port that could not be listened on is tried again, in ms. */
const AGAIN_MS = 500;

/**
 * A virtual bus, served on a loopback port for a process that cannot reach into this one. The port stays the same while
 * the bench is deployed again, or its plug is pulled: whoever has it sees a cable that went and came back.
 */
export class BusBridge {
  readonly #name: string;
  readonly #release: Release;
  readonly #stopWatching: () => void;
  #served: { readonly bus: ReaderBus; readonly service: Service } | undefined;
  #port = 0;
  #closed = false;
  #work: Promise<void> = Promise.resolve();
  #again: NodeJS.Timeout | undefined;

  private constructor(name: string, release: Release) {
    this.#name = name;
    this.#release = release;
    // A bench is deployed a moment after its plug is in.
    this.#stopWatching = watchMemoryPorts(() => setImmediate(() => this.#look()));
  }

  /**
   * @param name of the bus, without `virtual:`
   * @param owner who has the port from now on, in words for others
   * @throws PORT_NOT_SUITABLE, PORT_BUSY, LISTEN_FAILED
   */
  static async open(name: string, owner: string): Promise<BusBridge> {
    if (plugged(name) === undefined) {
      throw fail('PORT_NOT_SUITABLE', `There are no virtual readers "${name}" that a provisioner could work on.`, {
        hint: 'Choose a port that leads to virtual readers, and deploy them.',
        detail: { field: 'port', value: `virtual:${name}` },
      });
    }
    const bridge = new BusBridge(name, claimPort(`virtual:${name}`, owner));
    try {
      await bridge.#sync();
    } catch (error) {
      await bridge.close();
      throw error;
    }
    return bridge;
  }

  /** What the other process opens. */
  get address(): string {
    return `rfc2217://${HOST}:${this.#port}`;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#again);
    this.#stopWatching();
    await this.#work.catch(() => undefined);
    await this.#served?.service.close();
    this.#served = undefined;
    this.#release();
  }

  #look(): void {
    clearTimeout(this.#again);
    if (this.#closed) return;
    this.#work = this.#work
      .then(() => this.#sync())
      .catch(() => {
        this.#again = setTimeout(() => this.#look(), AGAIN_MS);
        this.#again.unref();
      });
  }

  /** Serves the bus that is there now, and none when none is. */
  async #sync(): Promise<void> {
    if (this.#closed) return;
    const bus = plugged(this.#name);
    if (bus === this.#served?.bus) return;
    const before = this.#served;
    this.#served = undefined;
    await before?.service.close();
    if (bus === undefined) return;
    const service = await serveRfc2217(bus.cable(), { host: HOST, port: this.#port });
    this.#served = { bus, service };
    this.#port = Number(new URL(service.address).port);
  }
}

function plugged(name: string): ReaderBus | undefined {
  const bus = readersByName(name)?.bus;
  return bus?.isPlugged() === true ? bus : undefined;
}
