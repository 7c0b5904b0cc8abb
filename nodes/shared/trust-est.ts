import type { EstEvent, EstListener } from '../../lib/pki/node.ts';
import { fail } from './trust-errors.ts';
import type { ServiceState } from './trust-service.ts';

/** A deployed keyway-est node. */
export interface DeployedEst {
  readonly id: string;
  readonly name: string;
  readonly state: ServiceState<EstListener>;
  /** Tells how it stands, now and at every change. @returns what ends it */
  watch(listener: (state: ServiceState<EstListener>) => void): () => void;
  /** Tells what it does. @returns what ends it */
  listen(listener: (event: EstEvent) => void): () => void;
  /** @throws why it does not listen; the reason of `signal` */
  ready(signal: AbortSignal): Promise<EstListener>;
}

const services = new Map<string, DeployedEst>();

export function deployEst(service: DeployedEst): () => void {
  services.set(service.id, service);
  return () => {
    if (services.get(service.id) === service) services.delete(service.id);
  };
}

/** The deployed EST service of that id. @throws EST_NOT_SET */
export function estById(id: string): DeployedEst {
  const found = services.get(id);
  if (found !== undefined) return found;
  throw fail('EST_NOT_SET', 'The node names no EST service, or one that is not deployed.', {
    hint: 'Open the node, choose its EST service and deploy.',
    detail: { field: 'est' },
  });
}
