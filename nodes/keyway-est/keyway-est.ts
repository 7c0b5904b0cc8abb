import { codeOf, isKeywayError } from '../../lib/errors/index.ts';
import { parseCertificate, parsePem } from '../../lib/pki/index.ts';
import type { EstEvent, EstListener } from '../../lib/pki/node.ts';
import { adminRoute } from '../shared/http.ts';
import { migrate } from '../shared/migrate.ts';
import { deployEst, estById } from '../shared/trust-est.ts';
import { mountLists } from '../shared/trust-lists.ts';
import { Service } from '../shared/trust-service.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type EstConfig } from './config.ts';
import { openEst } from './open.ts';

export default function register(RED: Red): void {
  function EstNode(this: RedNode, saved: EstConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as EstConfig;
    const name = config.name || `EST service ${config.host || '127.0.0.1'}:${config.port || '8443'}`;
    const listeners = new Set<(event: EstEvent) => void>();
    const tell = (event: EstEvent): void => {
      for (const listener of [...listeners]) listener(event);
    };
    const service: Service<EstListener> = new Service(
      name,
      () => openEst(config, tell, () => service.restart()),
      (open) => open.close(),
    );
    const undeploy = deployEst({
      id: this.id,
      name,
      get state() {
        return service.state;
      },
      watch: (listener) => service.watch(listener),
      listen: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      ready: (signal) => service.ready(signal),
    });
    let last = '';
    service.watch((state) => {
      // Once for a failure that goes on: it is tried again for as long as it takes.
      if (state.is === 'failed' && codeOf(state.error) !== last && !isKeywayError(state.error, 'SERVICE_CLOSED')) {
        this.error(sayWhy(state.error));
      }
      last = state.is === 'failed' ? codeOf(state.error) : '';
    });
    const begin = setImmediate(() => service.start());
    this.on('close', (_removed: boolean, closed: () => void) => {
      clearImmediate(begin);
      undeploy();
      service
        .close()
        .catch((error: unknown) => this.warn(String(error)))
        .then(closed, closed);
    });
  }
  RED.nodes.registerType('keyway-est', EstNode);

  mountLists(RED);
  adminRoute(RED, 'post', '/keyway/est/status', 'keyway.read', async ({ body }) => {
    const { id } = (body ?? {}) as { id?: unknown };
    const { url, certificate } = await estById(typeof id === 'string' ? id : '').ready(AbortSignal.timeout(STATUS_MS));
    const [leaf] = parsePem(certificate);
    const until = leaf === undefined ? '?' : new Date(parseCertificate(leaf.bytes).notAfter).toISOString();
    return { url, until };
  });
}

/** How long the Test button waits for one that is just starting. */
const STATUS_MS = 10_000;

function sayWhy(error: Error): string {
  return `${codeOf(error)}: ${error.message} ${isKeywayError(error) ? (error.hint ?? '') : ''}`.trim();
}
