import type { NvsContent, NvsItem } from '../nvs/types.ts';
import { fail } from './errors.ts';

/** NVS namespace that the bootstrap firmware keeps Wi-Fi credentials in. */
export const WIFI_NAMESPACE = 'wifi';
const KEYS = { ssid: 'ssid', password: 'password' } as const;
/** Bytes of a name; IEEE 802.11, 9.4.2.2. */
const LONGEST_SSID = 32;
/** Characters of a WPA2 passphrase; 64 hex digits are the key itself. */
const PASSPHRASE = { least: 8, most: 63, key: 64 } as const;

/** The network that a chip is to join. */
export interface WifiCredentials {
  /** 1–32 bytes of UTF-8. */
  readonly ssid: string;
  /**
   * The vault's handle, or the text: 8–63 printable ASCII characters, or 64 hex digits. Left out for an open network,
   * whose entry is then empty.
   */
  readonly password?: { readonly handle: string } | { readonly value: string };
}

const encoder = new TextEncoder();

/** The NVS entries of Wi-Fi credentials. What lies behind a handle is not looked at. @throws BAD_WIFI */
export function wifiItems({ ssid, password }: WifiCredentials): NvsItem[] {
  const length = typeof ssid === 'string' ? encoder.encode(ssid).length : 0;
  if (length < 1 || length > LONGEST_SSID || ssid.includes('\0')) {
    throw fail('BAD_WIFI', `A Wi-Fi name of ${length} bytes cannot be used.`, {
      hint: `Give 1 to ${LONGEST_SSID} bytes of text.`,
      detail: { field: 'ssid', length },
    });
  }
  const place = { namespace: WIFI_NAMESPACE, encoding: 'string' } as const;
  return [
    { ...place, key: KEYS.ssid, value: ssid },
    { ...place, key: KEYS.password, ...passwordOf(password) },
  ];
}

function passwordOf(password: WifiCredentials['password']): Pick<NvsItem, 'handle' | 'value'> {
  if (password === undefined) return { value: '' };
  if ('handle' in password) {
    if (typeof password.handle === 'string' && password.handle !== '') return { handle: password.handle };
    throw badPassword('has a handle that is no text');
  }
  const problem = wifiPasswordProblem(password.value);
  if (problem !== null) throw badPassword(problem);
  return { value: password.value };
}

/** What is wrong with a WPA2 password, continuing "the password …"; null for a good one. Never shows it. */
export function wifiPasswordProblem(password: unknown): string | null {
  if (typeof password !== 'string') return 'is no text';
  const { least, most, key } = PASSPHRASE;
  if (password.length === key) return /^[0-9a-fA-F]+$/.test(password) ? null : `has ${key} characters that are not hex`;
  if (password.length < least || password.length > most) return `has not ${least} to ${most} characters`;
  return /^[\x20-\x7e]+$/.test(password) ? null : 'has characters outside printable ASCII';
}

function badPassword(what: string): Error {
  return fail('BAD_WIFI', `The Wi-Fi password ${what}.`, {
    hint: `Give ${PASSPHRASE.least} to ${PASSPHRASE.most} printable ASCII characters, or ${PASSPHRASE.key} hex digits.`,
    detail: { field: 'password' },
  });
}

/** What an NVS partition holds of Wi-Fi credentials. The password is looked at and not given back. */
export interface WifiReading {
  /** `absent`: neither entry; `faulty`: the firmware cannot use what is there. */
  readonly state: 'present' | 'open' | 'absent' | 'faulty';
  readonly ssid: string | null;
  /** Says what is wrong, as "wifi/password is missing"; null unless faulty. */
  readonly what: string | null;
}

/** Reads Wi-Fi credentials as the bootstrap firmware does. */
export function readWifi(content: Pick<NvsContent, 'entries'>): WifiReading {
  const entries = content.entries.filter(({ namespace }) => namespace === WIFI_NAMESPACE);
  const named = (key: string) => entries.filter((entry) => entry.key === key);
  const [names, passwords] = [named(KEYS.ssid), named(KEYS.password)];
  if (names.length + passwords.length === 0) return { state: 'absent', ssid: null, what: null };
  const ssid = names.find(({ encoding }) => encoding === 'string')?.value;
  const password = passwords.find(({ encoding }) => encoding === 'string')?.value;
  const faulty = (key: string, what: string): WifiReading => ({
    state: 'faulty',
    ssid: typeof ssid === 'string' ? ssid : null,
    what: `${WIFI_NAMESPACE}/${key} ${what}`,
  });
  if (ssid === undefined) return faulty(KEYS.ssid, names.length === 0 ? 'is missing' : 'is no string');
  const length = typeof ssid === 'string' ? encoder.encode(ssid).length : 0;
  if (typeof ssid !== 'string' || length < 1 || length > LONGEST_SSID) {
    return faulty(KEYS.ssid, `is no name of 1 to ${LONGEST_SSID} bytes`);
  }
  if (password === undefined) return faulty(KEYS.password, passwords.length === 0 ? 'is missing' : 'is no string');
  if (password === '') return { state: 'open', ssid, what: null };
  const problem = wifiPasswordProblem(password);
  return problem === null ? { state: 'present', ssid, what: null } : faulty(KEYS.password, problem);
}
