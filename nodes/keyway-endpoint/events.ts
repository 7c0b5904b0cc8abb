import { EventEmitter } from 'node:events';
import type { DeviceEndpoint, EndpointEvents } from '../../lib/endpoint/index.ts';

const EVENTS = ['message', 'online', 'offline', 'refused', 'cut', 'trouble'] as const;

/** Hands on what happens at an endpoint, whichever it is just then: who listens stays when it is opened anew. */
export class EndpointEventsHub {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  on<K extends keyof EndpointEvents>(event: K, listener: (...what: EndpointEvents[K]) => void): () => void {
    this.#emitter.on(event, listener as (...what: unknown[]) => void);
    return () => void this.#emitter.off(event, listener as (...what: unknown[]) => void);
  }

  follow(endpoint: DeviceEndpoint): void {
    for (const event of EVENTS) endpoint.on(event, (...what: unknown[]) => void this.#emitter.emit(event, ...what));
  }
}
