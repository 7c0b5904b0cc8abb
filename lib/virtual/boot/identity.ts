import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  type CertificateFacts,
  type DemoIdentity,
  describeFaults,
  type IdentityReading,
  identityBytes,
  identityLayout,
  type NvsContent,
  type PartitionTable,
  readIdentity,
  readWifi,
} from '../../esp/index.ts';
import { settledEntries } from '../app/nvs-identity.ts';
import type { ChipContext } from '../chip/context.ts';
import { openNvs, wipe } from './nvs.ts';
import type { BootScript } from './script.ts';

const TAG = 'scadable';
const NO_CERT = 'SCADABLE_ERR_NO_CERT';
/** Kinds of keys that mbedTLS 3 signs with. */
const KEY_KINDS: readonly unknown[] = ['ec', 'rsa'];
/** Longest name that is printed. */
const LONGEST_NAME = 64;

/**
 * What firmware of the gateway-provisioning kind does first: it reads its identity and its Wi-Fi credentials from NVS
 * and says what it has, or what is missing. It prints neither keys nor passwords.
 * @returns whether it has an identity
 */
export function lookForIdentity(
  context: ChipContext,
  table: PartitionTable,
  { layout, nvs }: DemoIdentity,
  script: BootScript,
): boolean {
  const opened = openNvs(context, table, nvs, script);
  if (opened === null) {
    script.log('E', TAG, `scadable_init failed: ${NO_CERT} (NVS cannot be read)`);
    return false;
  }
  wipe(opened.place.keys);
  // A renewal that a loss of power interrupted counts.
  const content = { entries: settledEntries(opened.entries, layout) };
  const hasIdentity = sayIdentity(content, readIdentity(content, layout), script);
  sayWifi(content, script);
  return hasIdentity;
}

function sayIdentity(content: Pick<NvsContent, 'entries'>, reading: IdentityReading, script: BootScript): boolean {
  const { certificate, faults, ca, settings } = reading;
  const problem = faults.length > 0 ? describeFaults(faults) : keyProblem(content, reading);
  if (problem !== null || certificate === null) {
    script.log('E', TAG, `scadable_init failed: ${NO_CERT} (${problem ?? 'no certificate'})`);
    return false;
  }
  const { commonName, notAfter } = certificate;
  script.log('I', TAG, `identity found: CN=${printable(commonName ?? '')}, valid until ${instant(notAfter)}`);
  if (ca.length > 0) script.log('I', TAG, `authority: ${ca.map(nameOf).join(', ')}`);
  const broker =
    settings.brokerUrl ??
    (settings.brokerHost === undefined ? undefined : `${settings.brokerHost}:${settings.brokerPort}`);
  if (broker !== undefined) script.log('I', TAG, `broker: ${printable(broker)}`);
  for (const name of reading.unterminated) {
    script.log('W', TAG, `${name} has no closing NUL, which mbedTLS wants to be counted in`);
  }
  return true;
}

/** What only cryptography tells: whether the chip can use the key, and whether it belongs to the certificate. */
function keyProblem(content: Pick<NvsContent, 'entries'>, { layout, certificate }: IdentityReading): string | null {
  const field = identityLayout(layout).fields.find(({ role }) => role === 'key');
  const name = `${field?.namespace}/${field?.key}`;
  const pem = identityBytes(content, layout, 'key') ?? new Uint8Array(0);
  try {
    const key = createPrivateKey({ key: Buffer.from(pem.buffer, pem.byteOffset, pem.length), format: 'pem' });
    if (!KEY_KINDS.includes(key.asymmetricKeyType)) {
      return `${name} is of the kind ${key.asymmetricKeyType}, which mbedTLS does not know`;
    }
    const own = new X509Certificate(certificate?.der ?? new Uint8Array(0)).checkPrivateKey(key);
    return own ? null : `${name} is not the key of the certificate`;
  } catch {
    return `${name} is no private key that can be used`;
  } finally {
    pem.fill(0);
  }
}

function sayWifi(content: Pick<NvsContent, 'entries'>, script: BootScript): void {
  const { state, ssid, what } = readWifi(content);
  if (state === 'absent') script.log('I', TAG, 'no Wi-Fi credentials in NVS');
  else if (state === 'faulty') script.log('W', TAG, `Wi-Fi credentials cannot be used: ${what}`);
  else
    script.log(
      'I',
      TAG,
      `Wi-Fi credentials for "${printable(ssid ?? '')}"${state === 'open' ? ', an open network' : ''}`,
    );
}

const nameOf = ({ commonName }: CertificateFacts): string => printable(commonName ?? 'without a name');

/** "2026-04-29 12:00:00 UTC" */
const instant = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('.000Z', ' UTC');

/** A name that somebody else chose must not write lines of its own. */
function printable(text: string): string {
  const shown = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
  return shown.length > LONGEST_NAME ? `${shown.slice(0, LONGEST_NAME)}…` : shown;
}
