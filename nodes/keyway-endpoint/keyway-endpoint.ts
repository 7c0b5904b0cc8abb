import { codeOf, isKeywayError } from '../../lib/errors/index.ts';
import { adminRoute } from '../shared/http.ts';
import { migrate } from '../shared/migrate.ts';
import { deployEndpoint, endpointById, type OpenEndpoint } from '../shared/trust-endpoint.ts';
import { mountLists } from '../shared/trust-lists.ts';
import { Service } from '../shared/trust-service.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type EndpointConfig } from './config.ts';
import { EndpointEventsHub } from './events.ts';
import { openEndpoint, type Spare } from './open.ts';

export default function register(RED: Red): void {
  function EndpointNode(this: RedNode, saved: EndpointConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as EndpointConfig;
    const name = config.name || `endpoint ${config.host || '127.0.0.1'}:${config.port || '8883'}`;
    const events = new EndpointEventsHub();
    const spare: Spare = {};
    const complain = (error: unknown): void => this.error(sayWhy(error));
    const service = new Service<OpenEndpoint & { close(): Promise<void> }>(
      name,
      () => openEndpoint(config, events, spare, complain),
      (open) => open.close(),
    );
    const undeploy = deployEndpoint({
      id: this.id,
      name,
      authority: config.authority,
      get state() {
        return service.state;
      },
      watch: (listener) => service.watch(listener),
      on: (event, listener) => events.on(event, listener),
      ready: (signal) => service.ready(signal),
    });
    let last = '';
    service.watch((state) => {
      // Once for a failure that goes on: it is tried again for as long as it takes.
      if (state.is === 'failed' && codeOf(state.error) !== last && !isKeywayError(state.error, 'SERVICE_CLOSED')) {
        complain(state.error);
      }
      last = state.is === 'failed' ? codeOf(state.error) : '';
    });
    // Once the whole flow stands: whoever listens to it misses nothing.
    const begin = setImmediate(() => service.start());
    this.on('close', (_removed: boolean, closed: () => void) => {
      clearImmediate(begin);
      undeploy();
      service
        .close()
        .catch((error: unknown) => this.warn(String(error)))
        .then(() => spare.pair?.key.fill(0))
        .then(closed, closed);
    });
  }
  RED.nodes.registerType('keyway-endpoint', EndpointNode);

  mountLists(RED);
  adminRoute(RED, 'post', '/keyway/endpoint/status', 'keyway.read', async ({ body }) => {
    const { id } = (body ?? {}) as { id?: unknown };
    const open = await endpointById(typeof id === 'string' ? id : '').ready(AbortSignal.timeout(STATUS_MS));
    const { host, port, endpoint, notAfter } = open;
    const until = new Date(notAfter()).toISOString();
    return { host, port: String(port), sessions: String(endpoint.sessions().length), until };
  });
}

/** How long the Test button waits for one that is just starting. */
const STATUS_MS = 10_000;

function sayWhy(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${codeOf(error)}: ${error.message} ${isKeywayError(error) ? (error.hint ?? '') : ''}`.trim();
}
