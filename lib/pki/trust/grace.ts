import { BACKDATE } from '../authority/ground.ts';
import type { NamespaceSettings } from '../settings.ts';
import type { CertificateRecord } from '../store.ts';
import type { JudgeRequest, TrustDevice, TrustStore } from './types.ts';

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

/** It may renew; with `again`, only so that it is given this one once more. */
export interface Grace {
  readonly again?: CertificateRecord;
}

/**
 * Whether a certificate that is over may renew still. A device that awaits its set-up lay in a drawer: its newest one may,
 * once, so that another is newer then. Any other may only where the namespace says so: a leaked key must not gain time.
 * Whose answer was lost asks again with the same key, and is still at its one renewal.
 * @returns why not, where it may not
 */
export async function graceOf(
  store: TrustStore,
  record: CertificateRecord,
  device: TrustDevice,
  { graceAwaitingSetupHours, graceHours }: NamespaceSettings,
  now: number,
  newKey: JudgeRequest['newKey'],
): Promise<Grace | string> {
  const waiting = device.state === 'awaiting-setup';
  const hours = waiting ? Math.max(graceAwaitingSetupHours, graceHours) : graceHours;
  if (hours === 0) return ` The device is ${device.state}, and has no period of grace.`;
  if (now >= record.notAfter + hours * HOUR) return ` Its period of grace of ${hours} h is over too.`;
  const all = await store.certificatesOf(record.namespace, record.device ?? '');
  const [newer, more] = all.filter(({ state, notBefore }) => state !== 'revoked' && notBefore > record.notBefore);
  if (newer === undefined) return {};
  const { state, renewal, notAfter, publicKeyHash } = newer;
  const unused = more === undefined && state === 'pending' && renewal === true && now < notAfter;
  return unused && publicKeyHash === newKey?.() ? { again: newer } : ' The device has a newer one.';
}
