import type { Certificate } from '../certificate/inspect.ts';
import { keyOf, signedBy } from '../trust/issuers.ts';
import { fail } from './errors.ts';

const MOST_ABOVE = 6;
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

export function badAnswer(what: string, cause?: unknown): Error {
  return fail('EST_BAD_ANSWER', `The EST server’s answer is not taken. ${what}`, {
    hint: 'Check that the server is the one that this client was set up for.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * The authorities above a certificate up to one of the anchors, each verified by the next; undefined when there is no
 * such path. @param now null: dates are not looked at
 */
export function pathOf(
  leaf: Certificate,
  pool: readonly Certificate[],
  anchors: readonly Certificate[],
  now: number | null,
): Certificate[] | undefined {
  const isAnchor = (one: Certificate): boolean => anchors.some(({ der }) => same(der, one.der));
  const above: Certificate[] = [];
  for (let below = leaf; above.length < MOST_ABOVE; ) {
    const next = pool.find((one) => issued(one, below, above.length, now));
    if (next === undefined) break;
    above.push(next);
    // The root is the last one; an intermediate that is trusted is as good, and may have a root above it.
    if (same(next.subject, next.issuer)) break;
    below = next;
  }
  const last = above.findLastIndex(isAnchor);
  return last < 0 ? undefined : above.slice(0, last + 1);
}

function issued(one: Certificate, below: Certificate, between: number, now: number | null): boolean {
  if (!same(one.subject, below.issuer) || same(one.der, below.der) || one.authority === null) return false;
  if (one.authority.pathLength < between || one.unknownCritical.length > 0) return false;
  if (one.keyUsage !== null && !one.keyUsage.includes('keyCertSign')) return false;
  if (now !== null && (now < one.notBefore || now >= one.notAfter)) return false;
  const key = keyOf(one);
  return key !== undefined && signedBy(below, key);
}

/** Those of the authorities that lead to one of the anchors. @throws EST_BAD_ANSWER none does */
export function verifiedAuthorities(
  found: readonly Certificate[],
  anchors: readonly Certificate[],
  now: number | null,
): Certificate[] {
  const good = found.filter((one) => {
    if (one.authority === null) return false;
    return (
      anchors.some(({ der }) => same(der, one.der)) || pathOf(one, [...found, ...anchors], anchors, now) !== undefined
    );
  });
  if (good.length > 0) return good;
  throw badAnswer('None of its authorities leads to one that this client trusts.');
}
