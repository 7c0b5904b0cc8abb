import type { KeyPolicy } from './certificate/keys.ts';
import { type AlternativeName, ipBytes, uri } from './certificate/names.ts';
import { fail } from './errors.ts';
import { clipped, hostName, quoted } from './names.ts';
import type { JsonObject } from './store.ts';

/** When a device renews: at one hour of each window since its certificate was issued, or at a part of its validity. */
export type Rotation = { readonly windowHours: number; readonly atHour: number } | { readonly fraction: number };

/** What a certificate namespace may set; each has a default. */
export interface NamespaceSettings {
  /** The broker's DNS name or IP address, which `{broker}` stands for. Default: none. */
  readonly brokerHost: string | null;
  /**
   * Alternative names of a device's certificate: `dns:`, `uri:` or `ip:` and a text with {broker}, {namespace}, {mac},
   * {serial}, {name}. One that needs what is not known is left out. Default: `dns:{broker}`.
   */
  readonly alternativeNames: readonly string[];
  /**
   * How long a device's certificate is valid, up to 219000 (25 years). A part of an hour is for lessons: 10/3600, ten
   * seconds, is the least. Default: 168, seven days.
   */
  readonly validityHours: number;
  /** Default: hour 18 of each 24-hour window. */
  readonly rotation: Rotation;
  /** Whether a renewal must bring a new key. Default: yes. */
  readonly rekey: 'required' | 'allowed';
  /** For how long after its end a certificate may be renewed by a device that awaits its set-up, once. Default: 720. */
  readonly graceAwaitingSetupHours: number;
  /** The same for any other device. Default: 0, since a leaked key must not gain time. */
  readonly graceHours: number;
  /**
   * For how long a certificate is still taken once its renewal was issued and nobody has used that yet, so that a lost
   * answer can be asked for again. Default: 24.
   */
  readonly graceSupersededHours: number;
  /** Keys that a signing request may have. Default: P-256 alone. */
  readonly keys: KeyPolicy;
  /** Where revocation lists are served, http or https, in place of the authority's own setting. Default: none. */
  readonly crlBaseUrl: string | null;
}

export const DEFAULT_SETTINGS: NamespaceSettings = {
  brokerHost: null,
  alternativeNames: ['dns:{broker}'],
  validityHours: 168,
  rotation: { windowHours: 24, atHour: 18 },
  rekey: 'required',
  graceAwaitingSetupHours: 720,
  graceHours: 0,
  graceSupersededHours: 24,
  keys: 'P-256',
  crlBaseUrl: null,
};

const MOST_HOURS = 219_000;
/** Ten seconds. */
const LEAST_HOURS = 10 / 3600;
const MOST_NAMES = 8;
const TEMPLATE = /^(dns|uri|ip):[\x21-\x7e]{1,256}$/;
const PLACE = /\{([^{}]*)\}/g;
const PLACES = ['broker', 'namespace', 'mac', 'serial', 'name'];

/**
 * Settings as they are kept, with the defaults for what is not said.
 * @throws BAD_SETTINGS
 */
export function readSettings(json: JsonObject): NamespaceSettings {
  const known = new Set(Object.keys(DEFAULT_SETTINGS));
  for (const field of Object.keys(json))
    if (!known.has(field)) throw bad(field, json[field], 'There is no such setting');
  const given = Object.fromEntries(Object.entries(json).filter(([, value]) => value !== undefined));
  const settings = { ...DEFAULT_SETTINGS, ...given } as NamespaceSettings;
  for (const field of ['graceAwaitingSetupHours', 'graceHours', 'graceSupersededHours'] as const) {
    hours(field, settings[field], 0);
  }
  hours('validityHours', settings.validityHours, LEAST_HOURS);
  oneOf('rekey', settings.rekey, ['required', 'allowed']);
  oneOf('keys', settings.keys, ['P-256', 'P-256 or RSA']);
  checkRotation(settings.rotation);
  if (settings.brokerHost !== null) checked('brokerHost', settings.brokerHost, addressOf);
  if (settings.crlBaseUrl !== null) checked('crlBaseUrl', settings.crlBaseUrl, crlBase);
  checkTemplates(settings.alternativeNames);
  return settings;
}

function checked(field: string, value: unknown, check: (value: string) => unknown): void {
  try {
    check(value as string);
  } catch {
    throw bad(field, value, 'It is neither a host name nor an address, or no URL');
  }
}

/** What of a broker's address goes into a certificate. @throws BAD_NAME */
function addressOf(host: string): AlternativeName {
  // Asked for every certificate: what cannot be an address is not tried as one.
  if (!/^[\d.]+$|:/.test(host)) return { kind: 'dns', value: hostName(host) };
  ipBytes(host);
  return { kind: 'ip', value: host };
}

/** The URL without a slash at its end. @throws BAD_NAME */
export function crlBase(url: string): string {
  const parsed = URL.canParse(uri(url)) ? new URL(url) : undefined;
  const plain = parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.username === '';
  if (!plain || parsed.search !== '' || parsed.hash !== '' || parsed.password !== '') {
    throw fail('BAD_NAME', `${quoted(url)} is no URL that lists can be served under.`, {
      hint: 'Give http:// or https://, a host and a path; no user, no query.',
      detail: { field: 'crlBaseUrl', value: clipped(url) },
    });
  }
  return url.replace(/\/+$/, '');
}

function hours(field: string, value: unknown, least: number): void {
  if (isNumber(value, least, MOST_HOURS)) return;
  const from = least === 0 ? '0' : '10/3600, ten seconds,';
  throw bad(field, value, `It must be a number of hours from ${from} to ${MOST_HOURS}`);
}

function oneOf(field: string, value: unknown, values: readonly string[]): void {
  if (!values.some((one) => one === value)) throw bad(field, value, `It must be one of ${values.join(', ')}`);
}

function checkRotation(rotation: unknown): void {
  const { windowHours, atHour, fraction, ...more } = (rotation ?? {}) as Record<string, unknown>;
  const byHour =
    fraction === undefined &&
    isNumber(windowHours, LEAST_HOURS, MOST_HOURS) &&
    isNumber(atHour, 0, windowHours as number);
  const byPart = windowHours === undefined && atHour === undefined && isNumber(fraction, 0.05, 0.95);
  if (Object.keys(more).length > 0 || (!byHour && !byPart)) {
    throw bad('rotation', JSON.stringify(rotation), 'It must be {windowHours, atHour} or {fraction} of 0.05 to 0.95');
  }
}

const isNumber = (value: unknown, least: number, most: number): boolean =>
  typeof value === 'number' && value >= least && value <= most;

function checkTemplates(templates: unknown): void {
  if (!Array.isArray(templates) || templates.length > MOST_NAMES) {
    throw bad('alternativeNames', templates, `It must be a list of at most ${MOST_NAMES}`);
  }
  for (const template of templates as unknown[]) {
    const fits = typeof template === 'string' && TEMPLATE.test(template);
    const places = fits ? [...template.matchAll(PLACE)].map((match) => match[1] ?? '') : [];
    const rest = fits ? template.replace(PLACE, '') : '{';
    if (/[{}]/.test(rest) || !places.every((place) => PLACES.includes(place))) {
      throw bad(
        'alternativeNames',
        template,
        `It must begin with dns:, uri: or ip:, and know only {${PLACES.join('}, {')}}`,
      );
    }
  }
}

function bad(field: string, value: unknown, what: string): Error {
  const shown = typeof value === 'number' ? String(value) : quoted(value);
  return fail('BAD_SETTINGS', `The setting ${field} of the namespace is ${shown}. ${what}.`, {
    hint: 'Correct it; what is left out has its default.',
    detail: { field, value: typeof value === 'number' ? value : clipped(value) },
  });
}

/** What the registry knows of a device, for its alternative names. */
export interface DeviceFacts {
  readonly namespace: string;
  readonly mac: string;
  readonly serial?: string | null;
  readonly name?: string | null;
}

/** The alternative names of a device's certificate. @throws BAD_NAME when a fact makes no such name */
export function namesOf(settings: NamespaceSettings, device: DeviceFacts): AlternativeName[] {
  const { namespace, mac, serial, name } = device;
  const facts: Record<string, string | null | undefined> = {
    broker: settings.brokerHost,
    namespace,
    mac,
    serial,
    name,
  };
  const names: AlternativeName[] = [];
  for (const template of settings.alternativeNames) {
    const colon = template.indexOf(':');
    const kind = template.slice(0, colon) as AlternativeName['kind'];
    let known = true;
    const value = template.slice(colon + 1).replace(PLACE, (_, place: string) => {
      const fact = facts[place];
      if (fact === null || fact === undefined || fact === '') known = false;
      const text = fact ?? '';
      return kind === 'uri' ? encodeURIComponent(text) : text;
    });
    if (!known) continue;
    names.push(kind === 'dns' && value === settings.brokerHost ? addressOf(value) : { kind, value });
  }
  return names;
}

/**
 * When a certificate is due for renewal next: a time after `now`, or its notAfter where that comes first.
 * @param issuedAt when it was issued, ms since 1970
 */
export function renewalTime(rotation: Rotation, issuedAt: number, notAfter: number, now: number): number {
  if ('fraction' in rotation) return issuedAt + Math.floor((notAfter - issuedAt) * rotation.fraction);
  const [window, at] = [rotation.windowHours * 3_600_000, rotation.atHour * 3_600_000];
  const windows = Math.max(0, Math.floor((now - issuedAt - at) / window) + 1);
  return Math.min(notAfter, issuedAt + windows * window + at);
}

/** How much of a window, or of a validity, renewals are spread over. */
const SPREAD = 0.05;

/**
 * `renewalTime`, later by up to a twentieth of the window (or of the validity), so that devices which were flashed
 * together do not renew together. Never at or after notAfter, as long as that is ahead.
 * @param random 0 … 1, a number of the device's own; draw it once a certificate
 */
export function spreadRenewalTime(
  rotation: Rotation,
  issuedAt: number,
  notAfter: number,
  now: number,
  random: number,
): number {
  const due = renewalTime(rotation, issuedAt, notAfter, now);
  const span = 'fraction' in rotation ? notAfter - issuedAt : rotation.windowHours * 3_600_000;
  const most = Math.max(0, Math.min(span * SPREAD, (notAfter - due) / 2));
  return due + Math.floor(most * Math.min(1, Math.max(0, random)));
}
