import { BACKDATE } from '../authority/ground.ts';
import type { NamespaceSettings } from '../settings.ts';
import type { CertificateRecord } from '../store.ts';
import type { TrustDevice, TrustStore } from './types.ts';

const HOUR = 3_600_000;

/** A renewal of this certificate that is so old that this one is no longer taken, though nobody has used that yet. */
export function renewedBy(
  record: CertificateRecord,
  records: readonly CertificateRecord[],
  { graceSupersededHours }: NamespaceSettings,
  now: number,
): string | undefined {
  if (record.state !== 'live') return undefined;
  const over = now - graceSupersededHours * HOUR;
  const found = records.find(
    ({ state, renewal, notBefore, notAfter }) =>
      state === 'pending' && renewal === true && notAfter > now && notBefore + BACKDATE < over,
  );
  return found?.serial;
}

/**
 * Whether a certificate that is over may renew still. A device that awaits its set-up lay in a drawer: its newest one may,
 * once, so that another is newer then. Any other may only where the namespace says so: a leaked key must not gain time.
 * @returns null when it may, else why not
 */
export async function graceOf(
  store: TrustStore,
  record: CertificateRecord,
  device: TrustDevice,
  { graceAwaitingSetupHours, graceHours }: NamespaceSettings,
  now: number,
): Promise<string | null> {
  const waiting = device.state === 'awaiting-setup';
  const hours = waiting ? Math.max(graceAwaitingSetupHours, graceHours) : graceHours;
  if (hours === 0) return ` The device is ${device.state}, and has no period of grace.`;
  if (now >= record.notAfter + hours * HOUR) return ` Its period of grace of ${hours} h is over too.`;
  const all = await store.certificatesOf(record.namespace, record.device ?? '');
  const newer = all.some(({ state, notBefore }) => state !== 'revoked' && notBefore > record.notBefore);
  return newer ? ' The device has a newer one.' : null;
}
