import { fail } from './errors.ts';
import type { EndpointLimits, EndpointOptions } from './types.ts';

/** The bounds that hold when none are given. */
export const DEFAULT_LIMITS: EndpointLimits = {
  packetBytes: 256 * 1024,
  connections: 10_000,
  connectionsPerAddress: 1_000,
  handshakes: 1_000,
  handshakeMs: 10_000,
  connectMs: 10_000,
  inflight: 16,
  receiveMaximum: 64,
  queued: 256,
  subscriptions: 32,
  sessionsPerDevice: 1,
  backlogBytes: 1024 * 1024,
  stallMs: 30_000,
};

const RANGES: Readonly<Record<keyof EndpointLimits, readonly [number, number]>> = {
  packetBytes: [1024, 16 * 1024 * 1024],
  connections: [1, 1_000_000],
  connectionsPerAddress: [1, 1_000_000],
  handshakes: [1, 1_000_000],
  handshakeMs: [100, 120_000],
  connectMs: [100, 120_000],
  inflight: [1, 65_535],
  receiveMaximum: [1, 65_535],
  queued: [1, 1_000_000],
  subscriptions: [1, 10_000],
  sessionsPerDevice: [1, 16],
  backlogBytes: [16 * 1024, 256 * 1024 * 1024],
  stallMs: [100, 3_600_000],
};

const PREFIX_MOST = 256;

/** The options, complete. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly cadenceMs: number;
  readonly cutNow: boolean;
  readonly cutAtExpiry: boolean;
  readonly topicPrefix: string;
  readonly limits: EndpointLimits;
}

/** @throws BAD_SETTINGS */
export function readSettings(options: EndpointOptions): Settings {
  const { host = '127.0.0.1', port = 8883, cadenceMs = 60_000 } = options;
  const { topicPrefix = '{namespace}/{mac}/', cutNow = false, cutAtExpiry = true } = options;
  whole('port', port, 0, 65_535);
  whole('cadenceMs', cadenceMs, 1_000, 86_400_000);
  if (typeof host !== 'string' || host === '') throw refused('host', host, 'Name an address to listen on.');
  checkPrefix(topicPrefix);
  const limits: EndpointLimits = { ...DEFAULT_LIMITS, ...options.limits };
  for (const [name, value] of Object.entries(limits)) {
    const range = RANGES[name as keyof EndpointLimits];
    if (range === undefined) throw refused(`limits.${name}`, value, `Known are ${Object.keys(RANGES).join(', ')}.`);
    whole(`limits.${name}`, value, ...range);
  }
  return { host, port, cadenceMs, cutNow, cutAtExpiry, topicPrefix, limits };
}

function checkPrefix(prefix: string): void {
  const filled = typeof prefix === 'string' ? prefix.replaceAll('{namespace}', 'n').replaceAll('{mac}', 'm') : '#';
  const good = filled.length <= PREFIX_MOST && !/[+#{}\p{Cc}]|^[$/]/u.test(filled) && /^$|\/$/.test(filled);
  if (good) return;
  throw refused(
    'topicPrefix',
    prefix,
    'Use levels that end with a slash, {namespace} and {mac} among them, no wildcards; or leave it empty.',
  );
}

function whole(field: string, value: number, from: number, to: number): void {
  if (Number.isInteger(value) && value >= from && value <= to) return;
  throw refused(field, value, `Give a whole number from ${from} to ${to}.`);
}

function refused(field: string, value: unknown, hint: string): Error {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 64)) : String(value);
  return fail('BAD_SETTINGS', `The setting ${field} cannot be ${shown}.`, { hint, detail: { field, value: shown } });
}
