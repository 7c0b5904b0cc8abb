import type { Qos } from '../../lib/endpoint/index.ts';
import { namespaceName, normaliseMac } from '../../lib/pki/index.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { endpointById } from '../shared/trust-endpoint.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type EndpointOutConfig, qualities } from './config.ts';

export default function register(RED: Red): void {
  function EndpointOutNode(this: RedNode, saved: EndpointOutConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as EndpointOutConfig;
    onInput<EndpointOutConfig>({
      red: RED,
      node: this,
      config,
      verb: 'endpoint',
      run: (job, fields) => send(config, job, fields),
    });
  }
  RED.nodes.registerType('keyway-endpoint-out', EndpointOutNode);
}

async function send(config: EndpointOutConfig, job: Job, fields: Fields<EndpointOutConfig>): Promise<Outcome> {
  const namespace = namespaceName(await need(fields, 'namespace'));
  const mac = normaliseMac(await need(fields, 'mac'));
  const topic = await need(fields, 'topic');
  const payload = payloadOf(await fields.value('message'));
  const qos = Number(await fields.choice('qos', qualities)) as Qos;
  const expiryMs = await fields.seconds('expiry');
  job.begin();
  const { endpoint } = await endpointById(config.endpoint).ready(job.signal);
  const message = { namespace, mac, topic, payload, qos, ...(expiryMs === 0 ? {} : { expiryMs }) };
  const outcome = await abortable(endpoint.publish(message), job.signal);
  return { topic: `endpoint/${outcome}`, payload: { outcome, topic, qos, bytes: Buffer.byteLength(payload) } };
}

/** What it is sent as: text and bytes as they are, anything else as JSON. */
function payloadOf(value: unknown): string | Uint8Array {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  return JSON.stringify(value);
}

/** A message that is cancelled or out of time may still arrive: MQTT has no way to take it back. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abandon = (): void => reject(signal.reason as Error);
    if (signal.aborted) abandon();
    else signal.addEventListener('abort', abandon, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abandon));
  });
}

async function need(fields: Fields<EndpointOutConfig>, field: 'namespace' | 'mac' | 'topic'): Promise<string> {
  const text = await fields.text(field);
  if (text !== undefined) return text;
  throw fail('BAD_FIELD', `The field "${field}" is blank.`, {
    hint: 'Open the node and look where the field takes its value from.',
    detail: { field },
  });
}
