import { DeviceEndpoint } from '../../lib/endpoint/index.ts';
import { authorityById, type DeployedAuthority } from '../shared/authority.ts';
import { fail } from '../shared/errors.ts';
import { holdTrust, type Trust } from '../shared/trust.ts';
import { keepPair, type ServicePair, serviceCertificate, serviceNames } from '../shared/trust-certificate.ts';
import type { OpenEndpoint } from '../shared/trust-endpoint.ts';
import { holdPresence, type PresenceHold } from '../shared/trust-presence.ts';
import type { EndpointConfig } from './config.ts';
import type { EndpointEventsHub } from './events.ts';

/** What is kept from one try to open to the next: a try that fails must not cost a certificate. */
export interface Spare {
  pair?: ServicePair | undefined;
}

/**
 * Opens an endpoint: judge and lists first, then its certificate, then the listener.
 * @throws AUTHORITY_NOT_SET, BAD_FIELD, PORT_IN_USE, what the authority, the registry and the endpoint throw
 */
export async function openEndpoint(
  config: EndpointConfig,
  events: EndpointEventsHub,
  spare: Spare,
  complain: (error: unknown) => void,
): Promise<OpenEndpoint & { close(): Promise<void> }> {
  const deployed = authorityById(config.authority);
  const hold = holdTrust(deployed);
  let presence: PresenceHold | undefined;
  try {
    const trust = await hold.open();
    const host = config.host.trim() || '127.0.0.1';
    const names = serviceNames(host, config.names, await brokersOf(deployed, trust));
    const pair = spare.pair ?? (await serviceCertificate(trust, names));
    spare.pair = pair;
    const { registry } = trust;
    presence = holdPresence(registry, deployed.namespaces, complain);
    const endpoint = new DeviceEndpoint({
      judge: trust.judge,
      tls: tlsOf(pair),
      host,
      port: numberIn(config, 'port', 0, 65_535, 8883),
      cadenceMs: Math.round(1000 * numberIn(config, 'cadence', 1, 86_400, 60)),
      cutNow: config.cutNow,
      cutAtExpiry: config.cutAtExpiry,
      ...(config.topicPrefix.trim() === '' ? {} : { topicPrefix: config.topicPrefix.trim() }),
      audit: (entry) =>
        registry.audit(entry, { actor: 'keyway-endpoint', source: (config.name || config.id).slice(0, 128) }),
      presence,
    });
    events.follow(endpoint);
    endpoint.on('trouble', complain);
    const where = await endpoint.listen();
    presence.joins(endpoint);
    spare.pair = undefined;
    pair.key.fill(0);
    const kept = keepPair(
      pair,
      async () => await serviceCertificate(await deployed.open(), names),
      (next) => endpoint.setSecureContext(tlsOf(next)),
      complain,
    );
    const close = async (): Promise<void> => {
      kept.stop();
      await endpoint.close();
      await hold.release();
    };
    return { endpoint, ...where, notAfter: () => kept.notAfter, close };
  } catch (error) {
    await presence?.close();
    await hold.release();
    throw error;
  }
}

/** Without authorities: their names would tell strangers which namespaces there are. */
function tlsOf({ key, chain }: ServicePair) {
  return { key, cert: chain };
}

/** The brokers that devices of the namespaces are told to reach. */
async function brokersOf(deployed: DeployedAuthority, trust: Trust): Promise<(string | null)[]> {
  return await ofEach(deployed, async (name) => (await trust.authority.settings(name)).brokerHost);
}

/** Of each namespace that can be used; what is wrong with another stands at the authority. */
async function ofEach<T>({ namespaces }: DeployedAuthority, ask: (name: string) => Promise<T>): Promise<T[]> {
  const all = await Promise.allSettled(namespaces.map(ask));
  return all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

function numberIn(
  config: EndpointConfig,
  field: 'port' | 'cadence',
  least: number,
  most: number,
  blank: number,
): number {
  const text = String(config[field]).trim();
  const value = text === '' ? blank : Number(text);
  if (value >= least && value <= most && (field !== 'port' || Number.isInteger(value))) return value;
  throw fail(
    'BAD_FIELD',
    `The field "${field}" of the endpoint must be from ${least} to ${most}; it is "${text.slice(0, 40)}".`,
    {
      hint: 'Open the endpoint and correct it.',
      detail: { field, value: text.slice(0, 40) },
    },
  );
}
