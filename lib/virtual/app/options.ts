import type { Rotation } from '../../pki/index.ts';
import { fail } from '../errors.ts';

/** What the test application of a virtual chip is configured with, as firmware is when it is built. */
export interface ApplicationOptions {
  /** "mqtts://host:port". Left out, the broker that stands in NVS beside the identity, where the layout has one. */
  readonly broker?: string;
  /** "https://host:port" of the EST service. Left out, the chip never renews. */
  readonly est?: string;
  /** When the chip renews. Default: at hour 18 of each 24-hour window. */
  readonly rotation?: Rotation;
  /** The name that the certificates of broker and EST service must have. Default: the host of their addresses. */
  readonly serverName?: string;
  /** What the topics begin with; {namespace} and {mac} are filled in. Default: "{namespace}/{mac}/". */
  readonly topicPrefix?: string;
  /** Between two lines of telemetry, in ms. Default: 30000. */
  readonly telemetryMs?: number;
  /** From the start of the application until it knows the time, in ms; null = never. Default: 50. */
  readonly timeAfterMs?: number | null;
  /** Milliseconds since 1970, once it knows the time. Default: Date.now. */
  readonly time?: () => number;
  /** 0 … 1, for how long renewals and retries are put off, so that a fleet does not come at once. Default: Math.random. */
  readonly random?: () => number;
}

/** The options, complete. */
export interface Application {
  readonly broker: URL | null;
  readonly est: string | null;
  readonly rotation: Rotation;
  readonly serverName: string | undefined;
  readonly topicPrefix: string;
  readonly telemetryMs: number;
  readonly timeAfterMs: number | null;
  time(): number;
  random(): number;
}

const DAY_MS = 86_400_000;

/** @throws BAD_CHIP_OPTION */
export function checkApplication(options: ApplicationOptions): Application {
  const { broker, est, telemetryMs = 30_000, timeAfterMs = 50, serverName } = options;
  range('telemetryMs', telemetryMs, 100, DAY_MS);
  if (timeAfterMs !== null) range('timeAfterMs', timeAfterMs, 0, DAY_MS);
  return {
    broker: broker === undefined ? null : address('broker', broker, ['mqtts:']),
    est: est === undefined ? null : address('est', est, ['https:']).href.replace(/\/$/, ''),
    rotation: options.rotation ?? { windowHours: 24, atHour: 18 },
    serverName,
    topicPrefix: options.topicPrefix ?? '{namespace}/{mac}/',
    telemetryMs,
    timeAfterMs,
    time: options.time ?? Date.now,
    random: options.random ?? Math.random,
  };
}

function address(field: string, text: string, protocols: readonly string[]): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && protocols.includes(url.protocol) && url.hostname !== '' && url.username + url.password === '') {
    return url;
  }
  throw fail('BAD_CHIP_OPTION', `application.${field} cannot be "${text.slice(0, 100)}".`, {
    hint: `Write it like ${protocols[0]}//127.0.0.1:${field === 'broker' ? 8883 : 8443}, without user and password.`,
    detail: { field: `application.${field}`, value: text.slice(0, 100) },
  });
}

function range(field: string, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return;
  throw fail('BAD_CHIP_OPTION', `application.${field} cannot be ${value}.`, {
    hint: `Use ${least} to ${most}.`,
    detail: { field: `application.${field}`, value },
  });
}
