import type { DeviceEndpoint, EndpointEvents } from '../../lib/endpoint/index.ts';
import { fail } from './trust-errors.ts';
import type { ServiceState } from './trust-service.ts';

/** An endpoint that listens. */
export interface OpenEndpoint {
  readonly endpoint: DeviceEndpoint;
  readonly host: string;
  readonly port: number;
  /** Of its own certificate, ms since 1970. */
  readonly notAfter: () => number;
}

/** A deployed keyway-endpoint node. */
export interface DeployedEndpoint {
  readonly id: string;
  readonly name: string;
  /** Id of its authority. */
  readonly authority: string;
  readonly state: ServiceState<OpenEndpoint>;
  /** Tells how it stands, now and at every change. @returns what ends it */
  watch(listener: (state: ServiceState<OpenEndpoint>) => void): () => void;
  /** Tells what happens at it, whenever it listens. @returns what ends it */
  on<K extends keyof EndpointEvents>(event: K, listener: (...what: EndpointEvents[K]) => void): () => void;
  /** @throws why it does not listen; the reason of `signal` */
  ready(signal: AbortSignal): Promise<OpenEndpoint>;
}

const endpoints = new Map<string, DeployedEndpoint>();

export function deployEndpoint(endpoint: DeployedEndpoint): () => void {
  endpoints.set(endpoint.id, endpoint);
  return () => {
    if (endpoints.get(endpoint.id) === endpoint) endpoints.delete(endpoint.id);
  };
}

/** The deployed endpoint of that id. @throws ENDPOINT_NOT_SET */
export function endpointById(id: string): DeployedEndpoint {
  const found = endpoints.get(id);
  if (found !== undefined) return found;
  throw fail('ENDPOINT_NOT_SET', 'The node names no device endpoint, or one that is not deployed.', {
    hint: 'Open the node, choose its endpoint and deploy.',
    detail: { field: 'endpoint' },
  });
}

/** The endpoints of an authority. */
export function endpointsOf(authority: string): DeployedEndpoint[] {
  return [...endpoints.values()].filter((endpoint) => endpoint.authority === authority);
}
