import { isUtf8 } from 'node:buffer';
import { type DeviceMessage, type DeviceName, isFilter, matches } from '../../lib/endpoint/index.ts';
import { codeOf, KeywayError } from '../../lib/errors/index.ts';
import { migrate } from '../shared/migrate.ts';
import { withColons } from '../shared/registry.ts';
import { StatusLine } from '../shared/status.ts';
import { type DeployedEndpoint, endpointById } from '../shared/trust-endpoint.ts';
import { Fold } from '../shared/trust-fold.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { defaults, type EndpointInConfig } from './config.ts';

export default function register(RED: Red): void {
  function EndpointInNode(this: RedNode, saved: EndpointInConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as EndpointInConfig;
    const status = new StatusLine(this);
    let endpoint: DeployedEndpoint;
    try {
      checkFilter(config.filter.trim());
      endpoint = endpointById(config.endpoint);
    } catch (error) {
      // Once the whole flow stands, so that its Status nodes hear it.
      setImmediate(() => {
        status.set('red', 'dot', codeOf(error));
        this.error(error);
      });
      return;
    }
    const ends = follow(this, config, endpoint);
    const online = (): void => {
      const { state } = endpoint;
      if (state.is !== 'listening') return;
      const count = state.service.endpoint.sessions().length;
      status.set('green', 'dot', RED._('keyway-endpoint-in.status.sessions', { count: String(count) }));
    };
    ends.push(
      endpoint.watch((state) => {
        if (state.is === 'starting') status.set('grey', 'ring', RED._('keyway-endpoint-in.status.starting'));
        else if (state.is === 'failed') status.set('red', 'dot', codeOf(state.error));
        else status.set('green', 'dot', RED._('keyway-endpoint-in.status.listening'));
      }),
      endpoint.on('online', online),
      endpoint.on('offline', online),
    );
    this.on('close', () => {
      status.mute();
      for (const end of ends) end();
    });
  }
  RED.nodes.registerType('keyway-endpoint-in', EndpointInNode);
}

/** One that fits nothing would let nothing through, and nobody would know why. @throws BAD_TOPIC */
function checkFilter(filter: string): void {
  if (filter === '' || isFilter(filter)) return;
  throw new KeywayError('BAD_TOPIC', `${JSON.stringify(filter.slice(0, 128))} is no filter of topics.`, {
    hint: 'Use + for one level and # for the rest of them, each alone in its level: telemetry/#.',
    detail: { field: 'filter', value: filter.slice(0, 128) },
  });
}

/** Sends what was asked for. @returns what ends it */
function follow(node: RedNode, config: EndpointInConfig, endpoint: DeployedEndpoint): (() => void)[] {
  const ends: (() => void)[] = [];
  const namespace = config.namespace.trim();
  const wanted = (name: { namespace: string | null }): boolean => namespace === '' || name.namespace === namespace;
  const send = (topic: string, device: DeviceName | null, payload: unknown, more: object = {}): void => {
    const unit = device === null ? {} : { device: deviceOf(device) };
    node.send({ topic: `endpoint/${topic}`, payload, ...unit, ...more } as Message);
  };
  if (config.messages) {
    const filter = config.filter.trim();
    ends.push(
      endpoint.on('message', (message) => {
        if (!wanted(message) || (filter !== '' && !matches(filter, message.topic))) return;
        const { topic, fullTopic, qos, retain, dup, will, serial, clientId, properties } = message;
        const about = { topic, fullTopic, qos, retain, dup, will, serial, clientId, properties };
        send('message', message, payloadOf(message, config.format), { endpoint: about });
      }),
    );
  }
  if (config.presence) {
    ends.push(
      endpoint.on('online', (one) => {
        const { serial, clientId, address } = one;
        if (wanted(one)) send('online', one, { ...now(), state: 'online', serial, clientId, address });
      }),
      endpoint.on('offline', (one) => {
        const { serial, clientId, reason } = one;
        if (wanted(one)) send('offline', one, { ...now(), state: 'offline', serial, clientId, reason });
      }),
    );
  }
  if (config.refused) {
    const fold = new Fold();
    ends.push(
      endpoint.on('refused', (refusal) => {
        if (!wanted(refusal)) return;
        const { code, at, serial, address } = refusal;
        const repeated = fold.take(`${code} ${at} ${serial ?? address.replace(/:\d+$/, '')}`);
        if (repeated === undefined) return;
        const { namespace: of, mac } = refusal;
        // What an unknown certificate says of itself need not be true: it stands in the payload alone.
        const device = refusal.at === 'session' && of !== null && mac !== null ? { namespace: of, mac } : null;
        send('refused', device, { ...now(), ...refusal, repeated });
      }),
    );
  }
  if (config.cuts) {
    ends.push(
      endpoint.on('cut', (cut) => {
        const { serial, address, by, code, reason } = cut;
        if (wanted(cut)) send('cut', cut, { ...now(), serial, address, by, code, reason });
      }),
    );
  }
  return ends;
}

const now = (): { time: string } => ({ time: new Date().toISOString() });

const deviceOf = ({ namespace, mac }: DeviceName): object => ({ namespace, mac: withColons(mac) });

function payloadOf({ payload }: DeviceMessage, format: EndpointInConfig['format']): unknown {
  if (format === 'buffer' || (format === 'auto' && !isUtf8(payload))) return payload;
  const text = payload.toString();
  if (format === 'text' || (format === 'auto' && !/^\s*[[{]/.test(text))) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // A device may send anything: what is no JSON stays the text that it is.
    return text;
  }
}
