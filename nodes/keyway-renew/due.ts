import { spreadRenewalTime } from '../../lib/pki/index.ts';

/** Our authority dates certificates back by so much, for devices whose clock is behind. */
const BACKDATED_MS = 300_000;

/**
 * When a certificate is to be renewed: at hour 18 after it was issued, or after a part of its validity, and a little
 * later by its serial number, so that gateways which were set up together do not come together.
 */
export function dueTime(
  { serial, notBefore, notAfter }: { serial: string; notBefore: number; notAfter: number },
  part: number | undefined,
): number {
  const rotation = part === undefined ? { windowHours: 24, atHour: 18 } : { fraction: part };
  const issuedAt = Math.min(notBefore + BACKDATED_MS, notAfter);
  const random = Number.parseInt(serial.slice(-4), 16) / 0xffff;
  return spreadRenewalTime(rotation, issuedAt, notAfter, issuedAt, random);
}
